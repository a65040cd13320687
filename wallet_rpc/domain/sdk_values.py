"""Parsers of a permission's texts that behave like the official SDK: same stage, same error names.

Bytes and integers pass unchanged. Source: viem's ABI encoder and JavaScript's BigInt, as the SDK uses them.
"""

from __future__ import annotations

import re
from enum import StrEnum

from eth_utils.address import to_checksum_address

from wallet_rpc.primitives import Address, Data, Selector

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_HEX = re.compile(r"0[xX][0-9a-fA-F]+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]+", re.ASCII)


class Stage(StrEnum):
    """Steps in which the SDK raises an error: creating the builder, adding a permission, or compiling the list."""

    CONSTRUCTOR = "constructor"
    ADD = "addPermission"
    COMPILE = "compileDeferred"


class CompileError(Exception):
    """An error that the SDK would raise.

    `name` is the SDK's error class, `stage` the step, and `position` the index of the permission, if it concerns one.
    """

    def __init__(self, name: str, stage: Stage, *, position: int | None = None) -> None:
        super().__init__(f"{name} at {stage}")
        self.name = name
        self.stage = stage
        self.position = position


def read_address(value: Address | str, stage: Stage, *, position: int | None = None) -> Address:
    """Parse an address: 0x and 40 digits, all lower case or with a correct EIP-55 checksum.

    Raises: CompileError (InvalidAddressError).
    """
    if isinstance(value, Address):
        return value
    if _ADDRESS.fullmatch(value) is None or value not in (value.lower(), to_checksum_address(value)):
        raise CompileError("InvalidAddressError", stage, position=position)
    return Address(Data.parse(value))


def read_amount(value: int | str, *, position: int | None = None) -> int:
    """Parse an integer as `BigInt(text)` does: hex, decimal, or an empty text for 0; of any size.

    Raises: CompileError (SyntaxError).
    """
    if isinstance(value, int):
        return value
    text = value.strip()
    if _HEX.fullmatch(text) is not None:
        return int(text, 16)
    if _DECIMAL.fullmatch(text) is not None:
        return int(text)
    if text:
        raise CompileError("SyntaxError", Stage.COMPILE, position=position)
    return 0


def read_word(value: int, *, position: int | None = None) -> int:
    """Return `value` if it fits into 256 bits. Raises: CompileError (IntegerOutOfRangeError)."""
    if not 0 <= value < 1 << 256:
        raise CompileError("IntegerOutOfRangeError", Stage.COMPILE, position=position)
    return value


def read_selector(value: Selector | str, *, position: int | None = None) -> Selector:
    """Parse a selector of four bytes; a missing last digit is 0.

    Raises: CompileError (AbiEncodingBytesSizeMismatchError) for other lengths.
    """
    if isinstance(value, Selector):
        return value
    digits = value[2:]
    if (len(digits) + 1) // 2 != 4:
        raise CompileError("AbiEncodingBytesSizeMismatchError", Stage.COMPILE, position=position)
    return Selector.parse("0x" + digits.ljust(8, "0"))


def same_selector(value: Selector | str) -> Selector | None:
    """Return the selector that `value` denotes, in any letter case; None if the text is not a selector."""
    if isinstance(value, Selector):
        return value
    return Selector.parse(value) if re.fullmatch(r"0x[0-9a-fA-F]{8}", value, re.ASCII) is not None else None
