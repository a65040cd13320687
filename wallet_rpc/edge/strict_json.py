"""JSON of REST bodies, read strictly: what two readers could take for two things is refused.

JSON-RPC is read as its clients know it (`envelope.parse`); what comes here is kept and signed for.
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
"""How deep a body may be; what is kept of it is read by parsers that take 200."""


def parse_json_object(body: bytes) -> dict[str, Any]:
    """The object of a body, as `envelope.parse` reads it, with no key twice in one object, no number beyond a double's
    range, and at most `MAX_LEVELS` deep.

    Raises: as `envelope.parse`; InvalidParams (too_many_values) as `wire.bounded`.
    """
    # first: `json` recurses as deep as a body is, and py_ecc 8 lifts the limit that would stop it
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
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is beyond the range of a double")
    return number
