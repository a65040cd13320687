"""Rate limits of callers: request counters of fixed windows in Redis, shared by all replicas.

A request is rejected when any of the caller's windows is full. All windows are read first, so that a rejected request
counts in none. Concurrent requests together never exceed a window's limit. A request that loses this race subtracts its
count again; until then, other requests may be rejected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.domain.access import Caller
from wallet_rpc.ports.storage import RateLimitResult
from wallet_rpc.primitives import UnixSeconds

TOKEN_REQUESTS_PER_MINUTE = 300
"""Limit of one session token; each of its requests also counts against the API key that issued it."""
_MINUTE_SECONDS = 60
_TOO_FAST = "Rate limit exceeded"
_TOO_MUCH = "Monthly quota exceeded"
"""Error messages of a full minute and a full month. Clients distinguish them by the text and retry only after the
first. Source: seed 004."""

_COUNT = """
local used = redis.call('INCRBY', KEYS[1], ARGV[1])
if used == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return used
"""
"""Add to a window's counter and return it; the first request begins the window. A repeated run counts twice."""


@dataclass(frozen=True, slots=True)
class _Window:
    """Window that begins with its first request, or with the month; its counter is deleted at its end."""

    key: str
    limit: int
    length_seconds: int
    rejection: str = _TOO_FAST

    def allowance(self, used: int) -> RateLimitResult:
        """Return the remaining allowance of the window."""
        return RateLimitResult(limit=self.limit, remaining=max(self.limit - used, 0))

    def denied_allowance(self, used: int, cost: int, *, left_ms: int) -> RateLimitResult:
        """Return the denial of a body that counts as `cost` requests.

        It has no retry time if `cost` exceeds the limit of a whole window, because a retry would fail too.
        """
        left_seconds = -(-left_ms // 1000) if left_ms > 0 else self.length_seconds
        retry = left_seconds if cost <= self.limit else None
        return replace(self.allowance(used), rejection=self.rejection, retry_after_seconds=retry)


class RedisLimiter:
    """`ports.storage.Limiter` on Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._count = link.script(_COUNT)

    async def take(self, caller: Caller, cost: int, *, now: UnixSeconds) -> RateLimitResult:
        """Count a body as `cost` requests, or return a result with a `rejection` and count nothing.

        Raises: Unavailable; ValueError for a caller without an API key, since only API keys have limits.
        """
        # The windows whose limit is below `cost` come first.
        windows = sorted(self._windows(caller, now), key=lambda window: cost <= window.limit)
        used = await asyncio.gather(*(self._read_usage(window) for window in windows))
        for window, before in zip(windows, used, strict=True):
            if before + cost > window.limit:
                return await self._deny(window, before, cost)
        counted: list[tuple[_Window, int]] = []
        for window in reversed(windows):
            counted.append((window, await self._add(window, cost)))
            if counted[-1][1] > window.limit:
                await self._give_back((one for one, _ in counted), cost)
                return await self._deny(window, counted[-1][1] - cost, cost)
        return min((window.allowance(count) for window, count in counted), key=lambda allowance: allowance.remaining)

    async def _read_usage(self, window: _Window) -> int:
        return int(await self._link.command("GET", window.key) or 0)

    async def _add(self, window: _Window, cost: int) -> int:
        return int(await self._link.run(self._count, window.key, cost, window.length_seconds))

    async def _give_back(self, windows: Iterable[_Window], cost: int) -> None:
        for window in windows:
            if await self._add(window, -cost) < 0:  # the window has ended since; undo it in the next one
                await self._add(window, cost)

    async def _deny(self, window: _Window, used: int, cost: int) -> RateLimitResult:
        left_ms = await self._link.command("PTTL", window.key)
        return window.denied_allowance(used, cost, left_ms=left_ms)

    def _windows(self, caller: Caller, now: UnixSeconds) -> tuple[_Window, ...]:
        """Return the caller's windows, the longest first: an exhausted month is reported before a full minute."""
        key = caller.key
        if key is None:
            raise ValueError("a caller without an API key has no rate limits")
        of_key = f"limit:{key.id}"
        windows = [_Window(self._link.key(of_key, "minute"), key.requests_per_minute, _MINUTE_SECONDS)]
        if key.requests_per_month is not None:
            month, left = _month(now)
            counter = self._link.key(of_key, "month", month)
            windows.insert(0, _Window(counter, key.requests_per_month, left, _TOO_MUCH))
        if caller.token is not None:
            counter = self._link.key(f"limit:{caller.token.id}", "minute")
            windows.append(_Window(counter, TOKEN_REQUESTS_PER_MINUTE, _MINUTE_SECONDS))
        return tuple(windows)


def _month(now: UnixSeconds) -> tuple[str, int]:
    """Return the calendar month in UTC and its remaining seconds."""
    moment = datetime.fromtimestamp(now, UTC)
    first = moment.replace(day=1, hour=0, minute=0, second=0)
    following = (first + timedelta(days=31)).replace(day=1)
    return f"{moment:%Y-%m}", int((following - moment).total_seconds())
