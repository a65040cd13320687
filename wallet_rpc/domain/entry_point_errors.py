"""Errors for user operations that the entry point rejects, by the code at the start of its message, such as AA23.

Source: ERC-4337, EntryPoint v0.7.
"""

from __future__ import annotations

from typing import Any

from wallet_rpc.errors import OutOfTimeRange, PaymasterRejected, SignatureInvalid, ValidationReverted

ENTRY_POINT_TEXTS = {
    "AA10": "sender already constructed",
    "AA13": "initCode failed or OOG",
    "AA14": "initCode must return sender",
    "AA15": "initCode must create sender",
    "AA20": "account not deployed",
    "AA21": "didn't pay prefund",
    "AA22": "expired or not due",
    "AA23": "reverted",
    "AA24": "signature error",
    "AA25": "invalid account nonce",
    "AA26": "over verificationGasLimit",
    "AA30": "paymaster not deployed",
    "AA31": "paymaster deposit too low",
    "AA32": "paymaster expired or not due",
    "AA33": "reverted",
    "AA34": "signature error",
    "AA36": "over paymasterVerificationGasLimit",
    "AA41": "too little verificationGas",
    "AA50": "postOp reverted",
    "AA51": "prefund below actualGasCost",
    "AA93": "invalid paymasterAndData",
    "AA94": "gas values overflow",
    "AA95": "out of gas",
    "AA96": "invalid aggregator",
}
"""Messages of the entry point for rejected operations, by code. Source: EntryPoint v0.7."""

_TYPES: dict[str, type[ValidationReverted]] = {
    "AA22": OutOfTimeRange,
    "AA24": SignatureInvalid,
    "AA32": OutOfTimeRange,
    "AA34": SignatureInvalid,
}


def build_entry_point_error(message: str, *, cause: str = "", **facts: Any) -> ValidationReverted:
    """Build the error for an entry point's message of code and text; `cause` is the text of the inner error, if any."""
    code = message[:4]
    error_type = _TYPES.get(code, PaymasterRejected if code.startswith("AA3") else ValidationReverted)
    text = f"validation reverted: [reason]: {message}" + (f": {cause}" if cause else "")
    if code == "AA24":
        text = "invalid account signature"
    return error_type(text, entry_point=code, **facts)
