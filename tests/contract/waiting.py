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


async def is_answered(store: RedisStore, question: Callable[[RedisStore], Awaitable[object]] = RedisStore.ping) -> bool:
    """Whether the store's Redis answers in the store's time."""
    try:
        await question(store)
    except Unavailable:
        return False
    return True
