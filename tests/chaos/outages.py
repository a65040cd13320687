"""Measurement of an outage: when `/ready` follows it, if `/health` is unaffected, and how fast requests fail."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import httpx2

NOTICED_SECONDS = 2.0
"""Time after which requests that need the broken part must fail at once."""
_PROBE_SECONDS = 0.1
_RETURN_SECONDS = 10.0
"""Longest wait for `/ready` after an outage."""


@dataclass
class OutageTimes:
    """The longest times of a row, in seconds; 0 where nothing was measured."""

    until_not_ready: float = 0.0
    until_ready: float = 0.0
    health: float = 0.0
    """Slowest answer of `/health`."""
    unnoticed: int = 0
    """Outages in which `/ready` never became false."""
    outages: int = 0
    slowest_noticed: float = 0.0
    """Slowest answer to a request that began `NOTICED_SECONDS` or more after the begin of the outage."""
    _began_at: float | None = field(default=None)

    def begin(self) -> None:
        """Note that the outage has begun."""
        self._began_at = time.monotonic()

    def end(self) -> None:
        """Note that the outage has ended."""
        self._began_at = None

    def is_noticed(self, started_at: float) -> bool:
        """Return True for a request that started while the outage had to be known."""
        return self._began_at is not None and started_at - self._began_at >= NOTICED_SECONDS

    def record(self, *, seconds: float) -> None:
        """Add the duration of a request that `is_noticed`."""
        self.slowest_noticed = max(self.slowest_noticed, seconds)


@dataclass
class Probe:
    """Requests `/ready` and `/health` of one replica during an outage."""

    url: str
    times: OutageTimes
    http: httpx2.AsyncClient
    _ended_at: float | None = None

    def end(self) -> None:
        """Note that the outage has ended."""
        self._ended_at = time.monotonic()

    async def run(self) -> None:
        """Probe until the replica is ready again after the end of the outage."""
        began_at = time.monotonic()
        not_ready_after: float | None = None
        while True:
            is_ready = await self._probe()
            now = time.monotonic()
            if not is_ready and not_ready_after is None and self._ended_at is None:
                not_ready_after = now - began_at
            if self._ended_at is not None and (is_ready or now - self._ended_at > _RETURN_SECONDS):
                break
            await asyncio.sleep(_PROBE_SECONDS)
        self.times.outages += 1
        if not_ready_after is None:
            self.times.unnoticed += 1
            return
        self.times.until_not_ready = max(self.times.until_not_ready, not_ready_after)
        self.times.until_ready = max(self.times.until_ready, time.monotonic() - self._ended_at)

    async def _probe(self) -> bool:
        """Return True if the replica is ready, and time its `/health`."""
        try:
            started_at = time.monotonic()
            await self.http.get(f"{self.url}/health")
            self.times.health = max(self.times.health, time.monotonic() - started_at)
            return (await self.http.get(f"{self.url}/ready")).status_code == httpx2.codes.OK
        except httpx2.HTTPError:
            return False
