"""Opening of the store: in the Redis of the settings, else in the private Redis of the data folder."""

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
    """Open the store at a Redis URL. Raises: SettingError when Redis does not respond or is too old."""
    try:
        opening = RedisStore.open(url)
    except ValueError as error:
        raise SettingError(f"{variable('redis_url')}: {error}") from None
    async with opening as store:
        await require_available(variable("redis_url"), store.verify)
        yield store


@asynccontextmanager
async def open_configured_store(settings: Settings) -> AsyncIterator[RedisStore]:
    """Open the store that `serve` or `dev` uses with these settings, also while a server runs. Raises: SettingError."""
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
    """Return the folder of the private Redis's data."""
    return settings.data_dir / "redis"


def make_data_folder(settings: Settings) -> None:
    """Create the data folder if it is missing. Raises: SettingError when it cannot be created or written to."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{variable('data_dir')}: cannot create {settings.data_dir}: {error.strerror}") from None
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise SettingError(f"{variable('data_dir')}: no permission to write to {settings.data_dir}")


async def require_available(subject: str, check: Callable[[], Awaitable[None]]) -> None:
    """Run a check of a dependency. Raises: SettingError that names `subject` when the dependency is unavailable."""
    try:
        await check()
    except Unavailable as error:
        raise SettingError(f"{subject}: {error.message}") from error
