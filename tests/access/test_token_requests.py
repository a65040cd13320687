"""What a request for a token may say: one message for what is wrong, the first in the order of the fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.access.callers import EVM, SOLANA
from tests.wire_samples import json_values
from wallet_rpc import wire
from wallet_rpc.domain.access import DEFAULT_SCOPES, Scope
from wallet_rpc.edge import error_formats
from wallet_rpc.operations.create_token import CreateToken
from wallet_rpc.operations.operation import ErrorFormat

KNOWN = [scope.value for scope in Scope]
UNKNOWN_SCOPE = (
    "each value in scopes must be one of the following values: wallet:read, wallet:stream, transactions:build, "
    "transactions:submit, sessions:create"
)
ABSENT = object()
anything = st.none() | json_values | st.just(ABSENT)


def build_request(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not ABSENT}


def refusal(request: dict[str, Any]) -> str | None:
    """The message that a client gets; None when it is a request."""
    try:
        wire.validate(CreateToken, request)
    except wire.InvalidValue as faulty:
        return error_formats.merge_field_errors(ErrorFormat.TOKEN, faulty.errors).message
    return None


def wallet_error(value: Any) -> str | None:
    if value is ABSENT or value is None or value == "":
        return "walletAddress should not be empty"
    if not isinstance(value, str):
        return "walletAddress must be a string"
    return None if value in {EVM, EVM.lower(), SOLANA} else "Invalid wallet address"


def scopes_error(value: Any) -> str | None:
    if value is ABSENT or value is None:
        return None
    if not isinstance(value, list):
        return "scopes must be an array"
    if value == []:
        return "scopes must contain at least 1 element"
    return None if all(isinstance(one, str) and one in KNOWN for one in value) else UNKNOWN_SCOPE


def seconds_error(value: Any) -> str | None:
    if value is ABSENT or value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        return "ttlSeconds must be an integer number"
    if value < 1:
        return "ttlSeconds must not be less than 1"
    return "ttlSeconds must not be greater than 3600" if value > 3600 else None


wallets = st.sampled_from([EVM, EVM.lower(), SOLANA]) | anything
scopes = st.lists(st.sampled_from(KNOWN)) | st.lists(st.sampled_from(KNOWN) | json_values) | anything
lifetimes = st.integers(-10, 4000) | st.floats(-10, 4000) | st.integers(1, 3600).map(float) | anything


@given(wallets, scopes, lifetimes)
@example(EVM, ["wallet:read", ["wallet:read"]], 600.0)
@example(EVM, [{}], 10**400)
@example(SOLANA, None, 1e308)
def test_the_first_field_at_fault_is_told(wallet: Any, scope: Any, seconds: Any) -> None:
    faults = (wallet_error(wallet), scopes_error(scope), seconds_error(seconds))
    expected = next((fault for fault in faults if fault is not None), None)
    assert refusal(build_request(walletAddress=wallet, scopes=scope, ttlSeconds=seconds)) == expected


@given(st.lists(st.sampled_from(KNOWN), min_size=1))
def test_scopes_keep_their_order_and_come_once(given_scopes: list[str]) -> None:
    read = wire.validate(CreateToken, {"walletAddress": EVM, "scopes": given_scopes})
    assert sorted(read.scopes) == sorted(set(given_scopes))
    assert sorted(read.scopes, key=given_scopes.index) == list(read.scopes)


@pytest.mark.parametrize("nothing", [{}, {"scopes": None, "ttlSeconds": None}, {"other": 1, "Scopes": []}])
def test_nothing_asked_for_is_four_scopes_and_five_minutes(nothing: dict[str, Any]) -> None:
    read = wire.validate(CreateToken, {"walletAddress": SOLANA, **nothing})
    assert (read.scopes, read.ttl_seconds) == (DEFAULT_SCOPES, 300)
    assert [*DEFAULT_SCOPES] == ["wallet:read", "wallet:stream", "transactions:build", "transactions:submit"]


@pytest.mark.parametrize(("written", "read"), [(600.0, 600), (1, 1), (3600, 3600), (3600.0, 3600)])
def test_whole_numbers_of_seconds_are_taken(written: float, read: int) -> None:
    seconds = wire.validate(CreateToken, {"walletAddress": EVM, "ttlSeconds": written}).ttl_seconds
    assert (seconds, type(seconds)) == (read, int)


def test_the_document_tells_the_same_rules() -> None:
    schema = wire.schema(CreateToken, "validation")
    assert schema["required"] == ["walletAddress"]
    assert schema["properties"]["scopes"]["items"]["enum"] == KNOWN
    assert (schema["properties"]["ttlSeconds"]["minimum"], schema["properties"]["ttlSeconds"]["maximum"]) == (1, 3600)
