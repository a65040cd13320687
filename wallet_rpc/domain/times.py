"""Times as REST writes them: RFC 3339 text on the wire, seconds since 1970 inside.

The rule: a time without an offset is refused, for nobody can know what it means; what is written is in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from wallet_rpc.primitives import UnixSeconds, malformed_error

LATEST_TIME: UnixSeconds = 253_402_300_799
"""The last second that has a name: 9999-12-31T23:59:59Z."""

_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = re.compile(
    rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})[Tt]({_CLOCK}:[0-5][0-9])(?:\.[0-9]+)?([Zz]|[+-]{_CLOCK})", re.ASCII
)
"""`date-time` of RFC 3339, without leap seconds: date, time, offset."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_EXPECTED = "an RFC 3339 time with its offset, such as 2026-12-31T23:59:59Z"


def read_time(value: object) -> UnixSeconds:
    """The second that has begun: fractions are cut off. Leap seconds and what is before 1970 are refused.

    Raises: `malformed`.
    """
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise malformed_error(_EXPECTED, value)
    date, time, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
    except ValueError:  # a month 13, a 30th of February, the year 0
        raise malformed_error(_EXPECTED, value) from None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if not 0 <= seconds <= LATEST_TIME:
        raise malformed_error(_EXPECTED, value)
    return seconds


def format_time(seconds: UnixSeconds) -> str:
    """`YYYY-MM-DDTHH:MM:SS.000Z`. Raises: ValueError after the year 9999."""
    if not 0 <= seconds <= LATEST_TIME:
        raise ValueError(f"no time of four-digit years is {seconds} seconds after 1970")
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.000Z"


Time: TypeAlias = Annotated[
    int,
    PlainValidator(read_time),
    PlainSerializer(format_time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A second, as text on the wire. Source: RFC 3339; the milliseconds that are written are seed 004's."""
