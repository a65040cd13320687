"""Integers in JSON: hex text or JSON numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from wallet_rpc.primitives.scalar_errors import malformed_error, validation_error

HEX = re.compile(r"0[xX][0-9a-fA-F]*", re.ASCII)
"""Hex text with any number of digits."""
_INEXACT = 1 << 53
"""The smallest integer above which doubles do not represent every integer."""


def exact_integer(value: object) -> object:
    """Convert a whole float, such as 1795936313.0, to an integer; return any other `value` unchanged.

    A float of 2**53 or more may differ from the number in the JSON text, so it is left unchanged.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < _INEXACT:
        return int(value)
    return value


def parse_quantity(value: object, bits: int) -> int:
    """Parse a non-negative integer below 2**`bits`: hex text with or without leading zeros, or a whole JSON number."""
    number: object = None
    if not isinstance(value, str):
        number = exact_integer(value)
    elif 2 < len(value) <= 4 + bits and HEX.fullmatch(value) is not None:  # bounded, for runs of leading zeros
        number = int(value, 16)
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << bits:
        return number
    raise malformed_error(f"a hex quantity below 2^{bits}", value)


@dataclass(frozen=True, slots=True)
class Quantity:
    """An integer below 2**`bits`, hex text in JSON: read leniently, written without leading zeros."""

    bits: int

    def decode(self, value: object) -> int:
        """Parse the JSON value. Raises: PydanticCustomError (malformed)."""
        return parse_quantity(value, self.bits)

    def encode(self, value: object) -> str:
        """Return the hex text."""
        if not isinstance(value, int):  # hex text is a JSON form only
            raise TypeError(f"expected int, got {type(value).__name__}")
        return hex(parse_quantity(value, self.bits))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.decode, serialization=core_schema.plain_serializer_function_ser_schema(self.encode)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        digits = "[0-9a-fA-F]+" if handler.mode == "validation" else "(0|[1-9a-f][0-9a-f]*)"
        return {"type": "string", "pattern": f"^0x{digits}$", "title": f"Uint{self.bits}"}


_NAMESPACED = re.compile(r"([-a-z0-9]{3,8}):[-_a-zA-Z0-9]{1,32}", re.ASCII)
"""A chain id with its namespace. Source: CAIP-2."""


@dataclass(frozen=True, slots=True)
class ChainQuantity(Quantity):
    """A chain id; the error for a CAIP-2 id names its namespace."""

    def decode(self, value: object) -> int:
        """Parse the JSON value. Raises: PydanticCustomError (malformed, namespace_not_supported)."""
        caip2 = _NAMESPACED.fullmatch(value) if isinstance(value, str) else None
        if caip2 is not None:
            raise validation_error(
                f"expected the id of an EVM chain in hex, such as 0x1, got one of the namespace {caip2[1]}; "
                "this server supports EVM chains only",
                reason="namespace_not_supported",
            )
        return parse_quantity(value, self.bits)


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer below 2**`bits`, a JSON number."""

    bits: int

    def decode(self, value: object) -> int:
        """Parse the JSON value. Raises: PydanticCustomError (malformed)."""
        return self._check_range(exact_integer(value), value)

    def encode(self, value: object) -> int:
        """Check the range of an integer, and return it."""
        return self._check_range(value, value)

    def _check_range(self, number: object, given: object) -> int:
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << self.bits:
            raise malformed_error(f"an integer from 0 to {(1 << self.bits) - 1}", given)
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.decode, serialization=core_schema.plain_serializer_function_ser_schema(self.encode)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0, "maximum": (1 << self.bits) - 1}
