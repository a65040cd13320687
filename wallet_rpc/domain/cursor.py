"""Cursors of paged lists: places in a list, as opaque text on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from wallet_rpc.primitives import malformed_error
from wallet_rpc.primitives.base64url import decode_base64url, encode_base64url


class PlaceCursor:
    """A place of one of some sizes in bytes, as unpadded base64url."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes

    def decode(self, value: object) -> bytes:
        """Parse the JSON text. Raises: PydanticCustomError (malformed)."""
        try:
            place = decode_base64url(value) if isinstance(value, str) and len(value) <= 2 * max(self.sizes) else b""
        except ValueError:
            place = b""
        if len(place) not in self.sizes:
            raise malformed_error("a cursor that this method returned", value)
        return place

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.decode, serialization=core_schema.plain_serializer_function_ser_schema(encode_base64url)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string"}
