"""The table of results."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.rounds import RowResult

_HEADS = (
    "stack",
    "fault",
    "where",
    "rounds",
    "kills",
    "calls",
    "lost",
    "twice",
    "wrong",
    "stuck",
    "uncoded",
    "slowest",
)
_SHOWN_FINDINGS = 5
_SHOWN_ERRORS = 6


def cells(result: RowResult) -> tuple[str, ...]:
    """Return the cells of a row."""
    verdict, tally = result.verdict, result.tally
    counts = (result.rounds, result.kills, verdict.calls, verdict.lost, verdict.twice, verdict.wrong, verdict.stuck)
    slowest = f"{tally.slowest:.1f} s {tally.slowest_method.removeprefix('wallet_')}"
    return (result.row.stack, result.row.name, result.row.where, *map(str, (*counts, tally.uncoded)), slowest)


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
