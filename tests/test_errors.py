"""Tests of the closed set of errors that a caller can see: position in the tree, code and reason."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from wallet_rpc import errors
from wallet_rpc.errors import InternalError, InvalidParams, Rejected, StaleNonce, Unavailable, WalletError

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


KINDS = [kind for kind in subclasses(WalletError) if kind.__module__ == errors.__name__]
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
    error = InvalidParams("params.calls[0].to: wrong", reason="other", field="params.calls[0].to", expected=None, n=0)

    assert str(error) == error.message == "params.calls[0].to: wrong"
    assert error.data == {"reason": "other", "field": "params.calls[0].to", "n": 0}


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
