"""Windows of periods and hours of the week, in which rules of sessions count and allow calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc import wire
from wallet_rpc.domain.rules.hours import HoursRule, Weekday
from wallet_rpc.domain.rules.periods import NO_END, Period, find_window_end

NOW = 1_764_547_199
"""Sunday, 30 November 2025, 23:59:59 UTC."""


CYCLE = int((datetime(2400, 1, 1, tzinfo=UTC) - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds())
"""400 years, after which the calendar repeats itself."""


@given(st.integers(NOW, NOW + CYCLE), st.integers(1, 250_000), st.sampled_from(list(Period)))
def test_the_calendar_goes_on_after_its_last_date(now: int, cycles: int, period: Period) -> None:
    later = now + cycles * CYCLE
    assert find_window_end(period, later) == (period is not Period.TOTAL) * (find_window_end(period, now) + later - now)
    rule = wire.decode(
        HoursRule, {"type": "hours", "days": ["monday", "sunday"], "opens": "07:30", "timeZone": "+14:00"}
    )
    assert rule.is_open(later) is rule.is_open(now)


@given(st.integers(0, 4_000_000_000), st.sampled_from(list(Period)))
def test_a_window_contains_its_seconds_and_ends_at_a_boundary(now: int, period: Period) -> None:
    end = find_window_end(period, now)
    if period is Period.TOTAL:
        assert end == NO_END
        return
    longest = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "month": 31 * 86_400}[period]
    assert now < end <= now + longest
    assert find_window_end(period, end - 1) == end
    assert find_window_end(period, end) > end
    boundary = datetime.fromtimestamp(end, UTC)
    assert period is not Period.MONTH or boundary.day == 1
    assert period is not Period.WEEK or boundary.weekday() == 0


def test_known_windows() -> None:
    ends = {period: datetime.fromtimestamp(find_window_end(period, NOW), UTC) for period in list(Period)[:-1]}
    assert set(ends.values()) == {datetime(2025, 12, 1, tzinfo=UTC)}
    later = {period: find_window_end(period, NOW + 1) - NOW - 1 for period in list(Period)[:-1]}
    assert list(later.values()) == [60, 3600, 86_400, 604_800, 31 * 86_400]


@pytest.mark.parametrize(
    ("fields", "at", "is_open"),
    [
        ({"opens": "09:00", "closes": "17:00"}, "2025-12-01T09:00:00+00:00", True),
        ({"opens": "09:00", "closes": "17:00"}, "2025-12-01T08:59:59+00:00", False),
        ({"opens": "09:00", "closes": "17:00"}, "2025-12-01T16:59:59+00:00", True),
        ({"opens": "09:00", "closes": "17:00"}, "2025-12-01T17:00:00+00:00", False),
        ({"days": ["tuesday"]}, "2025-12-01T12:00:00+00:00", False),
        ({"days": ["monday"], "opens": "22:00", "closes": "06:00"}, "2025-12-02T05:59:59+00:00", True),
        ({"days": ["monday"], "opens": "22:00", "closes": "06:00"}, "2025-12-02T06:00:00+00:00", False),
        ({"days": ["monday"], "opens": "22:00", "closes": "06:00"}, "2025-12-01T05:00:00+00:00", False),
        ({"opens": "09:00", "closes": "10:00", "timeZone": "Europe/Berlin"}, "2025-12-01T08:30:00+00:00", True),
        ({"opens": "09:00", "closes": "10:00", "timeZone": "Europe/Berlin"}, "2025-07-01T08:30:00+00:00", False),
        ({"opens": "09:00", "closes": "10:00", "timeZone": "-05:30"}, "2025-07-01T14:45:00+00:00", True),
        ({"days": ["sunday"], "timeZone": "+14:00"}, "2025-12-06T10:00:00+00:00", True),
        ({"days": ["sunday"], "timeZone": "UTC"}, "2025-12-06T10:00:00+00:00", False),
    ],
)
def test_hours_of_the_week(fields: dict[str, Any], at: str, is_open: bool) -> None:
    rule = wire.decode(HoursRule, {"type": "hours", **fields})
    assert rule.is_open(int(datetime.fromisoformat(at).timestamp())) is is_open


@given(st.integers(0, 10_000))
def test_hours_that_wrap_are_those_that_the_others_leave(minutes: int) -> None:
    at = int((datetime(2025, 12, 1, tzinfo=UTC) + timedelta(minutes=minutes)).timestamp())
    day = wire.decode(HoursRule, {"type": "hours", "opens": "08:15", "closes": "19:45"})
    night = wire.decode(HoursRule, {"type": "hours", "opens": "19:45", "closes": "08:15"})
    assert day.is_open(at) is not night.is_open(at)
    assert day.days == tuple(Weekday)


@pytest.mark.parametrize(
    "name", ["localtime", "posixrules", "Factory", "Europe", "Z", "europe/berlin", "../UTC", "right/UTC", "posix/UTC"]
)
def test_a_time_zone_is_one_of_a_place(name: str) -> None:
    with pytest.raises(wire.InvalidValue) as refused:
        wire.validate(HoursRule, {"type": "hours", "timeZone": name})
    assert [each.reason for each in refused.value.errors] == ["time_zone_unknown"]
