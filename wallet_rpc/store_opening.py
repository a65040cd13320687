"""Opening of the store: in the Redis of the settings, else in the private Redis of the data folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.adapters.redis_facts import RedisFacts
from wallet_rpc.adapters.redis_folder import open_folder_redis
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.domain.event import EVENT_LIMITS, EventLimits
from wallet_rpc.edge.observe import log
from wallet_rpc.errors import Unavailable

_T = TypeVar("_T")


@asynccontextmanager
async def open_store(
    url: str, *, replicas: int = 0, event_limits: EventLimits = EVENT_LIMITS
) -> AsyncIterator[RedisStore]:
    """Open the store at a Redis URL.

    Raises: SettingError when Redis does not respond, is too old, or rejects writes.
    """
    try:
        opening = RedisStore.open(url, replicas=replicas, event_limits=event_limits)
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
        replicas = required_replicas(settings)
        store = await stack.enter_async_context(open_store(url, replicas=replicas, event_limits=settings.event_log))
        await require_available(variable("redis_url"), store.join_undo_logs)
        yield store


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


def required_replicas(settings: Settings) -> int:
    """Return the number of replicas that acknowledge a durable write; a private Redis has none."""
    return 0 if settings.redis_url is None else settings.redis_replicas


async def check_durability(store: RedisStore, settings: Settings) -> list[RedisFacts]:
    """Return the facts of each master. Raises: SettingError when one loses records, unless the settings allow it."""
    found = await require_available(variable("redis_url"), store.verify)
    losses = dict.fromkeys(text for each in found for text in each.losses)
    if losses and not settings.allow_volatile:
        text = f"or accept the loss with {variable('allow_volatile')}=yes"
        raise SettingError(f"{variable('redis_url')}: {'; '.join(losses)}; {text}")
    return found


def log_durability(found: Sequence[RedisFacts], replicas: int) -> None:
    """Log the durability of each master, and a warning for each setting that loses acknowledged writes."""
    for each in found:
        log.info(
            "redis",
            software=each.software,
            mode=each.mode,
            replicas=each.replicas,
            persistence=each.persistence.value,
            eviction=each.eviction,
            crash_of_its_host=each.persistence.guarantee,
        )
        for text in each.warnings:
            log.warning("redis_may_lose_writes", why=text)
        if each.replicas < replicas:
            log.warning("redis_may_reject_writes", why=format_missing_replicas(each, replicas))


def format_missing_replicas(facts: RedisFacts, replicas: int) -> str:
    """Format the sentence about a master with fewer replicas than required."""
    return f"{facts.replicas} replicas are connected, and {variable('redis_replicas')} is {replicas}"


async def require_available(subject: str, check: Callable[[], Awaitable[_T]]) -> _T:
    """Run a check of a dependency and return its result. Raises: SettingError, which names `subject`, if it fails."""
    try:
        return await check()
    except Unavailable as error:
        raise SettingError(f"{subject}: {error.message}") from error
