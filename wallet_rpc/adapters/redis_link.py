"""One way to speak to Redis: a deadline on every command, our own errors, and records that carry their version.

The rule: a command that failed may or may not have happened, so every script here can run twice with the same
arguments and leaves what one run would have left. That is what lets the link reconnect and repeat by itself.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from copy import copy
from typing import Any, Self, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from wallet_rpc.errors import InvalidParams, Unavailable
from wallet_rpc.wire import decode, encode, parse_json

T = TypeVar("T")

KEY_FORM = 1
"""The form of the keys and of the scripts' own fields; part of every key, so that two forms never meet."""

_RETRIES = 3
"""How often a command is tried again after a lost connection, within its deadline."""

_SCAN_COUNT = 1000
"""How many keys one step of a scan looks at."""

_ADD_ONCE = """
return redis.call('ZADD', KEYS[1], 'NX', redis.call('ZCARD', KEYS[1]), ARGV[1])
"""
"""Remember a member once, in the order of asking."""


class Link:
    """A pool of connections to one Redis, under one key prefix."""

    def __init__(self, client: Redis, *, prefix: str, deadline_seconds: float, connections: int) -> None:
        self._client = client
        self._free = asyncio.Semaphore(connections)
        self._prefix = f"{prefix}:{KEY_FORM}:"
        self._deadline_seconds = deadline_seconds
        self._add_once = client.register_script(_ADD_ONCE)

    @classmethod
    def open(cls, url: str, *, prefix: str, deadline_seconds: float, connections: int) -> Self:
        """Connects when first used. Raises: ValueError, without the URL, when it is not one of a Redis."""
        try:
            pool = ConnectionPool.from_url(
                url,
                max_connections=connections,
                socket_timeout=None,  # the deadline of the command counts, waiting for a connection included
                socket_connect_timeout=deadline_seconds,
                retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), _RETRIES),
                protocol=2,
                driver_info=None,
            )
            pool.make_connection()  # type: ignore[no-untyped-call]  # unopened; a wrong option shows only here
        except (ValueError, TypeError):
            raise ValueError("expected a well-formed redis://, rediss:// or unix:// URL") from None
        client = Redis(connection_pool=pool)
        return cls(client, prefix=prefix, deadline_seconds=deadline_seconds, connections=connections)

    def with_prefix(self, name: str) -> Link:
        """The same connections, with `name` before every key: the keys of two names never meet, nor with ours."""
        made = copy(self)
        made._prefix = f"{self._prefix}{name}:"
        return made

    @property
    def pool(self) -> ConnectionPool:
        """The connections, for a library that speaks to Redis itself: its questions go through `ask`."""
        return self._client.connection_pool

    @property
    def prefix(self) -> str:
        """What every key starts with, up to a colon."""
        return self._prefix.removesuffix(":")

    def key(self, tag: str, *rest: str) -> str:
        """A key: `prefix:form:{tag}:rest`. Keys with the same tag live in the same slot of a Redis Cluster."""
        return ":".join((f"{self._prefix}{{{tag}}}", *rest))

    def script(self, source: str) -> AsyncScript:
        """A Lua script that is sent once and then called by its hash."""
        return self._client.register_script(source)

    async def run(self, script: AsyncScript, keys: str | Sequence[str], *arguments: str | int) -> Any:
        """Run a script on its one key, or on its keys, which have the same tag; atomically."""
        named = [keys] if isinstance(keys, str) else list(keys)
        return await self.ask(lambda: script(keys=named, args=list(arguments)))

    async def command(self, *parts: str | int | bytes) -> Any:
        """Run one command."""

        def execute() -> Awaitable[Any]:
            reply: Awaitable[Any] = self._client.execute_command(*parts)  # type: ignore[no-untyped-call]  # redis-py
            return reply

        return await self.ask(execute)

    async def add_once(self, key: str, member: str) -> None:
        """Put a member behind those of the sorted set at `key`, unless it is there."""
        await self.run(self._add_once, key, member)

    async def members(self, key: str) -> list[str]:
        """The members of a sorted set, in their order."""
        return [member.decode() for member in await self.command("ZRANGE", key, 0, -1)]

    async def records(self, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        """The hashes at `keys`, in one round trip; an absent one is empty."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        return await self.ask(pipeline.execute)

    async def find_keys(self, pattern: str) -> list[str]:
        """The names of all keys that fit a glob pattern behind the prefix; reads the whole key space, in steps."""
        found, cursor = set[bytes](), 0
        escaped = re.sub(r"([*?\[\]\\])", r"\\\1", self._prefix)
        while True:
            cursor, names = await self.command("SCAN", cursor, "MATCH", escaped + pattern, "COUNT", _SCAN_COUNT)
            found.update(names)
            if int(cursor) == 0:
                return [name.decode() for name in sorted(found)]

    async def close(self) -> None:
        """Drop the connections."""
        await self._client.aclose(close_connection_pool=True)

    async def ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """What Redis answers. Raises: Unavailable when it does not within the deadline."""
        async with self.deadline(), self._free:
            return await request()

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """For all that one caller waits for together. Raises: Unavailable when it takes longer than the deadline."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                yield
        except (RedisError, OSError) as error:
            raise Unavailable("the store does not answer", part="store") from error


def encode_record(kind: type[T], record: T) -> str:
    """A record as it is kept: compact JSON."""
    return json.dumps(encode(kind, record), separators=(",", ":"))


def decode_record(kind: type[T], text: bytes, *, version: int) -> T:
    """A record that was kept.

    Raises: Unavailable when a newer server wrote it, in a form this one does not know. A record that cannot be read
    otherwise is no fault of the caller: ValueError.
    """
    value = parse_json(text)
    if value["version"] > version:
        raise newer_record_error(kind.__name__.lower(), value["version"], version)
    try:
        return decode(kind, value, at=kind.__name__)
    except InvalidParams as error:
        raise ValueError("a kept record is malformed") from error


def newer_record_error(noun: str, found: int, known: int) -> Unavailable:
    """The error of a record from the future."""
    return Unavailable(
        f"the {noun} record has form {found}, this server reads forms up to {known}: run a newer server",
        reason="newer_record",
        part="store",
    )
