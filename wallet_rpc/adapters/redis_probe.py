"""Probe of Redis: it answers, and each master accepts a write."""

from __future__ import annotations

import asyncio

from redis.exceptions import NoPermissionError, ResponseError

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.errors import Unavailable

_SHARE = 0.5
"""Share of the link's deadline for a probe, so that readiness follows a fault within two seconds."""
_SECONDS = 60
"""Lifetime of the keys that a probe writes."""
_WRITE = """
redis.call('SET', KEYS[1], 1, 'EX', ARGV[1])
return redis.call('GET', KEYS[1])
"""
"""Write a key that expires."""


async def check_writable(link: Link) -> None:
    """Write a key in each master by a script. Raises: Unavailable when one does not answer or rejects it."""
    script = link.script(_WRITE)
    try:
        with link.deadline(_SHARE):
            keys = await link.find_keys_by_master("ready")
            await asyncio.gather(*(link.run(script, key, _SECONDS) for key in keys))
    except Unavailable as error:
        if isinstance(error.__cause__, ResponseError) and not isinstance(error.__cause__, NoPermissionError):
            raise Unavailable(
                "the store rejects a write: it is a replica, full, or cannot write to its disk",
                reason="store_rejects_writes",
                part="store",
            ) from error
        raise
