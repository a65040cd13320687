"""The scalars of the wire: byte strings of a known length and amounts with a unit.

The only module that knows hex. Past the door an address is 20 bytes and an amount is an `int`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, NewType, Self, TypeAlias

from eth_utils.address import is_checksum_formatted_address, to_checksum_address
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

_HEX = re.compile(r"0[xX][0-9a-fA-F]*", re.ASCII)
_SHOWN = 24
"""How many characters of a rejected value an error repeats."""
_SHOWN_BITS = 76
"""The widest integer that is shown; its decimal digits and sign fit into those characters."""


def shown(value: object) -> str:
    """`value` as an error may show it: its JSON kind, and its first characters when it is text."""
    match value:
        case None | bool():
            text = {None: "null", True: "true", False: "false"}[value]
        case int() if value.bit_length() > _SHOWN_BITS:
            text = f"an integer of {value.bit_length()} bits"
        case int() | float():
            text = repr(value)
        case str():
            text = f'"{value}"' if len(value) <= _SHOWN else f'"{value[:_SHOWN]}…" of {len(value)} characters'
        case list() | tuple():
            text = f"an array of {len(value)}"
        case _:
            text = "an object" if isinstance(value, dict) else type(value).__name__
    return text


def malformed(expected: str, given: object) -> PydanticCustomError:
    """The error of a scalar that has the wrong form; the door adds where it stood."""
    text = f"expected {expected}, got {shown(given)}"
    return PydanticCustomError("malformed", "{text}", {"text": text, "expected": expected})


def worded(text: str, *, reason: str = "validation") -> PydanticCustomError:
    """The error of a value, in words that stand alone; `reason` is for programs, where the door tells one (REST)."""
    return PydanticCustomError("worded", "{text}", {"text": text, "reason": reason})


def from_hex(value: object, expected: str) -> bytes:
    """Bytes of `0x`-prefixed text with an even number of digits."""
    if not isinstance(value, str) or _HEX.fullmatch(value) is None or len(value) % 2:
        raise malformed(expected, value)
    return bytes.fromhex(value[2:])


class Data(bytes):
    """A byte string of any length; hex text on the wire, `0x` when empty."""

    size: ClassVar[int | None] = None
    noun: ClassVar[str] = "bytes"

    def __new__(cls, value: bytes = b"") -> Self:
        """The bytes themselves. Raises ValueError when a fixed-length class gets another length."""
        if cls.size is not None and len(value) != cls.size:
            raise ValueError(f"{cls.__name__} takes {cls.size} bytes, got {len(value)}")
        return super().__new__(cls, value)

    @classmethod
    def expected(cls) -> str:
        """What a caller should have sent, in words."""
        return "hex bytes starting with 0x" if cls.size is None else f"0x and {cls.size} hex bytes ({cls.noun})"

    @classmethod
    def parse(cls, value: object) -> Self:
        """From the wire. Raises the door's `malformed` error."""
        if isinstance(value, cls):
            return value
        raw = from_hex(value, cls.expected())
        if cls.size is not None and len(raw) != cls.size:
            raise malformed(cls.expected(), value)
        return cls(raw)

    def hex0x(self) -> str:
        """The text on the wire."""
        return "0x" + self.hex()

    def __str__(self) -> str:
        return self.hex0x()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hex0x()})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """How the wire reads and writes the class."""
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(_written(cls))
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """The pattern a document states."""
        digits = "([0-9a-fA-F]{2})*" if cls.size is None else f"[0-9a-fA-F]{{{2 * cls.size}}}"
        return {"type": "string", "pattern": f"^0x{digits}$", "title": cls.__name__}


def _written(cls: type[Data]) -> Any:
    def write(value: object) -> str:
        if not isinstance(value, bytes):
            raise TypeError(f"expected {cls.__name__}, got {type(value).__name__}")
        return cls(value).hex0x()

    return write


class Address(Data):
    """A 20-byte account address; EIP-55 checksum text on the wire.

    Mixed-case text with a wrong checksum is refused: it is a typing error that could cost money.
    """

    size = 20
    noun = "an address"

    @classmethod
    def parse(cls, value: object) -> Self:
        """From the wire; all-lower and all-upper text carry no checksum and are taken as they are."""
        address = super().parse(value)
        if isinstance(value, str) and is_checksum_formatted_address(value) and value[2:] != address.hex0x()[2:]:
            raise malformed("an address with a correct EIP-55 checksum", value)
        return address

    def hex0x(self) -> str:
        """The EIP-55 checksum form."""
        return _checksummed(bytes(self))


@lru_cache(maxsize=1 << 14)
def _checksummed(address: bytes) -> str:
    return to_checksum_address(address)


class Hash32(Data):
    """A 32-byte hash or word."""

    size = 32
    noun = "a hash"


class Word(Hash32):
    """A 32-byte word that may be written short: `0x01` stands for 31 zero bytes and a one."""

    noun = "a word"

    @classmethod
    def parse(cls, value: object) -> Self:
        """From the wire; missing bytes at the front are zero."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or _HEX.fullmatch(value) is None or not 2 < len(value) <= 66:
            raise malformed(cls.expected(), value)
        return cls(bytes.fromhex(value[2:].rjust(64, "0")))


class Selector(Data):
    """The first four bytes of call data: which function is called."""

    size = 4
    noun = "a function selector"


class SessionId(Data):
    """The 16 random bytes that name a session."""

    size = 16
    noun = "a session id"


ZERO_ADDRESS = Address(bytes(20))
"""The address nobody holds."""


def quantity(value: object, bits: int) -> int:
    """A non-negative integer below 2**`bits`: hex text with or without leading zeros, or a JSON integer."""
    expected = f"a hex quantity below 2^{bits}"
    match value:
        case bool():
            raise malformed(expected, value)
        case int():
            number = value
        case str() if _HEX.fullmatch(value) is not None and len(value) > 2:
            if len(value) > 4 + bits:  # far more digits than fit, zeros or not
                raise malformed(expected, value)
            number = int(value, 16)
        case _:
            raise malformed(expected, value)
    if not 0 <= number < 1 << bits:
        raise malformed(expected, value)
    return number


@dataclass(frozen=True, slots=True)
class _Quantity:
    """An integer below 2**`bits`, hex on the wire: read leniently, written without leading zeros."""

    bits: int

    def read(self, value: object) -> int:
        return quantity(value, self.bits)

    def write(self, value: object) -> str:
        if not isinstance(value, int):  # text is for the wire alone
            raise TypeError(f"expected int, got {type(value).__name__}")
        return hex(quantity(value, self.bits))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        digits = "[0-9a-fA-F]+" if handler.mode == "validation" else "(0|[1-9a-f][0-9a-f]*)"
        return {"type": "string", "pattern": f"^0x{digits}$", "title": f"Uint{self.bits}"}


@dataclass(frozen=True, slots=True)
class _Integer:
    """An integer below 2**`bits`, a JSON number on the wire."""

    bits: int

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << self.bits:
            raise malformed(f"an integer from 0 to {(1 << self.bits) - 1}", value)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(self.read)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0, "maximum": (1 << self.bits) - 1}


Uint256: TypeAlias = Annotated[int, _Quantity(256)]
"""An integer below 2**256, hex on the wire."""
Wei: TypeAlias = Annotated[int, _Quantity(256)]
"""An amount of the chain's native token, in wei; or of a token in its smallest unit. Hex on the wire."""
WeiPerGas: TypeAlias = Annotated[int, _Quantity(128)]
"""A price, in wei for one unit of gas; below 2**128. Hex on the wire."""
Gas: TypeAlias = Annotated[int, _Quantity(128)]
"""An amount of gas; below 2**128, as the entry point packs it. Hex on the wire."""
Nonce: TypeAlias = Annotated[int, _Quantity(256)]
"""A user operation's nonce: key (192 bits) | sequence (64 bits). Hex on the wire."""
TransactionCount: TypeAlias = Annotated[int, _Quantity(64)]
"""An externally owned account's nonce (EIP-2681: below 2**64). Hex on the wire."""
ChainId: TypeAlias = Annotated[int, _Quantity(32)]
"""A chain id; the official clients read at most 32 bits. Hex on the wire."""
BlockNumber: TypeAlias = Annotated[int, _Quantity(64)]
"""A block's height. Hex on the wire."""
Seconds: TypeAlias = Annotated[int, _Quantity(32)]
"""A time or a duration in seconds, below 2**32. Hex on the wire."""
UnixSeconds: TypeAlias = Annotated[int, _Integer(48)]
"""Seconds since 1970-01-01 UTC, below 2**48 as the contracts store it; a JSON number on the wire. 0 may mean never."""
EntityId = NewType("EntityId", int)
"""The 32-bit id of one validation of an account; 0 is the owner's."""
