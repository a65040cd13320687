"""How often callers may ask, counted in Redis in fixed windows, which all replicas share.

The rule: a caller is refused when any of its windows is full, and what is refused is counted nowhere: all windows are
looked at first. Of many who ask at once, no more pass than a window holds; who loses that race gives back what was
counted, and for that moment others may be refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from limits.aio.storage import RedisStorage

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.domain.access import Caller
from wallet_rpc.ports.storage import RateLimitResult
from wallet_rpc.primitives import UnixSeconds

TOKEN_REQUESTS_PER_MINUTE = 300
"""What one session token may ask; each of its requests also counts on the key behind it."""
_MINUTE_SECONDS = 60
_TOO_FAST = "Rate limit exceeded"
_TOO_MUCH = "Monthly quota exceeded"
"""Clients tell the two apart by these words, and wait only for the first. Source: seed 004."""


@dataclass(frozen=True, slots=True)
class _Window:
    """It opens with its first request, or with the month, and is forgotten when it ends."""

    key: str
    limit: int
    length_seconds: int
    refusal: str = _TOO_FAST

    def allowance(self, used: int) -> RateLimitResult:
        """What is left of it."""
        return RateLimitResult(limit=self.limit, remaining=max(self.limit - used, 0))

    def denied_allowance(self, used: int, cost: int, *, left_ms: int) -> RateLimitResult:
        """What is left of it, which is too little; there is no waiting for more than it ever holds."""
        left_seconds = -(-left_ms // 1000) if left_ms > 0 else self.length_seconds
        retry = left_seconds if cost <= self.limit else None
        return replace(self.allowance(used), rejection=self.refusal, retry_after_seconds=retry)


class RedisLimiter:
    """`memory.Limiter` on Redis, by the `limits` library's counters over our own connections."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._counters = RedisStorage(
            "async+redis://",  # not where it is: that is the pool's
            implementation="redispy",
            key_prefix=link.prefix,
            connection_pool=link.pool,  # type: ignore[arg-type]  # limits 5.8 documents it, its type does not
        )

    async def take(self, caller: Caller, cost: int, *, now: UnixSeconds) -> RateLimitResult:
        """Count `cost` requests. An allowance with a `refusal` is one, and nothing was counted.

        Raises: Unavailable; ValueError for a caller without a key, for whom there are no limits.
        """
        windows = sorted(_windows(caller, now), key=lambda window: cost <= window.limit)  # too small ones first
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
        return await self._link.ask(lambda: self._counters.get(window.key))

    async def _add(self, window: _Window, cost: int) -> int:
        return await self._link.ask(lambda: self._counters.incr(window.key, window.length_seconds, amount=cost))

    async def _give_back(self, windows: Iterable[_Window], cost: int) -> None:
        for window in windows:
            if await self._add(window, -cost) < 0:  # it has ended meanwhile, and the next one owes nothing
                await self._add(window, cost)

    async def _deny(self, window: _Window, used: int, cost: int) -> RateLimitResult:
        left_ms = await self._link.command("PTTL", f"{self._link.prefix}:{window.key}")
        return window.denied_allowance(used, cost, left_ms=left_ms)


def _windows(caller: Caller, now: UnixSeconds) -> tuple[_Window, ...]:
    """The caller's windows, the longest first: who is out of the month's quota is told so, and not to wait a minute."""
    key = caller.key
    if key is None:
        raise ValueError("a caller without a key has no limits")
    minute = _Window(f"{{limit:{key.id}}}:minute", key.requests_per_minute, _MINUTE_SECONDS)
    windows = [minute]
    if key.requests_per_month is not None:
        month, left = _month(now)
        windows.insert(0, _Window(f"{{limit:{key.id}}}:month:{month}", key.requests_per_month, left, _TOO_MUCH))
    if caller.token is not None:
        windows.append(_Window(f"{{limit:{caller.token.id}}}:minute", TOKEN_REQUESTS_PER_MINUTE, _MINUTE_SECONDS))
    return tuple(windows)


def _month(now: UnixSeconds) -> tuple[str, int]:
    """The calendar month in UTC, and how many seconds are left of it."""
    here = datetime.fromtimestamp(now, UTC)
    first = here.replace(day=1, hour=0, minute=0, second=0)
    after = (first + timedelta(days=31)).replace(day=1)
    return f"{here:%Y-%m}", int((after - here).total_seconds())
