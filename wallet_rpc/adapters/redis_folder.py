"""The Redis of a data folder, for a command that comes and goes: that of the server which owns the folder, or its own.

The rule: what serves is shared; what starts, ends, or is another such command is waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from wallet_rpc.adapters import redis_socket
from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.adapters.redis_server import FolderInUse, RedisServer

_POLL_SECONDS = 0.05


@asynccontextmanager
async def open_folder_redis(folder: Path, *, start_seconds: float = 60.0) -> AsyncIterator[str]:
    """The URL of the folder's Redis. If none runs, one does while the block does; what is written stays in the folder.

    Raises: RedisNotStarted when none can be started, or the one of the folder's owner does not answer.
    """
    async with AsyncExitStack() as stack:
        yield await _find_or_start(stack, folder, start_seconds)


async def _find_or_start(stack: AsyncExitStack, folder: Path, start_seconds: float) -> str:
    ends = time.monotonic() + start_seconds
    while True:
        own = RedisServer(folder, start_seconds=start_seconds, is_shared=False)
        try:
            return (await stack.enter_async_context(own)).url
        except FolderInUse as used:
            socket = redis_socket.find_socket(folder)
            if await redis_socket.is_ready(socket):
                return redis_socket.socket_url(socket)
            if time.monotonic() > ends:
                raise RedisNotStarted(f"the Redis in {folder} does not answer; {used}") from None
        await asyncio.sleep(_POLL_SECONDS)
