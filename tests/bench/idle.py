"""Latency of one user's requests with and without 1,000 idle connections. Run: python -m tests.bench.idle

Rounds with and without them alternate on one server, so that their ratio does not depend on the machine.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvloop

from tests.bench.load import Connection, measure
from tests.bench.parts import open_parts
from tests.bench.requests import session_requests
from wallet_rpc.edge.connections import raise_open_file_limit

IDLE = 1000
ROUNDS = 6
REQUESTS = 1000


@asynccontextmanager
async def _idle(url: str, number: int) -> AsyncIterator[None]:
    """Open connections that have had one response each."""
    opened = [await Connection.open(url) for _ in range(number)]
    for each in opened:
        await each.rpc("eth_chainId")
    yield
    for each in opened:
        await each.rpc("eth_chainId")  # none was closed
        each.close()


async def _p99(user: Connection) -> float:
    """Return the 99th percentile of the user's latencies, in milliseconds."""
    rate = await measure([partial(user.post, body) for body in session_requests("root", REQUESTS)], at_once=1)
    return rate.percentile(0.99)


async def _main() -> None:
    async with open_parts() as parts:
        await _compare((await parts.dev()).url)


async def _compare(url: str) -> None:
    user = await Connection.open(url)
    await _p99(user)  # warm-up
    without, with_idle = [], []
    for _ in range(ROUNDS):
        without.append(await _p99(user))
        async with _idle(url, IDLE):
            with_idle.append(await _p99(user))
    usual, crowded = statistics.median(without), statistics.median(with_idle)
    print(f"createSession, 99th percentile, median of {ROUNDS} rounds of {REQUESTS}, {os.cpu_count()} cores:")
    print(f"  no idle connections     {usual:6.2f} ms   ({', '.join(f'{each:.2f}' for each in without)})")
    print(f"  {IDLE} idle connections   {crowded:6.2f} ms   ({', '.join(f'{each:.2f}' for each in with_idle)})")
    print(f"  ratio                   {crowded / usual:6.2f}")
    user.close()


def main() -> None:
    """Measure on a server of its own."""
    raise_open_file_limit()
    uvloop.run(_main())


if __name__ == "__main__":
    main()
