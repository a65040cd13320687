"""Words of typed data: how a value of an elementary type, or an array of values, becomes 32 bytes.

Sources: EIP-712, `encodeData`; the Solidity contract ABI for elementary values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypeAlias, TypeVar

from eth_hash.auto import keccak

from wallet_rpc.domain import abi
from wallet_rpc.primitives import Address, from_hex, preview

T = TypeVar("T")
U = TypeVar("U")

Encoder: TypeAlias = Callable[[Any], bytes]
"""From a JSON value to its word of 32 bytes. Raises: TypedDataError."""

MALFORMED = "typed_data_malformed"
"""The reason of typed data whose parts do not agree."""
TOO_LARGE = "typed_data_too_large"
"""The reason of typed data beyond a limit."""
_EXACT = 1 << 53
"""Up to here a double holds every integer."""
_MAX_DIGITS = 256
"""Of the widest integer in base 2; leading zeros are not counted."""
_NUMBER = re.compile(r"[+-]?[0-9]+|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+", re.ASCII)
_BASES = {"x": 16, "o": 8, "b": 2}
_SPACE = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
"""The characters that JavaScript leaves out around a number."""


class TypedDataError(Exception):
    """A part of typed data that cannot be hashed; the path grows as the error leaves the values around it."""

    def __init__(self, text: str, *, path: str = "", reason: str = MALFORMED) -> None:
        super().__init__(text)
        self.text = text
        self.path = path
        self.reason = reason

    @classmethod
    def value(cls, expected: str, given: object, *, path: str = "") -> Self:
        """The error of a value that is not what is expected."""
        return cls(f"expected {expected}, got {preview(given)}", path=path)

    @classmethod
    def too_large(cls, text: str, *, path: str) -> Self:
        """The error of more than a limit allows."""
        return cls(f"expected at most {text}", path=path, reason=TOO_LARGE)

    def prefix_path(self, step: str) -> Self:
        """The same error as the value around it sees it; `step` is `[2]` or `.name`."""
        self.path = step + self.path
        return self


def parse_integer(value: object) -> int | None:
    """The integer of a JSON number, or of text as JavaScript's BigInt reads it; None for anything else.

    None, too, for empty text, and for a JSON number that some readers round: an integer that a double does not hold,
    and a number with a fraction or an exponent from 2^53 on.
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


def map_each(values: Iterable[T], make: Callable[[T], U]) -> list[U]:
    """What is made of each of some values. Raises: TypedDataError at the value's index."""
    made: list[U] = []
    try:
        for value in values:
            made.append(make(value))
    except TypedDataError as unfit:
        raise unfit.prefix_path(f"[{len(made)}]") from None
    return made


def array_encoder(item: Encoder, length: int | None) -> Encoder:
    """The encoder of an array of `length` items, or of any number (None): keccak of the items' words."""
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
    """The bytes of hex text, `size` of them where that is given."""
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
        raise TypedDataError("expected Unicode characters, got one half of a surrogate pair") from None


def _address(value: Any) -> bytes:
    expected = "an address, 20 bytes as 0x hex, in lower case or with a correct EIP-55 checksum"
    raw = _parse_bytes(value, expected, size=Address.size)
    if value != value.lower() and value != Address(raw).hex0x():
        raise TypedDataError.value(expected, value)
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
