"""Comparison of a quick run with the recorded one: a report, since a busy machine is no fault of the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bench.record import RowRecord, read_record
from tests.bench.rows import Measure, Row

_LOSS = 0.15
"""The part of a ratio whose loss is reported."""


def compute_loss(row: Row, now: float, recorded: float) -> float:
    """Return the part of the recorded ratio that was lost; negative for a gain."""
    return 1 - now / recorded if row.measure is Measure.RATE else 1 - recorded / now


def report_losses(rows: Sequence[Row], measured: Mapping[str, RowRecord]) -> None:
    """Print each ratio with the recorded one, and name what fell by more than 15 %."""
    record = read_record()
    if record is None:
        print("nothing is recorded yet: `make bench` records a full run")
        return
    print(f"ratios, compared with those of {record.date}:")
    for row in rows:
        if row.key not in record.rows or row.key not in measured:
            print(f"  {row.key:16} has no number {'now' if row.key in record.rows else 'in the record'}")
            continue
        now, recorded = measured[row.key], record.rows[row.key]
        loss = compute_loss(row, now.ratio.median, recorded.ratio.median)
        cpu_loss = 1 - now.cpu_ratio / recorded.cpu_ratio
        marks = [name for name, each in (("ratio", loss), ("CPU ratio", cpu_loss)) if each > _LOSS]
        fell = f"   FELL by over {_LOSS:.0%}: {', '.join(marks)}" if marks else ""
        print(
            f"  {row.key:16} {now.ratio.median:6.2f} (recorded {recorded.ratio.median:.2f})   "
            f"of CPU time {now.cpu_ratio:6.2f} (recorded {recorded.cpu_ratio:.2f}){fell}"
        )
