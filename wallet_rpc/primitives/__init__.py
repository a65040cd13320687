"""Scalar types in JSON: byte strings of a known length and amounts with a unit.

Only this module and `integers` parse hex text. After decoding, an address is 20 bytes and an amount is an `int`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, ClassVar, NewType, Self, TypeAlias, TypeGuard

from eth_hash.auto import keccak
from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import core_schema

from wallet_rpc.primitives.integers import HEX, ChainQuantity, Integer, Quantity, parse_quantity
from wallet_rpc.primitives.scalar_errors import malformed_error, preview, preview_key, validation_error

__all__ = [
    "NATIVE_TOKEN",
    "ZERO_ADDRESS",
    "Address",
    "BlockNumber",
    "ChainId",
    "Data",
    "EntityId",
    "Gas",
    "Hash32",
    "NonZeroAddress",
    "Nonce",
    "Seconds",
    "Selector",
    "SessionId",
    "TransactionCount",
    "Uint256",
    "UnixSeconds",
    "Wei",
    "WeiPerGas",
    "Word",
    "from_hex",
    "malformed_error",
    "parse_quantity",
    "preview",
    "preview_key",
    "validation_error",
]


def from_hex(value: object, expected: str) -> bytes:
    """Parse `0x`-prefixed text with an even number of hex digits. Raises: PydanticCustomError (malformed)."""
    if is_hex(value):
        return bytes.fromhex(value[2:])
    raise malformed_error(expected, value)


def is_hex(value: object) -> TypeGuard[str]:
    """Return True for `0x`-prefixed text with an even number of hex digits."""
    return isinstance(value, str) and HEX.fullmatch(value) is not None and len(value) % 2 == 0


class Data(bytes):
    """A byte string of any length; hex text in JSON, `0x` when empty."""

    size: ClassVar[int | None] = None
    noun: ClassVar[str] = "bytes"

    def __new__(cls, value: bytes = b"") -> Self:
        """Create the byte string. Raises: ValueError when a fixed-length class gets another length."""
        if cls.size is not None and len(value) != cls.size:
            raise ValueError(f"{cls.__name__} takes {cls.size} bytes, got {len(value)}")
        return super().__new__(cls, value)

    @classmethod
    def describe_format(cls) -> str:
        """Describe the expected JSON text, for error messages."""
        return "hex bytes starting with 0x" if cls.size is None else f"0x and {cls.size} hex bytes ({cls.noun})"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Parse the JSON text. Raises: PydanticCustomError (malformed)."""
        if isinstance(value, cls):
            return value
        if is_hex(value) and (cls.size is None or len(value) == 2 + 2 * cls.size):
            return bytes.__new__(cls, bytes.fromhex(value[2:]))  # of the right size
        raise malformed_error(cls.describe_format(), value)

    def hex0x(self) -> str:
        """Return the JSON text."""
        return "0x" + self.hex()

    def __str__(self) -> str:
        return self.hex0x()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hex0x()})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return the pydantic core schema, which parses and writes the class."""
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(_make_serializer(cls))
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Return the JSON Schema with the pattern of the text."""
        digits = "([0-9a-fA-F]{2})*" if cls.size is None else f"[0-9a-fA-F]{{{2 * cls.size}}}"
        return {"type": "string", "pattern": f"^0x{digits}$", "title": cls.__name__}


def _make_serializer(cls: type[Data]) -> Any:
    def write(value: object) -> str:
        if not isinstance(value, bytes):
            raise TypeError(f"expected {cls.__name__}, got {type(value).__name__}")
        return value.hex0x() if type(value) is cls else cls(value).hex0x()

    return write


class Address(Data):
    """A 20-byte account address; EIP-55 checksum text in JSON.

    Mixed-case text with a wrong checksum is rejected, since a typing error could cost money. The error shows the
    correct text of the same digits, for the case that they are right. The constant of the native token is accepted in
    any letter case, since documents and clients write it in several.
    """

    size = 20
    noun = "an address"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Parse the JSON text; text in one letter case carries no checksum and is accepted."""
        address = super().parse(value)
        if not isinstance(value, str) or address == _NATIVE_TOKEN:
            return address
        digits = value[2:]
        if digits.lower() != digits != digits.upper() and digits != address.hex0x()[2:]:
            raise malformed_error(f"an address with a correct EIP-55 checksum ({address.describe_checksum()})", value)
        return address

    def describe_checksum(self) -> str:
        """Describe the correct text of an address with a wrong checksum, for error messages."""
        return f"{self.hex0x()}, if only the case of its letters is wrong"

    def hex0x(self) -> str:
        """Return the EIP-55 checksum text."""
        return _to_checksum(bytes(self))


_NATIVE_TOKEN = bytes.fromhex("ee" * 20)


@lru_cache(maxsize=1 << 12)
def _to_checksum(address: bytes) -> str:
    digits = address.hex()
    marks = keccak(digits.encode()).hex()  # 64, of which the first 40 count
    cased = [upper if mark > "7" else lower for lower, upper, mark in zip(digits, digits.upper(), marks, strict=False)]
    return "0x" + "".join(cased)


class Hash32(Data):
    """A 32-byte hash or word."""

    size = 32
    noun = "a hash"


class Word(Hash32):
    """A 32-byte word that may be written in a short form: `0x01` means 31 zero bytes and a one."""

    noun = "a word"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Parse the JSON text; missing bytes at the front are zero."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or HEX.fullmatch(value) is None or not 2 < len(value) <= 66:
            raise malformed_error(cls.describe_format(), value)
        return cls(bytes.fromhex(value[2:].rjust(64, "0")))


class Selector(Data):
    """The first four bytes of call data, which select the function."""

    size = 4
    noun = "a function selector"


class SessionId(Data):
    """The 16 random bytes that identify a session."""

    size = 16
    noun = "a session id"


ZERO_ADDRESS = Address(bytes(20))
"""The zero address, which has no key."""
NATIVE_TOKEN = Address(_NATIVE_TOKEN)
"""The constant for the chain's native token in place of a token address. Source: ERC-7528."""


def _reject_zero(address: Address) -> Address:
    if address == ZERO_ADDRESS:
        raise validation_error("expected a nonzero address, got the zero address", reason="zero_address")
    return address


NonZeroAddress: TypeAlias = Annotated[Address, AfterValidator(_reject_zero)]
"""The address of an account, an owner or a key: any but zero."""

Uint256: TypeAlias = Annotated[int, Quantity(256)]
"""An integer below 2**256; hex in JSON."""
Wei: TypeAlias = Annotated[int, Quantity(256)]
"""An amount of the chain's native token in wei, or of an ERC-20 in its smallest unit; hex in JSON."""
WeiPerGas: TypeAlias = Annotated[int, Quantity(128)]
"""A price in wei for one unit of gas, below 2**128; hex in JSON."""
Gas: TypeAlias = Annotated[int, Quantity(128)]
"""An amount of gas, below 2**128 as the entry point packs it; hex in JSON."""
Nonce: TypeAlias = Annotated[int, Quantity(256)]
"""A user operation's nonce: key (192 bits) | sequence (64 bits); hex in JSON."""
TransactionCount: TypeAlias = Annotated[int, Quantity(64)]
"""An externally owned account's nonce, below 2**64 (EIP-2681); hex in JSON."""
ChainId: TypeAlias = Annotated[int, ChainQuantity(32)]
"""The id of an EVM chain; hex in JSON. The official clients read at most 32 bits."""
BlockNumber: TypeAlias = Annotated[int, Quantity(64)]
"""A block number; hex in JSON."""
Seconds: TypeAlias = Annotated[int, Quantity(32)]
"""A time or a duration in seconds, below 2**32; hex in JSON."""
UnixSeconds: TypeAlias = Annotated[int, Integer(48)]
"""Seconds since 1970-01-01 UTC, below 2**48 as the contracts store it; a JSON number. 0 may mean never."""
EntityId = NewType("EntityId", int)
"""The 32-bit entity id of a validation of an account; 0 is the owner's."""
