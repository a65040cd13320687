"""The store that the settings mean: in the Redis they name, else in the one of the data folder; open and checked."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.adapters.redis_folder import open_folder_redis
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.errors import Unavailable


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[RedisStore]:
    """The store in a Redis that is there and new enough. Raises: SettingError when it is not."""
    try:
        opening = RedisStore.open(url)
    except ValueError as error:
        raise SettingError(f"{variable('redis_url')}: {error}") from None
    async with opening as store:
        await require_available(variable("redis_url"), store.verify)
        yield store


@asynccontextmanager
async def open_configured_store(settings: Settings) -> AsyncIterator[RedisStore]:
    """What the `serve` or `dev` of these settings keeps, whether one runs or not. Raises: SettingError."""
    async with AsyncExitStack() as stack:
        url = settings.redis_url
        if url is None:
            make_data_folder(settings)
            try:
                url = await stack.enter_async_context(open_folder_redis(redis_folder(settings)))
            except RedisNotStarted as error:
                raise SettingError(f"{variable('data_dir')}: {error}") from error
        yield await stack.enter_async_context(open_store(url))


def redis_folder(settings: Settings) -> Path:
    """Where the data folder's own Redis keeps its data."""
    return settings.data_dir / "redis"


def make_data_folder(settings: Settings) -> None:
    """See that it is there. Raises: SettingError when it cannot be made, or not be written in."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{variable('data_dir')}: cannot make {settings.data_dir}: {error.strerror}") from None
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise SettingError(f"{variable('data_dir')}: may not write in {settings.data_dir}")


async def require_available(what: str, check: Callable[[], Awaitable[None]]) -> None:
    """Raises: SettingError, about `what`, when the check finds its part unavailable."""
    try:
        await check()
    except Unavailable as error:
        raise SettingError(f"{what}: {error.message}") from error
