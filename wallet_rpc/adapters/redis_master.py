"""Client of one Redis, or of the current master of a service that Sentinels watch."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from redis.asyncio import Redis, Sentinel
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, ReadOnlyError, ResponseError

from wallet_rpc.adapters.redis_pipeline import PipelinedServer

NOT_SHOWN = "unknown"
"""Value of a property that Redis does not show."""


_READING = """
EXISTS GET HEXISTS HGET HGETALL HKEYS HLEN HMGET HVALS LINDEX LLEN LRANGE PTTL SCARD SISMEMBER SMEMBERS STRLEN TIME TTL
TYPE XLEN XRANGE ZCARD ZCOUNT ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZSCORE
"""
_READING_COMMANDS = frozenset(_READING.split())
_CALL = re.compile(r"redis\.p?call\((?:'([A-Z]+)'|)")
"""A call of a command in a script; the name is empty if the script computes it."""


class RedisNode(Protocol):
    """Connections to one server."""

    def execute_command(self, *command: str | int) -> Awaitable[Any]:
        """Run one command. Raises, when it is awaited: RedisError."""


def is_reading(command: str) -> bool:
    """Return True for the name of a command that changes nothing, as far as it is known here."""
    return command in _READING_COMMANDS


class WriteGuard(Protocol):
    """Guard that prepares changes of keys."""

    async def begin_write(self, keys: Sequence[str]) -> None:
        """Wait until these keys may be changed, which they may until `end_write`."""

    def end_write(self) -> None:
        """End what `begin_write` began."""


@dataclass(frozen=True, slots=True)
class Script:
    """Lua script, which Redis knows by the SHA-1 of its source once it has run it."""

    source: str
    sha: str = field(init=False)
    is_reading: bool = field(init=False)
    """True if it calls only commands that change nothing."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())
        names = _CALL.findall(self.source)
        object.__setattr__(self, "is_reading", all(map(is_reading, names)))


@dataclass(frozen=True, slots=True)
class ReplicaWait:
    """Condition of a durable write: this number of replicas acknowledges it within the time."""

    replicas: int
    milliseconds: int


class ConnectionLimit(asyncio.Semaphore):
    """Limit on the connections of durable writes, which counts those in use."""

    def __init__(self, connections: int) -> None:
        super().__init__(connections)
        self._connections = connections

    @property
    def in_use(self) -> int:
        """The number of connections in use."""
        return self._connections - self._value


@dataclass(frozen=True, slots=True)
class SingleMaster:
    """One Redis, or the current master of a service that Sentinels watch."""

    client: Redis
    server: PipelinedServer
    sentinel: Sentinel | None = None
    mode = "standalone"
    """Mode of a server that this client can use."""

    @property
    def waiting_commands(self) -> int:
        """The number of commands without a reply on the shared connection."""
        return self.server.waiting_commands

    def execute(self, key: str, *command: str | int | bytes) -> Awaitable[Any]:
        """Run one command on `key`. Raises, when it is awaited: RedisError."""
        if self.sentinel is None:
            return self.server.execute_command(*command)
        return self._execute_on_master(*command)

    async def _execute_on_master(self, *command: str | int | bytes) -> Any:
        try:
            return await self.server.execute_command(*command)
        except ResponseError as error:  # a script's error contains that of its command
            if not (isinstance(error, ReadOnlyError) or "READONLY" in str(error)):
                raise
            self.server.close()  # this server was the master
            raise RedisConnectionError("the previous master is now a replica") from error

    async def read_mode(self) -> str:
        """Return the server's mode: `standalone`, `cluster` or `sentinel`."""
        return await read_mode(self.server)

    async def masters(self) -> Sequence[RedisNode]:
        """Return the only master."""
        return [self.server]

    async def find_keys_by_master(self, key: Callable[[int], str]) -> list[str]:
        """Return one key for each master."""
        return [key(0)]

    async def run_and_wait(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | bytes], wait: ReplicaWait
    ) -> tuple[Any, int]:
        """Run a script, then WAIT on the same connection; return the result and the number of acknowledgements."""
        pipeline = self.client.pipeline(transaction=False)
        for command in script_and_wait(script, keys, arguments, wait):
            pipeline.execute_command(*command)
        result, acknowledged = await pipeline.execute()
        return result, int(acknowledged)

    async def close(self) -> None:
        """Close all connections."""
        self.server.close()
        await self.client.aclose(close_connection_pool=True)
        if self.sentinel is not None:
            await self.sentinel.aclose()


async def read_mode(node: RedisNode) -> str:
    """Return a server's mode: `standalone`, `cluster`, `sentinel`, or `unknown` where INFO is forbidden."""
    try:
        return parse_mode(await node.execute_command("INFO", "server"))
    except NoPermissionError:
        return NOT_SHOWN
    except ResponseError as error:
        if not str(error).startswith("unknown command"):
            raise
        return NOT_SHOWN


def parse_mode(info: Mapping[str, Any]) -> str:
    """Return the mode in INFO, which Valkey names differently from Redis."""
    return str(info.get("redis_mode") or info.get("server_mode") or NOT_SHOWN)


def script_and_wait(
    script: Script, keys: Sequence[str], arguments: Sequence[str | int | bytes], wait: ReplicaWait
) -> list[tuple[str | int | bytes, ...]]:
    """Return the two commands of a durable write."""
    return [
        ("EVALSHA", script.sha, len(keys), *keys, *arguments),
        ("WAIT", wait.replicas, wait.milliseconds),
    ]
