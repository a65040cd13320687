"""Tests of the errors for operations that the entry point rejects."""

from __future__ import annotations

import pytest

from wallet_rpc.domain.entry_point_errors import build_entry_point_error
from wallet_rpc.errors import OutOfTimeRange, PaymasterRejected, SignatureInvalid, ValidationReverted
from wallet_rpc.primitives import Data


@pytest.mark.parametrize(
    ("message", "error_type"),
    [
        ("AA10 sender already constructed", ValidationReverted),
        ("AA21 didn't pay prefund", ValidationReverted),
        ("AA22 expired or not due", OutOfTimeRange),
        ("AA23 reverted", ValidationReverted),
        ("AA31 paymaster deposit too low", PaymasterRejected),
        ("AA32 paymaster expired or not due", OutOfTimeRange),
        ("AA33 reverted", PaymasterRejected),
        ("AA34 signature error", SignatureInvalid),
        ("AA95 out of gas", ValidationReverted),
    ],
)
def test_a_code_has_its_error(message: str, error_type: type[ValidationReverted]) -> None:
    error = build_entry_point_error(message, revert=Data(b"\x12"))
    assert type(error) is error_type
    assert error.entry_point == message[:4]
    assert error.data["entryPoint"] == message[:4]
    assert error.data["revert"] == "0x12"
    assert error.message == f"validation reverted: [reason]: {message}"


def test_an_invalid_account_signature_has_a_text_of_its_own() -> None:
    error = build_entry_point_error("AA24 signature error")
    assert type(error) is SignatureInvalid
    assert error.message == "invalid account signature"


def test_the_cause_follows_the_message() -> None:
    error = build_entry_point_error("AA23 reverted", cause="NotAuthorized()")
    assert error.message == "validation reverted: [reason]: AA23 reverted: NotAuthorized()"
