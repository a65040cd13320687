"""The table of results."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.outages import OutageTimes
from tests.chaos.rounds import RowResult

_COUNTS = ("rounds", "kills", "calls", "lost", "twice", "wrong", "stuck", "uncoded")
_TIMES = ("slowest", "slowest after 2 s", "not ready", "ready again", "health")
_HEADS = ("stack", "fault", "where", "reached", *_COUNTS, *_TIMES)
_SHOWN_FINDINGS = 5
_SHOWN_ERRORS = 6


def cells(result: RowResult) -> tuple[str, ...]:
    """Return the cells of a row."""
    verdict, tally = result.verdict, result.tally
    reached = f"{result.reached} of {result.failures}" if result.row.steps else "–"
    counts = (result.rounds, result.kills, verdict.calls, verdict.lost, verdict.twice, verdict.wrong, verdict.stuck)
    slowest = f"{tally.slowest:.1f} s {tally.slowest_method.removeprefix('wallet_')}"
    shown = (result.row.stack, result.row.name, result.row.where, reached, *map(str, (*counts, tally.uncoded)), slowest)
    return (*shown, *_outage_cells(tally.outage))


def _outage_cells(times: OutageTimes) -> tuple[str, ...]:
    """Return the slowest request that began during a known outage, and the times of `/ready` and `/health`."""
    if not times.outages:
        return ("–",) * 4
    not_ready = f"{times.until_not_ready:.1f} s" + (f" ({times.unnoticed} never)" if times.unnoticed else "")
    return (f"{times.slowest_noticed:.1f} s", not_ready, f"{times.until_ready:.1f} s", f"{times.health:.2f} s")


def table(results: Sequence[RowResult]) -> str:
    """Return the table in Markdown, the errors by code under it, and the line of totals."""
    lines = [_HEADS, tuple("---" for _ in _HEADS), *map(cells, results)]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{text}\n\n{errors(results)}\n\n{totals(results)}"


def errors(results: Sequence[RowResult]) -> str:
    """Return a line for each row with its most frequent errors."""
    lines = []
    for result in results:
        common = result.tally.errors.most_common(_SHOWN_ERRORS)
        listed = ", ".join(f"{count} × {name}" for name, count in common) or "none"
        lines.append(f"- {result.row.stack}, {result.row.name}: {listed}")
    return "\n".join(["Errors:", *lines])


def findings(result: RowResult) -> str:
    """Return the first findings of a row, one per line."""
    listed = result.verdict.findings
    rest = len(listed) - _SHOWN_FINDINGS
    return "\n".join([*listed[:_SHOWN_FINDINGS], *([f"and {rest} more"] if rest > 0 else [])])


def totals(results: Sequence[RowResult]) -> str:
    """Return the line of totals."""
    verdicts = [result.verdict for result in results]
    return (
        f"kills {sum(result.kills for result in results)}, calls {sum(one.calls for one in verdicts)}, "
        f"lost {sum(one.lost for one in verdicts)}, twice {sum(one.twice for one in verdicts)}, "
        f"wrong {sum(one.wrong for one in verdicts)}"
    )
