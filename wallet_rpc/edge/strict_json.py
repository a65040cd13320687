"""Strict parser for the JSON of REST bodies, which rejects JSON that two parsers could read differently.

REST bodies are stored and signed. JSON-RPC bodies are parsed as their clients expect (`envelope.parse_body`).
"""

from __future__ import annotations

import json
import math
from typing import Any

from wallet_rpc import wire
from wallet_rpc.edge import envelope
from wallet_rpc.errors import ParseError
from wallet_rpc.primitives import preview

MAX_BODY_LEVELS = 64
"""The maximum depth of a body; stored parts of it are read by parsers that allow 200 levels."""


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Parse a body that is a JSON object: without repeated keys, without numbers beyond a double, of limited depth.

    Raises: ParseError, also for more than `MAX_BODY_LEVELS` levels; InvalidRequest as `envelope.parse_body` does;
    InvalidParams (too_many_values) as `wire.check_size` does.
    """
    # checked first: `json` recurses as deep as the body, and py_ecc 8 raises the recursion limit
    size = wire.check_size(envelope.parse_body(body), at="body")
    if size.levels > MAX_BODY_LEVELS:
        raise ParseError(f"body: expected at most {MAX_BODY_LEVELS} levels")
    try:
        value = json.loads(body, object_pairs_hook=_unique_object, parse_float=_finite)
    except ValueError as error:
        raise ParseError(f"body: {error}") from None
    if not isinstance(value, dict):
        raise ParseError(f"body: expected a JSON object, got {preview(value)}")
    return value


def _unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise ValueError("expected each key of an object once, got one twice")
    return unique


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("expected numbers in the range of a double, got one beyond")
    return number
