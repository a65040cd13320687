"""Concurrent writers that know which of their records the store acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.errors import Unavailable

RECORD = "return redis.call('HSET', KEYS[1], ARGV[1], 1)"
"""Script that writes one record."""
_STRIDE = 1000


class Writers:
    """Writers of one store, with the times of their acknowledgements."""

    def __init__(self, link: Link, key: str | None = None) -> None:
        self._link = link
        self._script = link.script(RECORD)
        self.key = link.key("records") if key is None else key
        self.acknowledged: list[int] = []
        self.times: list[float] = []
        self._is_over = False

    async def run(self, writer: int) -> None:
        """Write records one after the other; each of up to 1000 writers has its own numbers."""
        number = writer
        while not self._is_over:
            try:
                await self._link.run_durably(self._script, self.key, number)
            except Unavailable:
                pass
            else:
                self.acknowledged.append(number)
                self.times.append(time.monotonic())
            number += _STRIDE

    async def lost(self, link: Link | None = None) -> set[int]:
        """Return the acknowledged records that are missing, read over another link if one is given."""
        stored = {int(number) for number in await (link or self._link).command("HKEYS", self.key)}
        return set(self.acknowledged) - stored

    @asynccontextmanager
    async def running(self, count: int) -> AsyncIterator[None]:
        """Run some writers during the block."""
        tasks = [asyncio.create_task(self.run(number)) for number in range(count)]
        try:
            yield
        finally:
            self._is_over = True
            await asyncio.gather(*tasks)

    def longest_pause(self) -> float:
        """Return the longest time between two acknowledgements, in seconds."""
        return max(after - before for before, after in zip(self.times, self.times[1:], strict=False))
