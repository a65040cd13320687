"""Validation of token requests: one message, about the first invalid field in field order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.access.callers import EVM, SOLANA
from tests.support.wire_samples import json_values
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


def error_message(request: dict[str, Any]) -> str | None:
    """Return the message that a client gets; None for a valid request."""
    try:
        wire.validate(CreateToken, request)
    except wire.InvalidValue as invalid:
        return error_formats.merge_field_errors(ErrorFormat.TOKEN, invalid.errors).message
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
def test_the_error_is_about_the_first_invalid_field(wallet: Any, scope: Any, seconds: Any) -> None:
    errors = (wallet_error(wallet), scopes_error(scope), seconds_error(seconds))
    expected = next((error for error in errors if error is not None), None)
    assert error_message(build_request(walletAddress=wallet, scopes=scope, ttlSeconds=seconds)) == expected


@given(st.lists(st.sampled_from(KNOWN), min_size=1))
def test_scopes_keep_their_order_and_come_once(given_scopes: list[str]) -> None:
    request = wire.validate(CreateToken, {"walletAddress": EVM, "scopes": given_scopes})
    assert sorted(request.scopes) == sorted(set(given_scopes))
    assert sorted(request.scopes, key=given_scopes.index) == list(request.scopes)


@pytest.mark.parametrize("options", [{}, {"scopes": None, "ttlSeconds": None}, {"other": 1, "Scopes": []}])
def test_the_defaults_are_four_scopes_and_five_minutes(options: dict[str, Any]) -> None:
    request = wire.validate(CreateToken, {"walletAddress": SOLANA, **options})
    assert (request.scopes, request.ttl_seconds) == (DEFAULT_SCOPES, 300)
    assert [*DEFAULT_SCOPES] == ["wallet:read", "wallet:stream", "transactions:build", "transactions:submit"]


@pytest.mark.parametrize(("value", "expected"), [(600.0, 600), (1, 1), (3600, 3600), (3600.0, 3600)])
def test_whole_numbers_of_seconds_are_accepted(value: float, expected: int) -> None:
    seconds = wire.validate(CreateToken, {"walletAddress": EVM, "ttlSeconds": value}).ttl_seconds
    assert (seconds, type(seconds)) == (expected, int)


def test_the_json_schema_has_the_same_rules() -> None:
    schema = wire.schema(CreateToken, "validation")
    assert schema["required"] == ["walletAddress"]
    assert schema["properties"]["scopes"]["items"]["enum"] == KNOWN
    assert (schema["properties"]["ttlSeconds"]["minimum"], schema["properties"]["ttlSeconds"]["maximum"]) == (1, 3600)
