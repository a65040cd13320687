"""Tests of the errors for operations that the entry point rejects."""

from __future__ import annotations

import pytest

from wallet_rpc.domain.entry_point_errors import ENTRY_POINT_TEXTS, build_entry_point_error
from wallet_rpc.errors import OutOfTimeRange, PaymasterRejected, SignatureInvalid, ValidationReverted

_TYPES = {"AA22": OutOfTimeRange, "AA24": SignatureInvalid, "AA32": OutOfTimeRange, "AA34": SignatureInvalid}


@pytest.mark.parametrize(("code", "text"), ENTRY_POINT_TEXTS.items())
def test_each_code_has_its_error(code: str, text: str) -> None:
    error = build_entry_point_error(f"{code} {text}", revert="0x")
    assert type(error) is _TYPES.get(code, PaymasterRejected if code.startswith("AA3") else ValidationReverted)
    assert (error.facts["entryPoint"], error.facts["revert"]) == (code, "0x")
    expected = "invalid account signature" if code == "AA24" else f"validation reverted: [reason]: {code} {text}"
    assert error.message == expected


def test_the_cause_follows_the_message() -> None:
    error = build_entry_point_error("AA23 reverted", cause="NotAuthorized()")
    assert error.message == "validation reverted: [reason]: AA23 reverted: NotAuthorized()"
