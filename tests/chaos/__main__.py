"""The failure table, run: `python -m tests.chaos [--quick] [--only ROW] [--rounds N] [--seconds S] [--seed N]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from itertools import groupby
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import httpx2

from tests.chaos.client import CLIENT_SECONDS
from tests.chaos.old_version import NoSuchCommit
from tests.chaos.report import findings, table, totals
from tests.chaos.rounds import RowResult, RowRun
from tests.chaos.rows import QUICK_ROUNDS, ROWS, Row
from tests.chaos.stacks import Stack, open_alto_stack, open_dev_stack, open_embedded_stack
from tests.chaos.upgrade import open_upgrade_stack

OPENERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Stack]]] = {
    "alto": open_alto_stack,
    "embedded": open_embedded_stack,
    "dev": open_dev_stack,
    "upgrade": open_upgrade_stack,
}


def main() -> int:
    """Run the chosen rows, print the table, and return 1 if a call was lost, sent twice or reported wrongly."""
    options = _options()
    rows = [row for row in ROWS if options.only.lower() in f"{row.stack} {row.name}".lower()]
    if options.quick:
        rows = [row for row in rows if row.stack != "upgrade"]
    if not rows:
        print(f"no row contains {options.only!r}; the rows are: {', '.join(f'{r.stack} {r.name}' for r in ROWS)}")
        return 2
    print(f"seed {options.seed}", flush=True)
    results = asyncio.run(_run(rows, options))
    print(f"\n{table(results)}")
    return int(not all(result.verdict.is_clean for result in results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", default="", metavar="ROW", help="rows whose stack and name contain this text")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time after which a row begins no round")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--keep", action="store_true", help="keep the output of all processes")
    parser.add_argument("--quick", action="store_true", help=f"run at most {QUICK_ROUNDS} rounds of each row")
    return parser.parse_args()


async def _run(rows: Sequence[Row], options: argparse.Namespace) -> list[RowResult]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # ends the processes too
    results: list[RowResult] = []
    for name, group in groupby(rows, key=lambda row: row.stack):
        with _folder(keeps=options.keep) as folder:
            try:
                async with OPENERS[name](folder) as stack:
                    for row in group:
                        results.append(await _run_row(stack, row, options))
                        print(f"{_describe(results[-1])}\nso far: {totals(results)}", flush=True)
            except NoSuchCommit as error:
                print(f"{name}: skipped, {error}", flush=True)
    return results


@contextmanager
def _folder(*, keeps: bool) -> Iterator[Path]:
    """Yield a new folder for data and output of processes, which is deleted unless it is kept."""
    folder = Path(mkdtemp(prefix=f"chaos-{os.getpid()}-"))
    try:
        yield folder
    finally:
        if keeps:
            print(f"output of the processes: {folder}", flush=True)
        else:
            rmtree(folder, ignore_errors=True)


async def _run_row(stack: Stack, row: Row, options: argparse.Namespace) -> RowResult:
    rounds = options.rounds or (min(QUICK_ROUNDS, row.rounds) if options.quick else row.rounds)
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=CLIENT_SECONDS, limits=limits) as http:
        run = RowRun(stack, row, random.Random(f"{options.seed} {row.stack} {row.name}"), http, print)  # noqa: S311  # not for secrets
        return await run.run(rounds, options.seconds)


def _describe(result: RowResult) -> str:
    clock = time.strftime("%H:%M:%S")
    text = f"{clock} {result.row.stack}, {result.row.name}: {totals([result])} in {result.seconds:.0f} s"
    listed = findings(result)
    return f"{text}\n{listed}" if listed else text


if __name__ == "__main__":
    sys.exit(main())
