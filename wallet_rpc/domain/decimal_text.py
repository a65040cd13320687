"""Integers in query strings: plain decimal digits, no sign, no leading zero."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from wallet_rpc.primitives import preview, validation_error

_DIGITS = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DecimalText:
    """An annotation of an `int` from `least` to `most` that is given as text; a JSON integer is accepted too.

    Example: `limit: Annotated[int, DecimalText(1, 100, reason="pagination")] = 20`. `reason` is the reason in the error
    for an invalid value.
    """

    least: int
    most: int
    reason: str = "validation"

    def parse(self, value: object) -> int:
        """Parse a value of a request. Raises: `validation_error`."""
        number = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
        if isinstance(number, bool) or not isinstance(number, int) or not self.least <= number <= self.most:
            text = f"must be an integer from {self.least} to {self.most}; got {preview(value)}"
            raise validation_error(text, reason=self.reason)
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Build the schema that parses the value and serializes it as a JSON integer."""
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(self.parse)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Build the JSON schema for API documents."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}
