"""Clients of Redis as operators run it: one server, the master that Sentinels name, or a cluster.

redis-py's own clients find the masters, follow moved slots and connect to a promoted replica. This module builds them
from a URL, and hides their differences from `redis_link.Link`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from redis import exceptions
from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import AskError, MovedError, RedisClusterException

REDIS_URLS = "redis://, rediss:// or unix:// URL, or one with redis(s)+cluster:// or redis(s)+sentinel://"
"""URLs that are accepted, for error messages."""

_SENTINEL_PORT = 26379
_SENTINEL_SHARE = 0.25
"""Maximum share of the deadline for one Sentinel, so that a dead one leaves time to ask the next."""
_NODE_SHARE = 0.75
"""Maximum share of the deadline for one reply of a cluster's node; then the client looks for the slot's new master."""
_PROBES = 1 << 14
"""Maximum number of keys that are tried to find one in each master of a cluster; a cluster has as many slots."""

Node: TypeAlias = "Redis | ClusterNode"
"""Connections to one master, with `execute_command`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Condition of a durable write: this number of replicas acknowledges it within the time."""

    replicas: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class SingleMaster:
    """One Redis, or the current master of a service that Sentinels watch."""

    client: Redis
    mode = "standalone"
    """`redis_mode` in INFO of a Redis that this client can use."""
    sentinel: Sentinel | None = None

    async def masters(self) -> Sequence[Node]:
        """Return the only master."""
        return [self.client]

    async def find_keys_by_master(self, key: Callable[[int], str]) -> list[str]:
        """Return one key for each master."""
        return [key(0)]

    async def run_and_wait(
        self, script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | int], wait: Wait
    ) -> tuple[Any, int]:
        """Run a script, then WAIT on the same connection; return the result and the number of acknowledgements."""
        pipeline = self.client.pipeline(transaction=False)
        for command in _script_and_wait(script, keys, arguments, wait):
            pipeline.execute_command(*command)
        result, acknowledged = await pipeline.execute()
        return result, int(acknowledged)

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose(close_connection_pool=True)
        if self.sentinel is not None:
            await self.sentinel.aclose()


@dataclass(frozen=True, slots=True)
class Cluster:
    """Redis Cluster."""

    client: RedisCluster
    mode = "cluster"
    """`redis_mode` in INFO of a Redis that this client can use."""

    async def masters(self) -> Sequence[Node]:
        """Return the masters, each of which serves some slots."""
        await self.client.initialize()
        return self.client.get_primaries()

    async def find_keys_by_master(self, key: Callable[[int], str]) -> list[str]:
        """Return one key for each master, of the keys that `key` makes from numbers."""
        masters = await self.masters()
        found: dict[str, str] = {}
        for number in range(_PROBES):
            name = key(number)
            found.setdefault(self._master_of(name).name, name)
            if len(found) == len(masters):
                break
        return list(found.values())

    async def run_and_wait(
        self, script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | int], wait: Wait
    ) -> tuple[Any, int]:
        """Run a script, then WAIT on the same connection; return the result and the number of acknowledgements.

        Raises: MovedError, ConnectionError or TimeoutError, after the slots were read again; the call may be repeated.
        """
        commands = _script_and_wait(script, keys, arguments, wait)
        await self.client.initialize()
        node = self._master_of(keys[0])
        try:
            result, acknowledged = await _run_on_one_connection(node, commands)
        except MovedError as error:
            await self.client.nodes_manager.move_slot(error)
            raise
        except AskError as error:  # the slot is being moved, and this key is in the other node already
            target = self.client.get_node(error.host, error.port)
            if target is None:
                await self.client.nodes_manager.initialize()
                raise
            _, result, acknowledged = await _run_on_one_connection(target, [("ASKING",), *commands])
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            await self.client.nodes_manager.initialize(last_failed_node_name=node.name)
            raise
        return result, int(acknowledged)

    def _master_of(self, key: str) -> ClusterNode:
        return self.client.nodes_manager.get_node_from_slot(self.client.keyslot(key))

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose()


Topology: TypeAlias = "SingleMaster | Cluster"


def open_topology(url: str, *, deadline_seconds: float, connections: int) -> Topology:
    """Build the client for a URL; it connects on first use.

    Raises: ValueError, without the URL, when it is malformed.
    """
    try:
        return _build(url, deadline_seconds, connections)
    except (ValueError, TypeError, RedisClusterException):
        raise ValueError(f"expected a well-formed {REDIS_URLS}") from None


def _build(url: str, deadline_seconds: float, connections: int) -> Topology:
    scheme, _, kind = url.partition("://")[0].partition("+")
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    base: dict[str, Any] = {
        "socket_connect_timeout": deadline_seconds,
        "protocol": 2,
        "driver_info": None,
    }
    if kind == "" and "," not in hosts:
        return SingleMaster(_build_single(url, base, connections))
    if scheme not in {"redis", "rediss"} or kind not in {"", "cluster", "sentinel"}:
        raise ValueError(scheme)
    nodes = [parse_url(f"{scheme}://{credentials}{at}{host}?{parts.query}") for host in hosts.split(",")]
    options: dict[str, Any] = base | {name: value for name, value in nodes[0].items() if name not in {"host", "port"}}
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    if kind == "sentinel":
        addresses = [(node["host"], node.get("port", _SENTINEL_PORT)) for node in nodes if "host" in node]
        _require(len(addresses) == len(nodes))
        return _build_sentinel(addresses, parts.path, options, deadline_seconds, connections)
    _require(parts.path in {"", "/", "/0"} and all("host" in node for node in nodes))
    return Cluster(
        RedisCluster(
            startup_nodes=[ClusterNode(node["host"], node.get("port", 6379)) for node in nodes],
            max_connections=2 * connections,  # for each node; the link bounds all, and closing ones count here
            retry=_no_retry(),  # the link repeats
            **{"socket_timeout": deadline_seconds * _NODE_SHARE} | options,
        )
    )


def _build_single(url: str, options: dict[str, Any], connections: int) -> Redis:
    pool = ConnectionPool.from_url(
        url,
        max_connections=connections,
        socket_timeout=None,  # the command's deadline applies, including the wait for a connection
        retry=_no_retry(),  # the link repeats
        **options,
    )
    pool.make_connection()  # type: ignore[no-untyped-call]  # not opened; only this call checks the options
    return Redis(connection_pool=pool)


def _build_sentinel(
    addresses: list[tuple[str, int]], path: str, options: dict[str, Any], deadline_seconds: float, connections: int
) -> SingleMaster:
    service, _, database = path.removeprefix("/").partition("/")
    _require(service != "" and (database == "" or (database.isascii() and database.isdigit())))
    own = {
        "socket_timeout": deadline_seconds * _SENTINEL_SHARE,
        "socket_connect_timeout": deadline_seconds * _SENTINEL_SHARE,
        "username": options.pop("sentinel_username", None),
        "password": options.pop("sentinel_password", None),
        "retry": _no_retry(),
        "protocol": 2,
        "driver_info": None,
    }
    own |= {name: value for name, value in options.items() if name.startswith("ssl")}
    sentinel = Sentinel(addresses, sentinel_kwargs=own)  # type: ignore[no-untyped-call]  # redis-py
    pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]  # redis-py
        unquote(service),
        sentinel,
        max_connections=connections,
        retry=_no_retry(),  # the link repeats
        **{"socket_timeout": None, "db": int(database or 0)} | options,
    )
    pool.make_connection()  # type: ignore[no-untyped-call]  # not opened; only this call checks the options
    return SingleMaster(Redis(connection_pool=pool), sentinel=sentinel)


def _no_retry() -> Retry:
    return Retry(NoBackoff(), 0)


def _require(is_valid: bool) -> None:
    """Raise ValueError, which `open_topology` words, unless the part of the URL is valid."""
    if not is_valid:
        raise ValueError


def _script_and_wait(
    script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | int], wait: Wait
) -> list[tuple[str | int, ...]]:
    return [
        ("EVALSHA", script.sha, len(keys), *keys, *arguments),
        ("WAIT", wait.replicas, wait.milliseconds),
    ]


async def _run_on_one_connection(node: ClusterNode, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
    """Run commands in order on one connection, and return the replies. Raises: the first error reply."""
    pipeline = [PipelineCommand(position, *command) for position, command in enumerate(commands)]
    await node.execute_pipeline(pipeline)
    for command in pipeline:
        if isinstance(command.result, Exception):
            raise command.result
    return [command.result for command in pipeline]
