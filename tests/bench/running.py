"""Rounds of the rows: subjects of a row alternate, so that a ratio does not depend on the machine's state."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.bench.parts import Parts
from tests.bench.record import RowRecord, summarize_row
from tests.bench.rows import Measure, Row

_WARM_UP = 0.15
"""Size of the round before the first, which is not counted."""


async def measure_rows(parts: Parts, rows: Sequence[Row], *, rounds: int) -> dict[str, RowRecord]:
    """Measure the rows one after the other. A row whose work fails is reported, and has no numbers."""
    measured = {}
    for row in rows:
        try:
            measured[row.key] = await measure_row(parts, row, rounds=rounds)
        except (OSError, RuntimeError) as error:
            print(f"{row.key}\n  not measured: {error}", flush=True)
    return measured


async def measure_row(parts: Parts, row: Row, *, rounds: int) -> RowRecord:
    """Measure a row in `rounds` rounds of the parts' size, with a line of progress."""
    report(f"{row.key}: starting")
    subjects = await row.subjects(parts)
    for subject in subjects:
        await subject.run(min(_WARM_UP, parts.part))
    for number in range(rounds):
        for subject in subjects:
            report(f"{row.key}: round {number + 1} of {rounds}, {subject.name}")
            await subject.measure(parts.part)
    report("")
    measured = summarize_row(row, subjects)
    print(format_row(row, measured), flush=True)
    return measured


def report(text: str) -> None:
    """Replace the line of progress on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def format_row(row: Row, measured: RowRecord) -> str:
    """Format a row's measurements as lines of text."""
    lines = [row.key]
    for subject in measured.subjects:
        rate, cpu = subject.per_second, subject.cpu
        lines.append(
            f"  {subject.name:24} {rate.median:8.0f} /s ({rate.least:.0f}-{rate.greatest:.0f})  "
            f"p50 {subject.half.median:.2f} ms  p99 {subject.slow.median:.2f} ms  "
            f"CPU {cpu.median:.0f} us ({cpu.least:.0f}-{cpu.greatest:.0f})  "
            f"chain and bundler {subject.partner_cpu.median:.0f} us  load {subject.load_share:.0%}"
        )
    sign = "at least" if row.measure is Measure.RATE else "at most"
    target = "" if row.target is None else f", target {sign} {row.target}"
    ratio = measured.ratio
    lines.append(
        f"  ratio of {row.measure}: {ratio.median:.2f} ({ratio.least:.2f}-{ratio.greatest:.2f}){target}; "
        f"of CPU seconds a request: {measured.cpu_ratio:.2f}"
    )
    return "\n".join(lines)
