"""Messages of the machine's errors, in the usual wording of nodes."""

from __future__ import annotations

from eth.exceptions import (
    FullStack,
    InsufficientStack,
    InvalidJumpDestination,
    OutOfBoundsRead,
    OutOfGas,
    ReservedBytesInCode,
    Revert,
    VMError,
)

from wallet_rpc.devchain.computation import CodeTooLong

_TEXTS: dict[type[VMError], str] = {
    Revert: "execution reverted",
    OutOfGas: "out of gas",
    FullStack: "stack limit reached 1024",
    InsufficientStack: "stack underflow",
    InvalidJumpDestination: "invalid jump destination",
    OutOfBoundsRead: "return data out of bounds",
    CodeTooLong: "max code size exceeded",
    ReservedBytesInCode: "invalid code: must not begin with 0xef",
}


def error_text(error: VMError) -> str:
    """Return the message of a machine error, in the usual wording of nodes."""
    for kind, text in _TEXTS.items():
        if isinstance(error, kind):
            return text
    if type(error) is VMError:
        return "precompile failed"
    return "".join(" " + letter.lower() if letter.isupper() else letter for letter in type(error).__name__).strip()
