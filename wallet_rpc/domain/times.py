"""Times of the REST API: RFC 3339 text on the wire, seconds since 1970 in the code.

A time without an offset is rejected as ambiguous. Times are written in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from wallet_rpc.primitives import UnixSeconds, malformed_error

LATEST_TIME: UnixSeconds = 253_402_300_799
"""The last second that RFC 3339 can express: 9999-12-31T23:59:59Z."""

_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = re.compile(
    rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})[Tt]({_CLOCK}:[0-5][0-9])(?:\.[0-9]+)?([Zz]|[+-]{_CLOCK})", re.ASCII
)
"""`date-time` of RFC 3339, without leap seconds: date, time, offset."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_EXPECTED = "an RFC 3339 time with its offset, such as 2026-12-31T23:59:59Z"


def read_time(value: object) -> UnixSeconds:
    """Parse an RFC 3339 time to seconds; fractions are cut off.

    Raises: PydanticCustomError (malformed) for anything else, for leap seconds, and for times before 1970.
    """
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise malformed_error(_EXPECTED, value)
    date, time, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
    except ValueError:  # a month 13, a 30th of February, the year 0
        raise malformed_error(_EXPECTED, value) from None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if not 0 <= seconds <= LATEST_TIME:
        raise malformed_error(_EXPECTED, value)
    return seconds


def format_time(seconds: UnixSeconds) -> str:
    """Format a time as `YYYY-MM-DDTHH:MM:SS.000Z`. Raises: ValueError before 1970 and after the year 9999."""
    if not 0 <= seconds <= LATEST_TIME:
        raise ValueError(f"expected 0 to {LATEST_TIME} seconds since 1970, got {seconds}")
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.000Z"


Time: TypeAlias = Annotated[
    int,
    PlainValidator(read_time),
    PlainSerializer(format_time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time in seconds, as text on the wire. Source: RFC 3339; seed 004 for the milliseconds."""
