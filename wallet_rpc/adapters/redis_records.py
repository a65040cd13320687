"""Versioned records in Redis: their encoding as JSON, and the error for a record of a newer server."""

from __future__ import annotations

import json
from typing import Any, Protocol, TypeVar

from wallet_rpc.errors import Unavailable
from wallet_rpc.wire import dump_json, load_json, parse_json

_T = TypeVar("_T")


class Versioned(Protocol):
    """A record with the number of its version."""

    @property
    def version(self) -> int:
        """The version of the record's format."""


_V = TypeVar("_V", bound=Versioned)
_COMPACT = json.JSONEncoder(separators=(",", ":"))


def encode_record(kind: type[_T], record: _T) -> str:
    """Encode a record for storage, as compact JSON."""
    return dump_json(kind, record).decode()


def format_record(encoded: Any) -> str:
    """Format the JSON of a record for storage."""
    return _COMPACT.encode(encoded)


def decode_record(kind: type[_V], text: bytes, *, version: int) -> _V:
    """Decode a stored record.

    Raises: Unavailable when a newer server wrote the record in a version unknown to this server; ValueError when the
    record is malformed, which is not the caller's error.
    """
    try:
        record = load_json(kind, text)
    except ValueError as error:
        _check_version(kind, parse_json(text)["version"], version)
        raise ValueError(f"the stored {kind.__name__} record is malformed") from error
    _check_version(kind, record.version, version)
    return record


def _check_version(kind: type[Any], found: int, known: int) -> None:
    if found > known:
        raise newer_record_error(kind.__name__.lower(), found, known)


def newer_record_error(noun: str, found: int, known: int) -> Unavailable:
    """Build the error for a record that a newer server wrote."""
    return Unavailable(
        f"the {noun} record has version {found}, expected at most {known}: run a newer server",
        reason="newer_record",
        part="store",
    )
