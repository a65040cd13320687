"""Tests of the REST API's times: RFC 3339 text is parsed, and whole seconds are written in UTC."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from wallet_rpc import wire
from wallet_rpc.domain.times import LATEST_TIME, Time, format_time, read_time
from wallet_rpc.wire import shape

seconds = st.integers(0, LATEST_TIME)
minutes_off = st.integers(-1439, 1439)


@shape
class Meeting:
    starts_at: Time


@given(seconds)
def test_a_formatted_time_is_parsed_back(second: int) -> None:
    assert read_time(format_time(second)) == second


@given(seconds)
def test_times_are_written_in_utc_with_three_zeros(second: int) -> None:
    expected = datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", ".000Z")
    assert format_time(second) == expected


@given(st.datetimes(datetime(1971, 1, 1), datetime(9998, 12, 31)), minutes_off)  # noqa: DTZ001  # made aware below
def test_an_offset_is_taken_into_account(moment: datetime, minutes: int) -> None:
    local_time = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert read_time(local_time.isoformat()) == local_time.replace(microsecond=0).timestamp()


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-]..:..)?"))
def test_any_text_is_a_time_or_malformed(text: str) -> None:
    with suppress(PydanticCustomError):
        assert 0 <= read_time(text) <= LATEST_TIME


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("2026-04-09T12:10:00.000Z", 1_775_736_600),  # seed 004
        ("2026-04-09t12:10:00z", 1_775_736_600),
        ("2026-04-09T14:10:00+02:00", 1_775_736_600),
        ("2026-04-09T12:10:00.999999999999Z", 1_775_736_600),
        ("1970-01-01T00:00:00-00:00", 0),
        ("9999-12-31T23:59:59Z", LATEST_TIME),
        ("2028-02-29T00:00:00Z", 1_835_395_200),
    ],
)
def test_known_times(text: str, second: int) -> None:
    assert read_time(text) == second


@pytest.mark.parametrize(
    "text",
    [
        "2026-04-09T12:10:00",  # no offset
        "2026-04-09",
        "2026-04-09 12:10:00Z",
        "2026-04-09T12:10Z",
        "2026-04-09T12:10:00.Z",
        "2026-04-09T12:10:00,5Z",
        "2026-04-09T12:10:00+0200",
        "2026-04-09T24:00:00Z",
        "2026-04-09T12:60:00Z",
        "2026-12-31T23:59:60Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-04-09T12:10:00+24:00",
        "2026-04-09T12:10:00+01:60",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-04-09T12:10:00Z",
        " 2026-04-09T12:10:00Z",
        "2026-04-09T12:10:00Z\n",
        "",
        1_775_736_600,
        None,
        True,
    ],
)
def test_no_times(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="expected an RFC 3339 time with its offset"):
        read_time(text)


@pytest.mark.parametrize("second", [-1, LATEST_TIME + 1])
def test_no_second_is_written_that_cannot_be_read(second: int) -> None:
    with pytest.raises(ValueError, match="seconds since 1970, got"):
        format_time(second)


@given(seconds)
def test_a_shape_has_seconds_inside_and_text_outside(second: int) -> None:
    text = format_time(second)
    meeting = wire.decode(Meeting, {"startsAt": text})
    assert meeting == Meeting(starts_at=second)
    assert wire.encode(Meeting, meeting) == {"startsAt": text}
