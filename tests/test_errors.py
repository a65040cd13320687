"""Tests of the closed set of errors that a caller can see: position in the tree, code and reason."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import wallet_rpc
from tests.support.sources import list_sources
from wallet_rpc import errors
from wallet_rpc.errors import (
    ExecutionReverted,
    InternalError,
    InvalidParams,
    PaymasterRejected,
    Rejected,
    SessionEnded,
    StaleNonce,
    Unavailable,
    WalletError,
    sessions,
)
from wallet_rpc.primitives import Data

LINE = re.compile(r"^    (?P<rule>[│ ├└─]*)(?P<name>[A-Z]\w+)(?: +(?P<code>-?\d+))?", re.MULTILINE)


def tree() -> Iterator[tuple[str, str | None, int | None]]:
    """Yield (name, parent, code) of each line of the tree in the module's docstring."""
    above: list[str] = []
    for line in LINE.finditer(str(errors.__doc__)):
        depth = len(line["rule"]) // 4
        yield line["name"], above[depth - 1] if depth else None, int(line["code"]) if line["code"] else None
        above[depth:] = [line["name"]]


def subclasses(kind: type[WalletError]) -> Iterator[type[WalletError]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


KINDS = [kind for kind in subclasses(WalletError) if kind.__module__ in {errors.__name__, sessions.__name__}]
CODES = {
    "ParseError": -32700,
    "InvalidRequest": -32600,
    "SponsorshipFailed": -32600,
    "MethodNotFound": -32601,
    "InvalidParams": -32602,
    "Rejected": -32000,
    "LimitExceeded": -32005,
    "ValidationReverted": -32500,
    "PaymasterRejected": -32501,
    "OutOfTimeRange": -32503,
    "SignatureInvalid": -32507,
    "ExecutionReverted": -32521,
    "UnsupportedCapability": 5700,
    "UnsupportedChain": 5710,
    "UnknownBundle": 5730,
    "BundleTooLarge": 5740,
    "RateLimited": -32005,
    "Unauthorized": 4100,
    "Forbidden": 4100,
    "SessionEnded": 4100,
    "SessionPaused": 4100,
    "RuleDenied": 4100,
    "NotFound": -32001,
    "Conflict": -32002,
    "InternalError": -32603,
}
"""The codes of the hosted service and the standards: JSON-RPC 2.0, EIP-1193, EIP-1474, ERC-7769, EIP-5792."""


def new_error(kind: type[WalletError]) -> WalletError:
    return kind("text")


def test_the_tree_of_the_docstring_is_the_tree_of_the_classes() -> None:
    classes = [(kind.__name__, kind.__mro__[1].__name__, kind.code) for kind in KINDS]

    (root, none, no_code), *rest = tree()
    assert (root, none, no_code) == ("WalletError", None, None)
    assert sorted(rest) == sorted(classes)


def test_no_error_is_outside_the_tree() -> None:
    exceptions = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}

    assert exceptions == {WalletError, *KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_its_own_reason_and_says_when_it_happens(kind: type[WalletError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.default_reason)
    assert "default_reason" in vars(kind)
    assert kind.__doc__ is not None
    assert new_error(kind).data["reason"] == kind.default_reason


def test_no_two_errors_share_a_reason() -> None:
    assert len({kind.default_reason for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_a_code_is_the_hosted_services(name: str, code: int) -> None:
    assert getattr(errors, name).code == code


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_is_one_of_http(kind: type[WalletError]) -> None:
    assert kind.status in {400, 401, 403, 404, 409, 429, 500, 503}
    assert (kind.status >= 500) == issubclass(kind, Unavailable | InternalError)


def test_facts_are_in_the_data_next_to_the_reason_without_null_ones() -> None:
    error = InvalidParams("wrong", reason="other", field="params.calls[0].to", limit=None, n=0)

    assert str(error) == error.message == "params.calls[0].to: wrong"
    assert error.data == {"reason": "other", "field": "params.calls[0].to", "n": 0}


def text_source(node: ast.expr) -> str:
    """Return the source of a text, a name as it would be in an f-string."""
    source = ast.unparse(node)
    return source.removeprefix("f")[1:-1] if isinstance(node, ast.Constant | ast.JoinedStr) else f"{{{source}}}"


def repeats_field(call: ast.Call) -> bool:
    """Return True when the text of an error begins with its field, which the message states already."""
    fields = [keyword.value for keyword in call.keywords if keyword.arg == "field"]
    return any(text_source(text).startswith(f"{text_source(field)}: ") for text in call.args[:1] for field in fields)


def test_no_text_repeats_the_field_of_its_error() -> None:
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in list_sources(Path(wallet_rpc.__path__[0]), ".py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and repeats_field(node)
    ]

    assert wrong == []


def test_a_message_begins_with_the_field_of_the_error() -> None:
    error = InvalidParams("expected 20 bytes, got 1", field="params.to")

    assert (error.field, error.text) == ("params.to", "expected 20 bytes, got 1")
    assert str(error) == error.message == "params.to: expected 20 bytes, got 1"


@pytest.mark.parametrize("field", [None, ""])
def test_a_message_without_a_field_is_the_text(field: str | None) -> None:
    assert InvalidParams("the grant has expired", field=field).message == "the grant has expired"


def test_a_verbatim_text_is_the_whole_message_and_the_field_is_in_the_data() -> None:
    error = SessionEnded("Session revoked", field="params.capabilities.permissions", verbatim=True)

    assert str(error) == error.message == "Session revoked"
    assert error.data == {"reason": "session_revoked", "field": "params.capabilities.permissions"}


@pytest.mark.parametrize(
    ("given", "shown"), [(None, "null"), ("0x", '"0x"'), (5, "5"), ([1, 2], "an array of 2"), ({}, "an object")]
)
def test_a_message_is_composed_of_the_expected_and_the_given_value(given: object, shown: str) -> None:
    error = InvalidParams(field="params.to", expected="an address", given=given)

    assert error.message == f"params.to: expected an address, got {shown}"
    assert (error.expected, error.given) == ("an address", given)
    assert error.data == {"reason": "invalid_params", "field": "params.to"}


def test_a_message_names_the_given_value_only_if_there_is_one() -> None:
    assert InvalidParams(field="params.to", expected="an address").message == "params.to: expected an address"


def test_an_error_needs_a_text_or_an_expected_value() -> None:
    with pytest.raises(TypeError, match="needs a text"):
        InvalidParams(field="params.to", given=5)


def test_an_error_with_another_field_is_a_copy_that_names_only_that_field() -> None:
    error = InvalidParams("a params.to that is wrong", field="params.to", reason="other", n=1)
    moved = error.with_field("params.calls[0].to")

    assert (type(moved), moved.reason) == (InvalidParams, "other")
    assert str(moved) == "params.calls[0].to: a params.to that is wrong"
    assert moved.data == {"reason": "other", "field": "params.calls[0].to", "n": 1}
    assert (error.field, str(error)) == ("params.to", "params.to: a params.to that is wrong")


def test_an_error_with_another_text_is_a_copy_with_more_facts() -> None:
    error = PaymasterRejected("validation reverted", entry_point="AA33", revert=Data(b"\x01"))
    explained = error.with_text("validation reverted: Limit", errors=["Limit"])

    assert (type(explained), explained.message) == (PaymasterRejected, "validation reverted: Limit")
    assert (explained.entry_point, explained.revert) == ("AA33", b"\x01")
    assert explained.data == {
        "reason": "paymaster_refused",
        "entryPoint": "AA33",
        "revert": "0x01",
        "errors": ["Limit"],
    }
    assert error.data == {"reason": "paymaster_refused", "entryPoint": "AA33", "revert": "0x01"}


def test_an_error_with_details_is_a_copy_that_shows_them() -> None:
    details = [{"field": "to", "message": "is required"}]
    error = InvalidParams("is required", field="to")
    detailed = error.with_details(details)

    assert (detailed.details, detailed.message) == (details, "to: is required")
    assert detailed.data == {"reason": "invalid_params", "field": "to", "details": details}
    assert (error.details, error.data) == (None, {"reason": "invalid_params", "field": "to"})


@pytest.mark.parametrize(
    ("revert", "shown", "is_empty"),
    [(None, {}, True), (Data(), {"revert": "0x"}, True), (Data(b"\x01"), {"revert": "0x01"}, False)],
)
def test_revert_data_is_bytes_in_the_error_and_hex_in_its_data(
    revert: Data | None, shown: dict[str, str], *, is_empty: bool
) -> None:
    error = ExecutionReverted("execution reverted", revert=revert)

    assert error.data == {"reason": "execution_reverted", **shown}
    assert (error.revert, error.is_empty) == (revert, is_empty)


def test_retryable_errors_are_marked() -> None:
    assert StaleNonce("prepare again").data == {"reason": "stale_nonce", "retryable": True}
    assert InvalidParams("correct it first").data == {"reason": "invalid_params"}
    for kind in KINDS:
        assert not kind.retryable or issubclass(kind, Rejected | Unavailable)
        assert kind.retryable or not issubclass(kind, Unavailable)


def test_an_internal_error_shows_only_its_incident_number() -> None:
    error = InternalError("ab12")

    assert (error.message, error.data) == (
        "internal error, incident ab12",
        {"reason": "internal_error", "incident": "ab12"},
    )
