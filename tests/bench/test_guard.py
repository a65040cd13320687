"""Tests of the comparison with a recorded run, on numbers without a measurement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench import guard
from tests.bench.light_rows import LIGHT_ROWS
from tests.bench.record import Record, RowRecord, SubjectRecord, is_met
from tests.bench.rows import Measure, Row, Spread

RATE = next(row for row in LIGHT_ROWS if row.key == "create-session")
LATENCY = replace(RATE, measure=Measure.LATENCY, target=1.5)


def measured(ratio: float, *, cpu_ratio: float = 1.0, milliseconds: float = 5.0) -> RowRecord:
    one = Spread(1.0, 1.0, 1.0)
    subject = SubjectRecord("server", one, Spread.of([milliseconds]), one, one, one, 0.1, 10)
    return RowRecord((subject, subject), Spread.of([ratio]), cpu_ratio)


def report(
    row: Row, now: RowRecord, recorded: RowRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    record = Record("1 May 2026", 3, "machine", 0.1, {}, {row.key: recorded}, {})
    monkeypatch.setattr(guard, "read_record", lambda: record)
    guard.report_losses([row], {row.key: now})
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "now", "recorded", "fell"),
    [
        (RATE, 0.51, 0.6, ""),
        (RATE, 0.50, 0.6, "ratio"),
        (RATE, 0.9, 0.6, ""),
        (LATENCY, 1.6, 1.4, ""),
        (LATENCY, 1.7, 1.4, "ratio"),
        (LATENCY, 1.0, 1.4, ""),
    ],
)
def test_a_ratio_that_lost_over_15_percent_is_reported(
    row: Row,
    now: float,
    recorded: float,
    fell: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = report(row, measured(now), measured(recorded), monkeypatch, capsys)
    assert ("FELL by over 15%: ratio" in text) == (fell == "ratio")


def test_more_cpu_time_for_the_same_rate_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = report(RATE, measured(0.6, cpu_ratio=0.8), measured(0.6, cpu_ratio=1.0), monkeypatch, capsys)
    assert "FELL by over 15%: CPU ratio" in text


def test_a_rate_must_reach_its_target_and_a_latency_must_not_exceed_it() -> None:
    assert is_met(RATE, measured(0.6))
    assert not is_met(RATE, measured(0.59))
    assert is_met(LATENCY, measured(1.5))
    assert not is_met(LATENCY, measured(1.51))


def test_a_latency_has_its_own_limit_too() -> None:
    row = replace(RATE, target=None, most_milliseconds=25.0)
    assert is_met(row, measured(9.0, milliseconds=25.0))
    assert not is_met(row, measured(0.1, milliseconds=25.1))
