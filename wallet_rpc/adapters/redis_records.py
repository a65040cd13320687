"""Versioned records in Redis: their encoding as JSON, and the error for a record of a newer server."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from wallet_rpc.errors import InvalidParams, Unavailable
from wallet_rpc.wire import decode, dump_json, parse_json

_T = TypeVar("_T")
_COMPACT = json.JSONEncoder(separators=(",", ":"))


def encode_record(kind: type[_T], record: _T) -> str:
    """Encode a record for storage, as compact JSON."""
    return dump_json(kind, record).decode()


def format_record(encoded: Any) -> str:
    """Format the JSON of a record for storage."""
    return _COMPACT.encode(encoded)


def decode_record(kind: type[_T], text: bytes, *, version: int) -> _T:
    """Decode a stored record.

    Raises: Unavailable when a newer server wrote the record in a version unknown to this server; ValueError when the
    record is malformed, which is not the caller's error.
    """
    value = parse_json(text)
    if value["version"] > version:
        raise newer_record_error(kind.__name__.lower(), value["version"], version)
    try:
        return decode(kind, value, at=kind.__name__)
    except InvalidParams as error:
        raise ValueError(f"the stored {kind.__name__} record is malformed") from error


def newer_record_error(noun: str, found: int, known: int) -> Unavailable:
    """Build the error for a record that a newer server wrote."""
    return Unavailable(
        f"the {noun} record has version {found}, expected at most {known}: run a newer server",
        reason="newer_record",
        part="store",
    )
