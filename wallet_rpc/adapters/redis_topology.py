"""Clients of Redis as operators run it, built from a URL: one server, a cluster, or a master that Sentinels name."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from redis.asyncio import ConnectionPool, Redis, Sentinel
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException

from wallet_rpc.adapters.redis_cluster import Cluster, build_cluster
from wallet_rpc.adapters.redis_master import SingleMaster
from wallet_rpc.adapters.redis_pipeline import PipelinedServer
from wallet_rpc.config.redis_url import REDIS_URLS

_SENTINEL_PORT = 26379
_SENTINEL_SHARE = 0.25
"""Maximum share of the deadline for one Sentinel, so that a dead one leaves time to ask the next."""

_SILENCE_SHARE = 0.75
"""Share of the deadline in which Redis must reply; then the connection is closed, and the next one finds the master."""


class _Sentinels(Sentinel):
    """Sentinels that are asked by one search at a time.

    Concurrent searches of redis-py 8.1 reorder the list of Sentinels at stale positions, which loses some of them.
    """

    def __init__(self, addresses: list[tuple[str, int]], options: dict[str, Any]) -> None:
        super().__init__(addresses, sentinel_kwargs=options)  # type: ignore[no-untyped-call]  # redis-py
        self._search = asyncio.Lock()

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the address of the service's master. Raises: MasterNotFoundError."""
        async with self._search:
            host, port = await super().discover_master(service_name)
        return str(host), int(port)


Topology: TypeAlias = "SingleMaster | Cluster"


def open_topology(url: str, *, deadline_seconds: float, connections: int) -> Topology:
    """Build the client for a URL; it connects on first use.

    Raises: ValueError, without the URL, when it is malformed.
    """
    try:
        return _build(url, deadline_seconds, connections)
    except (ValueError, TypeError, RedisClusterException):
        raise ValueError(f"expected a well-formed URL starting with {REDIS_URLS}") from None


def _build(url: str, deadline_seconds: float, connections: int) -> Topology:
    scheme, _, kind = url.partition("://")[0].partition("+")
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    base: dict[str, Any] = {"socket_connect_timeout": deadline_seconds, "protocol": 2, "driver_info": None}
    if kind == "" and "," not in hosts:
        return _share(_build_single(url, base, connections), deadline_seconds)
    _require(scheme in {"redis", "rediss"} and kind in {"", "cluster", "sentinel"})
    nodes: list[dict[str, Any]] = [
        {**parse_url(f"{scheme}://{credentials}{at}{host}?{parts.query}")} for host in hosts.split(",")
    ]
    _require(all("host" in node for node in nodes))
    options = base | {name: value for name, value in nodes[0].items() if name not in {"host", "port"}}
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    if kind == "sentinel":
        addresses = [(node["host"], node.get("port", _SENTINEL_PORT)) for node in nodes]
        return _build_sentinel(addresses, parts.path, options, deadline_seconds, connections)
    _require(parts.path in {"", "/", "/0"})
    return build_cluster(nodes, options, deadline_seconds=deadline_seconds, connections=connections)


def _build_single(url: str, options: dict[str, Any], connections: int) -> Redis:
    pool = ConnectionPool.from_url(
        url,
        max_connections=connections,
        socket_timeout=None,  # the command's deadline applies, including the wait for a connection
        retry=Retry(NoBackoff(), 0),  # the link repeats
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
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    own |= {name: value for name, value in options.items() if name.startswith("ssl")}
    sentinel = _Sentinels(addresses, own)
    pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]  # redis-py
        unquote(service),
        sentinel,
        max_connections=connections,
        retry=Retry(NoBackoff(), 0),  # the link repeats
        **{"socket_timeout": None, "db": int(database or 0)} | options,
    )
    pool.make_connection()  # type: ignore[no-untyped-call]  # not opened; only this call checks the options
    return _share(Redis(connection_pool=pool), deadline_seconds, sentinel)


def _share(client: Redis, deadline_seconds: float, sentinel: Sentinel | None = None) -> SingleMaster:
    """Add to a client the connection that all requests share."""
    server = PipelinedServer(
        client.connection_pool.make_connection,
        client.response_callbacks,
        silence_seconds=deadline_seconds * _SILENCE_SHARE,
    )
    return SingleMaster(client, server, sentinel)


def _require(is_valid: bool) -> None:
    """Raise ValueError, which `open_topology` words, unless the part of the URL is valid."""
    if not is_valid:
        raise ValueError
