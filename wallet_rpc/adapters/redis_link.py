"""One way to speak to Redis: a deadline on every command, our own errors, and records that carry their version.

The rule: a command that failed may or may not have happened, so every script here can run twice with the same
arguments and leaves what one run would have left. That is what lets the link reconnect and repeat by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self, TypeVar

from pydantic_core import from_json
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from wallet_rpc.errors import InvalidParams, Unavailable
from wallet_rpc.wire import decode, encode

T = TypeVar("T")

KEY_FORM = 1
"""The form of the keys and of the scripts' own fields; part of every key, so that two forms never meet."""

_REPEATS = 3
"""How often a command is tried again after a lost connection, within its deadline."""


class Link:
    """A pool of connections to one Redis, under one key prefix."""

    def __init__(self, client: Redis, *, prefix: str, deadline_seconds: float, connections: int) -> None:
        self._client = client
        self._free = asyncio.Semaphore(connections)
        self._prefix = f"{prefix}:{KEY_FORM}:"
        self._deadline_seconds = deadline_seconds

    @classmethod
    def open(cls, url: str, *, prefix: str, deadline_seconds: float, connections: int) -> Self:
        """Connects when first used. Raises: ValueError, without the URL, when it is not one of a Redis."""
        try:
            pool = ConnectionPool.from_url(
                url,
                max_connections=connections,
                socket_timeout=None,  # the deadline of the command counts, waiting for a connection included
                socket_connect_timeout=deadline_seconds,
                retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), _REPEATS),
                protocol=2,
                driver_info=None,
            )
        except (ValueError, TypeError):
            raise ValueError("expected a well-formed redis://, rediss:// or unix:// URL") from None
        client = Redis(connection_pool=pool)
        return cls(client, prefix=prefix, deadline_seconds=deadline_seconds, connections=connections)

    def key(self, tag: str, *rest: str) -> str:
        """A key: `prefix:form:{tag}:rest`. Keys with the same tag live in the same slot of a Redis Cluster."""
        return ":".join((f"{self._prefix}{{{tag}}}", *rest))

    def script(self, source: str) -> AsyncScript:
        """A Lua script that is sent once and then called by its hash."""
        return self._client.register_script(source)

    async def run(self, script: AsyncScript, keys: str | Sequence[str], *arguments: str | int) -> Any:
        """Run a script on its one key, or on its keys, which have the same tag; atomically."""
        named = [keys] if isinstance(keys, str) else list(keys)
        return await self._within_deadline(lambda: script(keys=named, args=list(arguments)))

    async def command(self, *parts: str | int) -> Any:
        """Run one command."""

        def ask() -> Awaitable[Any]:
            reply: Awaitable[Any] = self._client.execute_command(*parts)  # type: ignore[no-untyped-call]  # redis-py
            return reply

        return await self._within_deadline(ask)

    async def records(self, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        """The hashes at `keys`, in one round trip; an absent one is empty."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        return await self._within_deadline(pipeline.execute)

    async def close(self) -> None:
        """Drop the connections."""
        await self._client.aclose(close_connection_pool=True)

    async def _within_deadline(self, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._deadline_seconds), self._free:
                return await ask()
        except (RedisError, OSError) as error:
            raise Unavailable("the store does not answer", part="store") from error


def written(kind: type[T], record: T) -> str:
    """A record as it is kept: compact JSON."""
    return json.dumps(encode(kind, record), separators=(",", ":"))


def read(kind: type[T], text: bytes, *, version: int) -> T:
    """A record that was kept.

    Raises: Unavailable when a newer server wrote it, in a form this one does not know. A record that cannot be read
    otherwise is no fault of the caller: ValueError.
    """
    value = from_json(text)
    if value["version"] > version:
        raise newer(kind.__name__.lower(), value["version"], version)
    try:
        return decode(kind, value, at=kind.__name__)
    except InvalidParams as error:
        raise ValueError("a kept record is malformed") from error


def newer(noun: str, found: int, known: int) -> Unavailable:
    """The error of a record from the future."""
    return Unavailable(
        f"the {noun} record has form {found}, this server reads forms up to {known}: run a newer server",
        reason="newer_record",
        part="store",
    )
