"""`make bench`: wallet-rpc and what a user would write or install instead, on the same work in one run.

Each number is measured on a real server in its own process, over real HTTP, with a Redis that writes to disk before
each reply. This is not a test: nothing fails for being slow.
"""

from __future__ import annotations

import argparse

import uvloop

from tests.bench.call_rows import CALL_ROWS
from tests.bench.light_rows import LIGHT_ROWS
from tests.bench.parts import open_parts
from tests.bench.processes import OTHER_CORE, SERVER_CORE, pin_this_process
from tests.bench.running import Result, measure_row

ROWS = {row.key: row for row in (*LIGHT_ROWS, *CALL_ROWS)}
ROUNDS = 3


async def _measure(keys: list[str], *, rounds: int, part: float) -> list[Result]:
    async with open_parts(part) as parts:
        return [await measure_row(parts, ROWS[key], rounds=rounds, part=part) for key in keys]


def main() -> None:
    """Measure the named rows, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--part", type=float, default=1.0, help="size of a round; 1: full")
    options = parser.parse_args()
    pin_this_process()
    print(f"server on core {SERVER_CORE}, everything else on core {OTHER_CORE}", flush=True)
    uvloop.run(_measure(options.rows or list(ROWS), rounds=options.rounds, part=options.part))


if __name__ == "__main__":
    main()
