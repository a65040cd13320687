"""Rate limits of callers: request counters of fixed windows in Redis, shared by all replicas.

A request is rejected when any of the caller's windows is full. One script counts it in all windows of an API key, or in
none. The window of a session token is in another slot and is counted first. A request that the key's windows reject
after that is uncounted there; until then, other requests of the token may be rejected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.domain.access import Caller
from wallet_rpc.ports.limits import RateLimitResult
from wallet_rpc.primitives import UnixSeconds

TOKEN_REQUESTS_PER_MINUTE = 300
"""Limit of one session token; each of its requests also counts against the API key that issued it."""
_MINUTE_SECONDS = 60
_TOO_FAST = "Rate limit exceeded"
_TOO_MUCH = "Monthly quota exceeded"
"""Error messages of a full minute and a full month. Clients distinguish them by the text and retry only after the
first. Source: seed 004."""

_TAKE = """
local cost = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  local used = tonumber(redis.call('GET', key) or 0)
  if used + cost > tonumber(ARGV[2 * i]) then return {i, used} end
end
local counts = {0}
for i, key in ipairs(KEYS) do
  local used = redis.call('INCRBY', key, cost)
  if used == cost then redis.call('EXPIRE', key, ARGV[2 * i + 1]) end
  table.insert(counts, used)
end
return counts
"""
"""Add to the counters of some windows, given their limits and lengths, unless one of them is full.

Returns 0 and the counters, or the number of a full window and its counter. A window begins with its first request. A
repeated run counts twice."""

_GIVE_BACK = """
if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1]) then redis.call('DECRBY', KEYS[1], ARGV[1]) end
"""
"""Subtract from a window's counter, unless the window has ended since."""


@dataclass(frozen=True, slots=True)
class _Window:
    """Window that begins with its first request, or with the month; its counter is deleted at its end."""

    tag: str
    """Tag of the key: windows with the same tag are counted together."""
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
    """`ports.limits.Limiter` on Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._take = link.script(_TAKE)
        self._give_back = link.script(_GIVE_BACK)

    async def take(self, caller: Caller, cost: int, *, now: UnixSeconds) -> RateLimitResult:
        """Count a body as `cost` requests, or return a result with a `rejection` and count nothing.

        Raises: Unavailable; ValueError for a caller without an API key, since only API keys have limits.
        """
        windows = self._windows(caller, now)
        for window in windows:
            if cost > window.limit:
                return window.denied_allowance(await self._read_usage(window), cost, left_ms=0)
        counted: list[tuple[_Window, int]] = []
        for _, group in groupby(reversed(windows), key=lambda window: window.tag):
            together = list(group)
            bounds = [part for window in together for part in (window.limit, window.length_seconds)]
            full, *counts = await self._link.run(self._take, [window.key for window in together], cost, *bounds)
            if full:
                for window, _ in counted:
                    await self._link.run(self._give_back, window.key, cost)
                return await self._deny(windows, together[full - 1], counts[0], cost)
            counted += zip(together, counts, strict=True)
        return min((window.allowance(count) for window, count in counted), key=lambda allowance: allowance.remaining)

    async def _read_usage(self, window: _Window) -> int:
        return int(await self._link.command("GET", window.key) or 0)

    async def _deny(self, windows: Sequence[_Window], full: _Window, used: int, cost: int) -> RateLimitResult:
        """Return the denial of the first full window; of `full` if all have room by now."""
        usages = await asyncio.gather(*(self._read_usage(window) for window in windows))
        for window, usage in zip(windows, usages, strict=True):
            if usage + cost > window.limit:
                full, used = window, usage
                break
        left_ms = await self._link.command("PTTL", full.key)
        return full.denied_allowance(used, cost, left_ms=left_ms)

    def _windows(self, caller: Caller, now: UnixSeconds) -> tuple[_Window, ...]:
        """Return the caller's windows, the longest first: an exhausted month is reported before a full minute."""
        key = caller.key
        if key is None:
            raise ValueError("a caller without an API key has no rate limits")
        of_key = f"limit:{key.id}"
        windows = [_Window(of_key, self._link.key(of_key, "minute"), key.requests_per_minute, _MINUTE_SECONDS)]
        if key.requests_per_month is not None:
            month, left = _month(now)
            counter = self._link.key(of_key, "month", month)
            windows.insert(0, _Window(of_key, counter, key.requests_per_month, left, _TOO_MUCH))
        if caller.token is not None:
            of_token = f"limit:{caller.token.id}"
            counter = self._link.key(of_token, "minute")
            windows.append(_Window(of_token, counter, TOKEN_REQUESTS_PER_MINUTE, _MINUTE_SECONDS))
        return tuple(windows)


def _month(now: UnixSeconds) -> tuple[str, int]:
    """Return the calendar month in UTC and its remaining seconds."""
    moment = datetime.fromtimestamp(now, UTC)
    first = moment.replace(day=1, hour=0, minute=0, second=0)
    following = (first + timedelta(days=31)).replace(day=1)
    return f"{moment:%Y-%m}", int((following - moment).total_seconds())
