"""Redis connection of all storage adapters: deadlines, errors of this package, and versioned records.

A failed command may have taken effect. Every script is therefore idempotent: a second run with the same arguments
leaves the same state. This allows the link to reconnect and repeat automatically.
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

from wallet_rpc.adapters.health import ServerHealth
from wallet_rpc.errors import InvalidParams, Unavailable
from wallet_rpc.time_budget import require_seconds
from wallet_rpc.wire import decode, encode, parse_json

_T = TypeVar("_T")

KEY_FORM = 1
"""Version of the key layout and of the scripts' fields; part of every key, so that two layouts never share a key."""

_RETRIES = 3
"""Retries of a command after a lost connection, within its deadline."""

_SCAN_COUNT = 1000
"""Number of keys that one step of a scan examines."""

_ADD_ONCE = """
return redis.call('ZADD', KEYS[1], 'NX', redis.call('ZCARD', KEYS[1]), ARGV[1])
"""
"""Add a member to a sorted set once, after all others."""


class Link:
    """Connection pool to one Redis with one key prefix."""

    def __init__(self, client: Redis, *, prefix: str, deadline_seconds: float, connections: int) -> None:
        self._client = client
        self._free = asyncio.Semaphore(connections)
        self._prefix = f"{prefix}:{KEY_FORM}:"
        self._deadline_seconds = deadline_seconds
        self.health = ServerHealth("store")
        self._add_once = client.register_script(_ADD_ONCE)

    @classmethod
    def open(cls, url: str, *, prefix: str, deadline_seconds: float, connections: int) -> Self:
        """Create a link that connects on first use. Raises: ValueError, without the URL, for an invalid Redis URL."""
        try:
            pool = ConnectionPool.from_url(
                url,
                max_connections=connections,
                socket_timeout=None,  # the command's deadline applies, including the wait for a connection
                socket_connect_timeout=deadline_seconds,
                retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), _RETRIES),
                protocol=2,
                driver_info=None,
            )
            pool.make_connection()  # type: ignore[no-untyped-call]  # not opened; only this call checks the options
        except (ValueError, TypeError):
            raise ValueError("expected a well-formed redis://, rediss:// or unix:// URL") from None
        client = Redis(connection_pool=pool)
        return cls(client, prefix=prefix, deadline_seconds=deadline_seconds, connections=connections)

    def with_prefix(self, name: str) -> Link:
        """Return a link over the same connections whose keys begin with `name`, separate from all other keys."""
        link = copy(self)
        link._prefix = f"{self._prefix}{name}:"
        return link

    @property
    def pool(self) -> ConnectionPool:
        """Connections for a library with its own Redis commands, which run inside `ask`."""
        return self._client.connection_pool

    @property
    def prefix(self) -> str:
        """Prefix of every key, without the colon at its end."""
        return self._prefix.removesuffix(":")

    def key(self, tag: str, *rest: str) -> str:
        """Return the key `prefix:form:{tag}:rest`. Keys with the same tag are in the same slot of a Redis Cluster."""
        return ":".join((f"{self._prefix}{{{tag}}}", *rest))

    def script(self, source: str) -> AsyncScript:
        """Register a Lua script, which is sent once and then called by its hash."""
        return self._client.register_script(source)

    async def run(self, script: AsyncScript, keys: str | Sequence[str], *arguments: str | int) -> Any:
        """Run a script atomically on one key, or on several keys of the same tag."""
        key_list = [keys] if isinstance(keys, str) else list(keys)
        return await self.ask(lambda: script(keys=key_list, args=list(arguments)))

    async def command(self, *parts: str | int | bytes) -> Any:
        """Run one command."""

        def execute() -> Awaitable[Any]:
            reply: Awaitable[Any] = self._client.execute_command(*parts)  # type: ignore[no-untyped-call]  # redis-py
            return reply

        return await self.ask(execute)

    async def add_once(self, key: str, member: str) -> None:
        """Append a member to the sorted set at `key`, unless the set contains it already."""
        await self.run(self._add_once, key, member)

    async def members(self, key: str) -> list[str]:
        """Return the members of a sorted set in order."""
        return [member.decode() for member in await self.command("ZRANGE", key, 0, -1)]

    async def records(self, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        """Return the hashes at `keys` in one round trip; a missing one is empty."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        return await self.ask(pipeline.execute)

    async def find_keys(self, pattern: str) -> list[str]:
        """Return all keys that match a glob pattern after the prefix; it scans the whole key space in steps."""
        found: set[bytes] = set()
        cursor = 0
        escaped = re.sub(r"([*?\[\]\\])", r"\\\1", self._prefix)
        while True:
            cursor, names = await self.command("SCAN", cursor, "MATCH", escaped + pattern, "COUNT", _SCAN_COUNT)
            found.update(names)
            if int(cursor) == 0:
                return [name.decode() for name in sorted(found)]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose(close_connection_pool=True)

    async def ask(self, request: Callable[[], Awaitable[_T]]) -> _T:
        """Run a Redis request and return its reply. Raises: Unavailable without a reply within the deadline."""
        async with self.deadline(), self._free:
            reply = await request()
        self.health.record_answer()
        return reply

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Apply one deadline to all requests in the block, at most the rest of the request's time budget.

        Raises: Unavailable when it passes or Redis fails, and at once while Redis is marked down.
        """
        self.health.require_usable()
        seconds = require_seconds(self._deadline_seconds, part=self.health.part)
        try:
            async with asyncio.timeout(seconds):
                yield
        except (RedisError, OSError) as error:
            raise Unavailable("the store does not answer", part="store") from error


def encode_record(kind: type[_T], record: _T) -> str:
    """Encode a record for storage, as compact JSON."""
    return json.dumps(encode(kind, record), separators=(",", ":"))


def decode_record(kind: type[_T], text: bytes, *, version: int) -> _T:
    """Decode a stored record.

    Raises: Unavailable when a newer server wrote the record in a version unknown to this server; ValueError when the
    record is malformed, which is not the caller's error.
    """
    value = parse_json(text)
    if value["version"] > version:
        raise newer_record_error(kind.__name__.lower(), value["version"], version)
    try:
        return decode(kind, value, at=kind.__name__)
    except InvalidParams as error:
        raise ValueError(f"the stored {kind.__name__} record is malformed") from error


def newer_record_error(noun: str, found: int, known: int) -> Unavailable:
    """Build the error for a record that a newer server wrote."""
    return Unavailable(
        f"the {noun} record has version {found}, expected at most {known}: run a newer server",
        reason="newer_record",
        part="store",
    )
