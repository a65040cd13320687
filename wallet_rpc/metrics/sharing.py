"""Lease on the shared facts: one process of all replicas on a Redis reads them, and the others export none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from wallet_rpc.edge.observe import log_incident
from wallet_rpc.errors import WalletError
from wallet_rpc.metrics.catalogue import CLOCK_SKEW, LEASEHOLDER
from wallet_rpc.metrics.exposition import FactsCollector
from wallet_rpc.metrics.facts import FactSources, read_shared_facts
from wallet_rpc.metrics.instruments import Instruments

RENEWAL_SECONDS = 5.0
"""Interval at which each process tries to take the lease, or extends it: a third of its length."""
READ_SECONDS = 15.0
"""Pause between two readings of the facts."""


class FactSharing:
    """The part of one process in reading the facts."""

    def __init__(
        self,
        sources: FactSources,
        facts: FactsCollector,
        instruments: Instruments,
        *,
        renewal_seconds: float = RENEWAL_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._sources = sources
        self._lease = sources.store.facts_lease()
        self._renewal_seconds = renewal_seconds
        self._read_seconds = read_seconds
        self._facts = facts
        self._is_holder = instruments.gauge(LEASEHOLDER)
        self._skew = instruments.gauge(CLOCK_SKEW)
        self._holds = asyncio.Event()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Take part while the block runs; at its end, leave the lease to another process."""
        tasks = [asyncio.create_task(_repeat(step, pause)) for step, pause in self._steps()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._set_holder(False)
            with suppress(WalletError):
                await self._lease.leave()

    def _steps(self) -> list[tuple[Callable[[], Awaitable[None]], float]]:
        reading = self._read_seconds
        return [(self._renew, self._renewal_seconds), (self._read, reading), (self._compare_clocks, reading)]

    async def _renew(self) -> None:
        holds = False
        try:
            with suppress(WalletError):
                holds = await self._lease.take()
        finally:
            self._set_holder(holds)

    def _set_holder(self, holds: bool) -> None:
        self._is_holder.set(holds)
        if holds:
            self._holds.set()
        else:
            self._holds.clear()
            self._facts.publish(())

    async def _read(self) -> None:
        await self._holds.wait()
        found = await read_shared_facts(self._sources)
        if self._holds.is_set():  # the lease may have ended since
            self._facts.publish(found)

    async def _compare_clocks(self) -> None:
        with suppress(WalletError):
            began = time.time()
            of_redis = await self._sources.store.read_time()
            self._skew.set((began + time.time()) / 2 - of_redis)


async def _repeat(step: Callable[[], Awaitable[None]], pause: float) -> None:
    """Run a step again and again; a bug in it is logged, and stops no other step."""
    while True:
        try:
            await step()
        except Exception as raised:
            log_incident(raised, method="(metrics)", event="metrics_failed")
        await asyncio.sleep(pause)
