"""Encoders of typed data values: an elementary value or an array becomes a word of 32 bytes.

Sources: EIP-712, `encodeData`; the Solidity contract ABI for elementary values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypeAlias, TypeVar

from eth_hash.auto import keccak

from wallet_rpc.domain import abi
from wallet_rpc.primitives import Address, from_hex, preview

_T = TypeVar("_T")
_U = TypeVar("_U")

Encoder: TypeAlias = Callable[[Any], bytes]
"""A function from a JSON value to its word of 32 bytes. Raises: TypedDataError."""

MALFORMED = "typed_data_malformed"
"""The error reason for typed data with inconsistent parts."""
TOO_LARGE = "typed_data_too_large"
"""The error reason for typed data beyond a limit."""
_EXACT = 1 << 53
"""Bound below which a double represents every integer exactly."""
_MAX_DIGITS = 256
"""Digits of the widest integer in base 2, without leading zeros."""
_NUMBER = re.compile(r"[+-]?[0-9]+|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+", re.ASCII)
_BASES = {"x": 16, "o": 8, "b": 2}
_SPACE = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
"""Characters that JavaScript ignores around a number."""


class TypedDataError(Exception):
    """An invalid part of typed data; the path grows as the error passes the enclosing values."""

    def __init__(self, text: str, *, path: str = "", reason: str = MALFORMED) -> None:
        super().__init__(text)
        self.text = text
        self.path = path
        self.reason = reason

    @classmethod
    def value(cls, expected: str, given: object, *, path: str = "") -> Self:
        """Build the error of an unexpected value."""
        return cls(f"expected {expected}, got {preview(given)}", path=path)

    @classmethod
    def too_large(cls, text: str, *, path: str) -> Self:
        """Build the error of a value beyond a limit."""
        return cls(f"expected at most {text}", path=path, reason=TOO_LARGE)

    def prefix_path(self, step: str) -> Self:
        """Prefix the path with a step of the enclosing value, such as `[2]` or `.name`, and return the error."""
        self.path = step + self.path
        return self


def parse_integer(value: object) -> int | None:
    """Parse the integer of a JSON number, or of a text as JavaScript's BigInt does; None for anything else.

    Return None also for empty text, and for JSON numbers that some parsers round: an integer that a double does not
    represent exactly, and a number with a fraction or an exponent from 2^53 on.
    """
    match value:
        case bool():
            return None
        case int():
            return value if value.bit_length() <= 256 and int(float(value)) == value else None
        case float():
            return int(value) if value.is_integer() and abs(value) < _EXACT else None
        case str():
            return _parse_integer_text(value)
        case _:
            return None


def _parse_integer_text(text: str) -> int | None:
    text = text.strip(_SPACE)
    if _NUMBER.fullmatch(text) is None:
        return None
    base = _BASES.get(text[1:2].lower(), 10)
    digits = (text.lstrip("+-") if base == 10 else text[2:]).lstrip("0")
    if len(digits) > _MAX_DIGITS:
        return None
    number = int(digits or "0", base)
    return -number if text.startswith("-") else number


def map_each(values: Iterable[_T], make: Callable[[_T], _U]) -> list[_U]:
    """Apply `make` to each value. Raises: TypedDataError at the value's index."""
    results: list[_U] = []
    try:
        for value in values:
            results.append(make(value))
    except TypedDataError as error:
        raise error.prefix_path(f"[{len(results)}]") from None
    return results


def array_encoder(item: Encoder, length: int | None) -> Encoder:
    """Return the encoder of an array of `length` items, or of any number (None): keccak of the items' words."""
    expected = "an array" if length is None else f"an array of {length}"

    def encode(value: Any) -> bytes:
        if not isinstance(value, list) or length not in {None, len(value)}:
            raise TypedDataError.value(expected, value)
        return keccak(b"".join(map_each(value, item)))

    return encode


def _integer(name: str, bits: int, *, is_signed: bool) -> Encoder:
    expected = f"a JSON integer that a double holds exactly, or decimal or 0x hex text, within {name}"
    low, high = (-1 << (bits - 1), 1 << (bits - 1)) if is_signed else (0, 1 << bits)

    def encode(value: Any) -> bytes:
        number = parse_integer(value)
        if number is None or not low <= number < high:
            raise TypedDataError.value(expected, value)
        return number.to_bytes(32, "big", signed=is_signed)

    return encode


def _fixed_bytes(size: int) -> Encoder:
    expected = f"{size} bytes as 0x hex"
    return lambda value: abi.fixed_bytes(_parse_bytes(value, expected, size=size))


def _parse_bytes(value: Any, expected: str, *, size: int | None = None) -> bytes:
    """Parse hex text to bytes; `size`, if given, is their number."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise TypedDataError.value(expected, value)
    try:
        raw = from_hex(value, expected)
    except ValueError:
        raise TypedDataError.value(expected, value) from None
    if size not in {None, len(raw)}:
        raise TypedDataError.value(expected, value)
    return raw


def _bytes(value: Any) -> bytes:
    return keccak(_parse_bytes(value, "bytes as 0x hex"))


def _string(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypedDataError.value("a string", value)
    try:
        return keccak(value.encode())
    except UnicodeEncodeError:
        raise TypedDataError("expected Unicode characters, got an unpaired surrogate") from None


def _address(value: Any) -> bytes:
    expected = "an address, 20 bytes as 0x hex, in lower case or with a correct EIP-55 checksum"
    raw = _parse_bytes(value, expected, size=Address.size)
    if value != value.lower() and value != Address(raw).hex0x():
        raise TypedDataError.value(f"{expected} ({Address(raw).describe_checksum()})", value)
    return abi.address(raw)


def _bool(value: Any) -> bytes:
    if not isinstance(value, bool):
        raise TypedDataError.value("true or false", value)
    return abi.uint(value)


ELEMENTARY: Mapping[str, Encoder] = {
    "address": _address,
    "bool": _bool,
    "bytes": _bytes,
    "string": _string,
    **{f"bytes{size}": _fixed_bytes(size) for size in range(1, 33)},
    **{f"int{bits}": _integer(f"int{bits}", bits, is_signed=True) for bits in range(8, 257, 8)},
    **{f"uint{bits}": _integer(f"uint{bits}", bits, is_signed=False) for bits in range(8, 257, 8)},
}
"""The encoder of every elementary type."""
