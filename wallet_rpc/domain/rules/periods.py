"""Calendar periods of rules, in UTC: a window begins with each minute, hour, day, week (Monday) or month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import assert_never

from wallet_rpc.primitives import UnixSeconds

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_CYCLE = 146_097 * _DAY
"""Length of 400 years, after which the calendar repeats itself, days of the week included."""
_LAST_DATED = 253_370_764_800
"""First second of the year 9999; `datetime` has no dates after that year."""


class Period(StrEnum):
    """Period after which an amount or a number of calls begins at zero again."""

    MINUTE = "minute"
    """From second 0 of each minute."""
    HOUR = "hour"
    """From minute 0 of each hour, in UTC."""
    DAY = "day"
    """From 00:00 UTC of each day."""
    WEEK = "week"
    """From 00:00 UTC of each Monday."""
    MONTH = "month"
    """From 00:00 UTC of the first day of each month."""
    TOTAL = "total"
    """The whole life of the session."""


NO_END = 0
"""The end of the window of `Period.TOTAL`."""


def to_dated(now: UnixSeconds) -> UnixSeconds:
    """Return a second at the same place of the calendar, whole cycles earlier if `now` is after the year 9998."""
    return now - max(0, now - _LAST_DATED + _CYCLE - 1) // _CYCLE * _CYCLE


def find_window_end(period: Period, now: UnixSeconds) -> UnixSeconds:
    """Return the second at which the period's window that contains `now` ends; `NO_END` for `TOTAL`."""
    match period:
        case Period.MINUTE:
            return now - now % _MINUTE + _MINUTE
        case Period.HOUR:
            return now - now % _HOUR + _HOUR
        case Period.DAY:
            return now - now % _DAY + _DAY
        case Period.WEEK | Period.MONTH:
            dated = to_dated(now)
            return now - dated + int(_find_date_end(period, datetime.fromtimestamp(dated, UTC)).timestamp())
        case Period.TOTAL:
            return NO_END
        case _:
            assert_never(period)


def _find_date_end(period: Period, at: datetime) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.WEEK:
        return day + timedelta(days=7 - day.weekday())
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def find_window_ends(now: UnixSeconds) -> Mapping[Period, UnixSeconds]:
    """Return the end of the window of each period that contains `now`."""
    return {period: find_window_end(period, now) for period in Period}
