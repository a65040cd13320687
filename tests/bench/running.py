"""Rounds of the rows: subjects of a row alternate, so that a ratio does not depend on the machine's state."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.parts import Parts
from tests.bench.rows import Measure, Row, Spread, Subject, compute_ratios

_WARM_UP = 0.15
"""Size of the round before the first, which is not counted."""


@dataclass(frozen=True, slots=True)
class Result:
    """A measured row."""

    row: Row
    subjects: Sequence[Subject]

    @property
    def ours(self) -> Subject:
        return self.subjects[0]

    @property
    def peer(self) -> Subject | None:
        return self.subjects[1] if len(self.subjects) > 1 else None

    @property
    def cpu_ratio(self) -> float:
        """The peer's CPU time for a request divided by ours, medians; it depends less on other work on the machine."""
        assert self.peer is not None
        return statistics.median(self.peer.cpu_seconds) / statistics.median(self.ours.cpu_seconds)

    @property
    def ratio(self) -> Spread | None:
        return None if self.peer is None else compute_ratios(self.row, self.ours, self.peer)


async def measure_row(parts: Parts, row: Row, *, rounds: int, part: float) -> Result:
    """Measure a row in `rounds` rounds of size `part` (1: full), with a line of progress."""
    report(f"{row.key}: starting")
    subjects = await row.subjects(parts)
    for subject in subjects:
        await subject.run(min(_WARM_UP, part))
    for number in range(rounds):
        for subject in subjects:
            report(f"{row.key}: round {number + 1} of {rounds}, {subject.name}")
            await subject.measure(part)
    report("")
    result = Result(row, subjects)
    print(format_result(result), flush=True)
    return result


def report(text: str) -> None:
    """Replace the line of progress on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def format_result(result: Result) -> str:
    """Format a row's measurements as lines of text."""
    lines = [result.row.key]
    for subject in result.subjects:
        rate, half, slow, cpu, partners = (
            Spread.of(values)
            for values in (
                [each.per_second for each in subject.rates],
                [each.percentile(0.5) for each in subject.rates],
                [each.percentile(0.99) for each in subject.rates],
                [1e6 * each for each in subject.cpu_seconds],
                [1e6 * each for each in subject.partner_cpu_seconds],
            )
        )
        load = max(each.load_share for each in subject.rates)
        lines.append(
            f"  {subject.name:24} {rate.median:8.0f} /s ({rate.least:.0f}-{rate.greatest:.0f})  "
            f"p50 {half.median:.2f} ms  p99 {slow.median:.2f} ms  "
            f"CPU {cpu.median:.0f} us ({cpu.least:.0f}-{cpu.greatest:.0f})  "
            f"chain and bundler {partners.median:.0f} us  load {load:.0%}"
        )
    ratio = result.ratio
    if ratio is not None:
        sign = "at least" if result.row.measure is Measure.RATE else "at most"
        target = "" if result.row.target is None else f", target {sign} {result.row.target}"
        lines.append(
            f"  ratio of {result.row.measure}: {ratio.median:.2f} ({ratio.least:.2f}-{ratio.greatest:.2f}){target}; "
            f"of CPU seconds a request: {result.cpu_ratio:.2f}"
        )
    return "\n".join(lines)
