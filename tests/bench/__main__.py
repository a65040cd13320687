"""`make bench`: wallet-rpc and what a user would write or install instead, on the same work in one run.

Each number is measured on a real server in its own process, over real HTTP, with a Redis that writes to disk before
each reply. This is not a test: nothing fails for being slow. Without rows, all are measured and `specs/performance.md`
is written.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import uvloop

from tests.bench.call_rows import CALL_ROWS
from tests.bench.guard import report_losses
from tests.bench.light_rows import LIGHT_ROWS
from tests.bench.memory import MINUTES, measure_growth
from tests.bench.metrics_rows import METRICS_ROWS
from tests.bench.page import page_path, write_page
from tests.bench.parts import open_parts
from tests.bench.processes import OTHER_CORE, SERVER_CORE, pin_this_process
from tests.bench.record import Growth, RowRecord, build_record, read_record, write_growth, write_record
from tests.bench.rows import Row
from tests.bench.running import measure_rows
from tests.bench.scale_page import write_scale_page
from tests.bench.units import measure_units

ROWS = (*LIGHT_ROWS, *CALL_ROWS)
_ROUNDS = 3
_QUICK_PART = 0.1


async def _measure(rows: Sequence[Row], *, rounds: int, part: float) -> dict[str, RowRecord]:
    async with open_parts(part) as parts:
        return await measure_rows(parts, rows, rounds=rounds)


async def _measure_all(rounds: int, part: float) -> None:
    load_average = os.getloadavg()[0]
    async with open_parts(part) as parts:
        measured = await measure_rows(parts, ROWS, rounds=rounds)
        units = await measure_units(parts)
        record = await build_record(parts, measured, units, rounds=rounds, load_average=load_average)
    write_record(record)
    write_page(record, ROWS)
    write_scale_page(record)
    print(f"wrote {page_path()}, specs/scale.md")


async def _measure_memory(minutes: float) -> dict[str, Growth]:
    async with open_parts() as parts:
        return await measure_growth(parts, minutes)


def main() -> None:
    """Measure what the arguments name."""
    by_key = {row.key: row for row in (*ROWS, *METRICS_ROWS)}
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "work", nargs="*", choices=[[], "quick", "memory", "page", "scale", *by_key], metavar="WORK",
        help=f"quick, memory, page or scale (write them again), or rows: {', '.join(by_key)}",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--part", type=float, default=1.0, help="size of a round; 1: full")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="duration of the measurement of memory")
    options = parser.parse_args()
    record = read_record()
    if options.work in (["page"], ["scale"]):
        if record is None:
            sys.exit("there is no record: run `make bench` first")
        write_page(record, ROWS) if options.work == ["page"] else write_scale_page(record)
        return
    pin_this_process()
    print(f"server on core {SERVER_CORE}, everything else on core {OTHER_CORE}", flush=True)
    match options.work:
        case []:
            uvloop.run(_measure_all(options.rounds, options.part))
        case ["memory"]:
            write_page(write_growth(uvloop.run(_measure_memory(options.minutes))), ROWS)
        case ["quick"]:
            quick = [row for row in ROWS if row.quick]
            report_losses(quick, uvloop.run(_measure(quick, rounds=options.rounds, part=_QUICK_PART)))
        case keys:
            rows = [by_key[key] for key in keys]
            uvloop.run(_measure(rows, rounds=options.rounds, part=options.part))


if __name__ == "__main__":
    main()
