"""Hours of the week in a time zone, in which a session may act."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from wallet_rpc.domain.rules.periods import to_dated
from wallet_rpc.primitives import UnixSeconds, validation_error
from wallet_rpc.wire import strict_shape

_OFFSET = re.compile(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})
"""Files of a time zone database that are of a machine and not of a place."""
_OTHER_FORMS = ("posix/", "right/")
"""Folders with the same places in another form; in `right/`, times count leap seconds, which Python does not read."""
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00", re.ASCII)


class Weekday(StrEnum):
    """Days of the week, from Monday."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_DAYS = tuple(Weekday)


@lru_cache(maxsize=256)
def find_zone(name: str) -> tzinfo | None:
    """Return the time zone `UTC`, of an offset such as `+02:00`, or of an IANA name; None for any other text."""
    if name == "UTC":
        return UTC
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        distance = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-distance if offset[1] == "-" else distance)
    try:
        return None if name in _NO_PLACES or name.startswith(_OTHER_FORMS) else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name is that of a folder
        return None


def _check_zone(name: str) -> str:
    if find_zone(name) is None:
        raise validation_error(
            f'expected "UTC", an offset such as "+02:00", or a name such as "Europe/Berlin", got "{name}"',
            reason="time_zone_unknown",
        )
    return name


def _check_time(text: str) -> str:
    if _TIME.fullmatch(text) is None:
        raise validation_error(f'expected a time from "00:00" to "24:00", got "{text}"', reason="time_malformed")
    return text


TimeZone: TypeAlias = Annotated[str, Field(max_length=64), AfterValidator(_check_zone)]
"""A time zone: `UTC`, an offset such as `+02:00`, or an IANA name such as `Europe/Berlin`."""
TimeOfDay: TypeAlias = Annotated[str, Field(max_length=5), AfterValidator(_check_time)]
"""A time of the day in 24 hours, to the minute; `24:00` is the end of the day."""


@strict_shape
class HoursRule:
    """Hours of the week in which calls are accepted."""

    type: Literal["hours"]
    """Kind of rule, kept by this server."""
    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = _DAYS
    """Days on which the hours begin. Default: every day."""
    opens: TimeOfDay = "00:00"
    """First minute in which calls are accepted."""
    closes: TimeOfDay = "24:00"
    """Minute from which calls are denied; if it is not after `opens`, the hours end on the next day."""
    time_zone: TimeZone = "UTC"
    """Time zone of days and times."""

    def is_open(self, now: UnixSeconds) -> bool:
        """Return True if calls are accepted at `now`; False too if this machine does not know the time zone."""
        zone = find_zone(self.time_zone)
        if zone is None:
            return False
        local = datetime.fromtimestamp(to_dated(now), zone)
        minute, first, end = local.hour * 60 + local.minute, _minutes(self.opens), _minutes(self.closes)
        today = _DAYS[local.weekday()] in self.days
        if first < end:
            return today and first <= minute < end
        yesterday = _DAYS[local.weekday() - 1] in self.days
        return (today and minute >= first) or (yesterday and minute < end)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
