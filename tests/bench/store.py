"""Sessions per second in the store: write one with its entity id. Run: python -m tests.bench.store

Compares a Redis that writes every command to disk before its response with one that has no persistence.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.contract.sample import FAR_FUTURE, a_session
from tests.contract.unsigned import unsigned_of
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.session_record import EntityChoice
from wallet_rpc.primitives import Address, SessionId


async def _sessions_a_second(store: RedisStore, *, at_once: int, seconds: float) -> tuple[float, float]:
    """Return the sessions per second and the median milliseconds per session."""
    numbers = itertools.count(1)
    durations: list[float] = []
    template = unsigned_of(a_session(), forget_at=FAR_FUTURE)
    deadline = time.perf_counter() + seconds

    async def work() -> None:
        while (started := time.perf_counter()) < deadline:
            number = next(numbers)
            account = Address((number % 1000).to_bytes(20, "big"))
            session = replace(template, account=account, id=SessionId(number.to_bytes(16, "big")))
            await store.unsigned_sessions.create(session, EntityChoice(), limit=1 << 30, now=0)
            durations.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return len(durations) / (time.perf_counter() - started), 1000 * statistics.median(durations)


async def main(seconds: float) -> None:
    """Print one line for each kind of Redis and each number of concurrent requests."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data_folder in (("on disk before the response", Path(folder)), ("no persistence", None)):
            async with RedisServer(data_folder) as server, RedisStore.open(server.url) as store:
                for at_once in (1, 8, 64):
                    rate, median = await _sessions_a_second(store, at_once=at_once, seconds=seconds)
                    print(f"{name}: {at_once:3d} concurrent, {rate:6.0f} sessions/s, median {median:6.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    asyncio.run(main(parser.parse_args().seconds))
