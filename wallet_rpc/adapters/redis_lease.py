"""Lease in Redis: at most one process at a time holds it, and the lease of a process that has ended ends by time."""

from __future__ import annotations

import secrets

from wallet_rpc.adapters.redis_link import Link

_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""Store the holder's mark unless another process holds the lease; a repeat extends the lease."""
_LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""
"""End the lease of this holder, if it still has it."""


class Lease:
    """Lease at a key, for one holder."""

    def __init__(self, link: Link, key: str, *, seconds: float) -> None:
        self._link = link
        self._key = key
        self._milliseconds = int(seconds * 1000)
        self.mark = secrets.token_hex(8)
        """Random mark of this holder, which the key has while it holds the lease."""
        self._take = link.script(_TAKE)
        self._leave = link.script(_LEAVE)

    async def take(self) -> bool:
        """Take the lease or extend it, and return False while another process holds it. Raises: Unavailable."""
        return bool(await self._link.run(self._take, self._key, self.mark, self._milliseconds))

    async def leave(self) -> None:
        """End the lease, if this holder has it. Raises: Unavailable."""
        await self._link.run(self._leave, self._key, self.mark)
