"""Cost of a session as the stored ones grow: create one, list a page. Run: python -m tests.bench.growth [MOST]

Fills one Redis for each number of sessions through the store, then alternates between them. The cost is the CPU time of
this process and of Redis together, so that other work on the machine changes it little.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

from tests.contract.sample import FAR_FUTURE, NOW, ORGANIZATION, a_group, an_install
from tests.contract.unsigned import MANY, an_unsigned_session
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisOrganizationStore, RedisStore
from wallet_rpc.domain.session_group import SessionFilter
from wallet_rpc.domain.session_record import EntityChoice, UnsignedSession
from wallet_rpc.primitives import Address, SessionId

_AT_ONCE = 100
_ROUNDS = 7
_CREATED = 2_000
_LISTED = 100
"""Numbers of sessions created and pages listed in a round: Redis's CPU time is known to 10 ms only."""
_GROUP = 50
"""Number of sessions that are registered together, which fills the list faster."""
_PAGE = 20
"""Number of sessions on a page."""


def _sessions() -> Iterator[UnsignedSession]:
    """Generate sessions of accounts of their own; a caller has 10,000 of them."""
    template = an_unsigned_session(1, forget_at=FAR_FUTURE)
    while True:
        holder = os.urandom(16).hex()
        for _ in range(10_000):
            account, session_id = Address(os.urandom(20)), SessionId(os.urandom(16))
            yield replace(template, account=account, id=session_id, holder=holder)


async def _create(store: RedisOrganizationStore, sessions: Iterator[UnsignedSession], count: int) -> None:
    async def work(number: int) -> None:
        for session in islice(sessions, number):
            await store.unsigned_sessions.claim(session, limit=MANY, now=NOW)
            await store.unsigned_sessions.create(session, EntityChoice(), limit=MANY, now=NOW)

    await asyncio.gather(*(work(count // _AT_ONCE) for _ in range(_AT_ONCE)))


async def _register(store: RedisOrganizationStore, count: int) -> None:
    async def work(start: int) -> None:
        for number in range(start, count // _GROUP, _AT_ONCE):
            installs = (an_install(number * _GROUP + each) for each in range(1, _GROUP + 1))
            assert await store.groups.register(a_group(number, *installs)) is not None

    await asyncio.gather(*(work(start) for start in range(_AT_ONCE)))


def _cpu_seconds(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _measure(server: RedisServer, work: Awaitable[object], count: int) -> float:
    """Return the CPU microseconds of one of `count` operations, in this process and Redis."""
    assert server.process_id is not None
    before = time.process_time() + _cpu_seconds(server.process_id)
    await work
    return 1e6 * (time.process_time() + _cpu_seconds(server.process_id) - before) / count


async def _list(store: RedisOrganizationStore, count: int) -> None:
    for _ in range(count):
        page = await store.groups.page(SessionFilter(), now=NOW, offset=0, limit=_PAGE)
        assert len(page) == _PAGE


async def main(most: int) -> None:
    """Measure with 100, 10,000 and 1,000,000 sessions, but at most `most`."""
    sizes = [size for size in (10**2, 10**4, 10**6) if size <= most]
    found: dict[tuple[str, int], list[float]] = {}
    async with AsyncExitStack() as stack:
        opened: dict[int, tuple[RedisServer, RedisOrganizationStore, Iterator[UnsignedSession]]] = {}
        for size in sizes:
            server = await stack.enter_async_context(RedisServer(None))
            shared = await stack.enter_async_context(RedisStore.open(server.url, deadline_seconds=30))
            opened[size] = server, shared.for_organization(ORGANIZATION), _sessions()
            await _create(opened[size][1], opened[size][2], size)
            await _register(opened[size][1], size)
            print(f"{size} sessions stored", flush=True)

        for _ in range(_ROUNDS):
            for size, (server, store, sessions) in opened.items():
                created = await _measure(server, _create(store, sessions, _CREATED), _CREATED)
                listed = await _measure(server, _list(store, _LISTED), _LISTED)
                for name, cost in (("create", created), ("list", listed)):
                    found.setdefault((name, size), []).append(cost)
    for (name, size), costs in found.items():
        print(f"{name:7} {size:>9,} {statistics.median(costs):7.1f} us ({min(costs):.1f} to {max(costs):.1f})")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10**6))
