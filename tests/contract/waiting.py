"""Waiting for what tells nobody when it happens: a process that dies or starts, a file that another one writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.errors import Unavailable

LONGEST_SECONDS = 10.0
_STEP_SECONDS = 0.02


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Raises: TimeoutError when it does not hold in time."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            if await holds():
                return
            await asyncio.sleep(_STEP_SECONDS)


async def answers(store: RedisStore) -> bool:
    """Whether the store's Redis does."""
    try:
        await store.ping()
    except Unavailable:
        return False
    return True
