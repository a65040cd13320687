"""Redis of a data folder for short-lived commands: the running server's Redis, or one started for the command.

A command shares the Redis of a running server. It waits while a server starts or stops, or while another command runs.
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
    """Yield the URL of the folder's Redis; if none runs, start one for the duration of the block.

    The data is stored in the folder.

    Raises: RedisNotStarted when no Redis can be started, or when the running one does not respond.
    """
    async with AsyncExitStack() as stack:
        yield await _find_or_start(stack, folder, start_seconds)


async def _find_or_start(stack: AsyncExitStack, folder: Path, start_seconds: float) -> str:
    deadline = time.monotonic() + start_seconds
    while True:
        own = RedisServer(folder, start_seconds=start_seconds, is_shared=False)
        try:
            return (await stack.enter_async_context(own)).url
        except FolderInUse as error:
            socket = redis_socket.find_socket(folder)
            if await redis_socket.is_ready(socket):
                return redis_socket.socket_url(socket)
            if time.monotonic() > deadline:
                raise RedisNotStarted(f"the Redis in {folder} does not answer; {error}") from None
        await asyncio.sleep(_POLL_SECONDS)
