"""`specs/performance.md`, written from the record of a run and the reasons in `reasons.toml`."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.bench.parts import HERE
from tests.bench.record import Growth, Record, RowRecord, SubjectRecord, is_met
from tests.bench.rows import Measure, Row, Spread

PAGE = HERE.parents[1] / "specs" / "performance.md"
_REASONS = HERE / "reasons.toml"
_WIDTH = 118
_MEMORY_LIMIT = 110.0
_SLOPE_LIMIT = 1.0
"""Megabytes in ten minutes that count as no slope."""
_OURS = ("dev", "serve")
"""wallet-rpc's servers, which have these two limits."""

_HEAD = """\
# Performance

`make bench` measures wallet-rpc and what else a user would write or install, on the same work in one run, and writes
this page. `make bench ARGS=quick` takes about a minute and compares its ratios with these; `ARGS=memory` measures the
growth of memory. Code: `tests/bench`. What the numbers mean for larger loads: [scale.md](scale.md).

- Measured on {date}: {machine}.
- Load average of the machine at the start: {busy:.1f}. Above about 0.5, other programs slowed the run: rates and times
  are then worse than the code, CPU times somewhat, and ratios vary more.
- {versions}.
- {rounds} rounds of each row after a warm-up. The two servers of a row alternate. Numbers are medians, with the least
  and the greatest of the rounds; a ratio is taken within each round.
- The server under test has a core of its own; Redis, chain, bundler and load generator share the other.
- Redis writes to disk before each reply (`appendfsync always`), for every server that uses it.
- Each server is reached over HTTP, 16 keep-alive connections where the row names no number.

| compared with | description |
| --- | --- |
| echo | Starlette that returns the request's body, on uvicorn with its defaults |
| node | `tests/bench/create_session.mjs`: 100 lines of node, viem and ioredis; the same response and record |
| python | `tests/bench/python_server.py`: the same on Starlette, jsonrpcserver, eth-account and redis-py |
| Alto, anvil | the bundler and the node of `tests/stack`, one block for each transaction |

"""


_RATIOS = """\
## Ratios

A ratio of rates is wallet-rpc's divided by the other's: more is better. A ratio of latencies is the same for median
times: less is better.

"""


def write_page(record: Record, rows: Sequence[Row]) -> None:
    """Write the page. Targets that were missed have their reason and next step from `reasons.toml`."""
    reasons: dict[str, str] = tomllib.loads(_REASONS.read_text())
    measured = [(row, record.rows[row.key]) for row in rows if row.key in record.rows]
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    head = _HEAD.format(
        date=record.date,
        machine=record.machine,
        busy=record.load_average,
        versions=versions,
        rounds=record.rounds,
    )
    text = head
    text += (
        "## Ratios\n\nA ratio of rates is wallet-rpc's divided by the other's: more is better. A ratio of latencies\n"
    )
    text += "is the same for median times: less is better.\n\n"
    text += format_table(
        ("work", "wallet-rpc", "other", "ratio", "target", "met"),
        [_ratio_cells(row, each) for row, each in measured],
    )
    missed = [row for row, each in measured if not is_met(row, each)]
    if missed:
        text += "\n## Missed targets\n\n"
        text += "".join(f"- **{row.work}.** {reasons.get(row.key, 'No reason is recorded.')}\n" for row in missed)
    text += (
        "\n## Latency and CPU time\n\nCPU time of the server's process for one request, and of the chain and bundler"
    )
    text += "\nthat it used. For sent operations it includes the work until they are in a block.\n\n"
    columns = ("work", "server", "p50, ms", "p99, ms", "CPU, µs", "chain and bundler, µs", "load generator")
    text += format_table(columns, [_cost_cells(row, one) for row, each in measured for one in each.subjects])
    text += _memory_section(record, reasons.get("memory", "No reason is recorded."))
    PAGE.write_text(wrap_text(text))


def wrap_text(text: str) -> str:
    """Break the lines of paragraphs and lists anew, since values of different lengths were inserted."""
    return "\n\n".join(map(_wrap_block, text.split("\n\n")))


def _wrap_block(block: str) -> str:
    if block.startswith(("#", "|", "!", "\n")) or not block.strip():
        return block
    if not block.startswith("- "):
        return textwrap.fill(block, _WIDTH, break_on_hyphens=False)
    items = (" ".join(item.split()) for item in re.split(r"^- ", block, flags=re.MULTILINE)[1:])
    return "\n".join(
        textwrap.fill(f"- {item}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False) for item in items
    )


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _ratio_cells(row: Row, measured: RowRecord) -> list[str]:
    ours, other = measured.subjects
    met = "–" if _target(row) == "–" else "yes" if is_met(row, measured) else "no"
    ratio = f"{_range(measured.ratio, 2)}{'' if row.measure is Measure.RATE else ' (latency)'}"
    return [row.work, _speed(row, ours), f"{other.name}: {_speed(row, other)}", ratio, _target(row), met]


def _target(row: Row) -> str:
    sign = "≥" if row.measure is Measure.RATE else "≤"
    parts = [] if row.target is None else [f"{sign} {row.target}"]
    if row.most_milliseconds is not None:
        parts.append(f"≤ {row.most_milliseconds:.0f} ms")
    return ", ".join(parts) or "–"


def _speed(row: Row, subject: SubjectRecord) -> str:
    if row.measure is Measure.LATENCY:
        return f"{_range(subject.half, 1)} ms"
    return f"{_range(subject.per_second, 0)} /s"


def _range(spread: Spread, digits: int) -> str:
    return f"{spread.median:,.{digits}f} ({spread.least:,.{digits}f}–{spread.greatest:,.{digits}f})"


def _cost_cells(row: Row, subject: SubjectRecord) -> list[str]:
    partners = f"{subject.partner_cpu.median:,.0f}" if subject.partner_cpu.median else "–"
    return [
        f"`{row.key}`",
        subject.name,
        f"{subject.half.median:.2f}",
        f"{subject.slow.median:.2f}",
        _range(subject.cpu, 0),
        partners,
        f"{subject.load_share:.0%}",
    ]


def _memory_section(record: Record, reason: str) -> str:
    text = "\n## Memory\n\nResident memory after the run above, in MB; "
    text += f"wallet-rpc's servers have a target of less than {_MEMORY_LIMIT:.0f}.\n\n"
    text += format_table(("server", "MB"), [(name, f"{size:.0f}") for name, size in record.resident.items()])
    if not record.growth:
        return text
    minutes = next(iter(record.growth.values())).minutes
    text += f"\nGrowth over {minutes:.0f} minutes, in which four clients each create sessions and send operations\n"
    text += "(`make bench ARGS=memory`). The slope is that of the second half; up to 1 MB counts as none.\n\n"
    columns = ("process", "operations", "after a tenth, MB", "at the end, MB", "slope, MB in ten minutes", "met")
    text += format_table(columns, [_growth_cells(name, each) for name, each in record.growth.items()])
    missed = any(not _is_steady(record.growth[name]) for name in _OURS if name in record.growth)
    return f"{text}\n{reason}\n" if missed else text


def _is_steady(growth: Growth) -> bool:
    return growth.last < _MEMORY_LIMIT and growth.slope <= _SLOPE_LIMIT


def _growth_cells(name: str, growth: Growth) -> list[str]:
    met = "yes" if _is_steady(growth) else "no"
    return [
        name,
        f"{growth.requests:,}",
        f"{growth.first:.1f}",
        f"{growth.last:.1f}",
        f"{growth.slope:+.2f}",
        met if name in _OURS else "–",
    ]


def page_path() -> Path:
    return PAGE.relative_to(HERE.parents[1])
