"""Client of one Redis, or of the current master of a service that Sentinels watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from redis.asyncio import Redis, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.commands.core import AsyncScript

RedisNode: TypeAlias = "Redis | ClusterNode"
"""Connections to one server, with `execute_command`."""


@dataclass(frozen=True, slots=True)
class ReplicaWait:
    """Condition of a durable write: this number of replicas acknowledges it within the time."""

    replicas: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class SingleMaster:
    """One Redis, or the current master of a service that Sentinels watch."""

    client: Redis
    sentinel: Sentinel | None = None
    mode = "standalone"
    """Mode of a server that this client can use."""

    async def connect(self) -> None:
        """Do nothing: each command finds the master."""

    async def read_mode(self) -> str:
        """Return the server's mode: `standalone`, `cluster` or `sentinel`."""
        return await read_mode(self.client)

    async def masters(self) -> Sequence[RedisNode]:
        """Return the only master."""
        return [self.client]

    async def find_keys_by_master(self, key: Callable[[int], str]) -> list[str]:
        """Return one key for each master."""
        return [key(0)]

    async def run_and_wait(
        self, script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | int | bytes], wait: ReplicaWait
    ) -> tuple[Any, int]:
        """Run a script, then WAIT on the same connection; return the result and the number of acknowledgements."""
        pipeline = self.client.pipeline(transaction=False)
        for command in script_and_wait(script, keys, arguments, wait):
            pipeline.execute_command(*command)
        result, acknowledged = await pipeline.execute()
        return result, int(acknowledged)

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose(close_connection_pool=True)
        if self.sentinel is not None:
            await self.sentinel.aclose()


async def read_mode(node: RedisNode) -> str:
    """Return a server's mode: `standalone`, `cluster` or `sentinel`."""
    return parse_mode(await node.execute_command("INFO", "server"))


def parse_mode(info: Mapping[str, Any]) -> str:
    """Return the mode in INFO, which Valkey names differently from Redis."""
    return str(info.get("redis_mode") or info["server_mode"])


def script_and_wait(
    script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | int | bytes], wait: ReplicaWait
) -> list[tuple[str | int | bytes, ...]]:
    """Return the two commands of a durable write."""
    return [
        ("EVALSHA", script.sha, len(keys), *keys, *arguments),
        ("WAIT", wait.replicas, wait.milliseconds),
    ]
