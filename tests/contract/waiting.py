"""Polling for conditions without a notification, such as the start or exit of another process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.support.constants import LONGEST_SECONDS
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.errors import Unavailable

_STEP_SECONDS = 0.02


async def until(is_true: Callable[[], Awaitable[bool]]) -> None:
    """Poll until a condition is true. Raises: TimeoutError after `LONGEST_SECONDS`."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            if await is_true():
                return
            await asyncio.sleep(_STEP_SECONDS)


async def is_answered(
    store: RedisStore, query: Callable[[RedisStore], Awaitable[object]] = RedisStore.check_writable
) -> bool:
    """Return True when the store's Redis responds within the store's deadline."""
    try:
        await query(store)
    except Unavailable:
        return False
    return True
