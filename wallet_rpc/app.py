"""The composition root: settings become adapters, adapters become `Ports`, ports and operations become a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
from starlette.types import ASGIApp

from wallet_rpc import __version__
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.paymaster import HttpPaymaster
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.system import SystemClock, SystemEntropy
from wallet_rpc.edge import caller
from wallet_rpc.edge.health import Check, document_route, health_routes
from wallet_rpc.edge.http import Answerer, application, wallet
from wallet_rpc.edge.jsonrpc import Door, Otherwise
from wallet_rpc.edge.openrpc import as_yaml, with_discovery
from wallet_rpc.errors import Unavailable
from wallet_rpc.operations.catalogue import OPERATIONS
from wallet_rpc.ports import ChainPorts, Clock, Ports
from wallet_rpc.settings import ChainSetting, Settings, WrongSetting, variable

ENTRIES_AT_ONCE = 8
"""How many entries of one batch run together; clients batch calls that do not depend on each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A chain behind the server, and how to see that it is there."""

    ports: ChainPorts
    node: NodeChain
    bundler: HttpBundler

    async def ready(self) -> None:
        """Raises: Unavailable when the node or the bundler does not answer for this chain."""
        await self.node.verify(self.ports.chain_id)
        await self.bundler.verify(self.ports.chain_id)


def part(setting: ChainSetting, http: httpx2.AsyncClient) -> Part:
    """The adapters of one chain."""
    node = NodeChain(JsonRpcClient(http, setting.node_url, part="node"))
    bundler = HttpBundler(JsonRpcClient(http, setting.bundler_url, part="bundler"))
    paymaster = None
    if setting.paymaster_url is not None:
        client = JsonRpcClient(http, setting.paymaster_url, part="paymaster")
        paymaster = HttpPaymaster(client, setting.chain_id)
    ports = ChainPorts(chain_id=setting.chain_id, chain=node, bundler=bundler, paymaster=paymaster)
    return Part(ports=ports, node=node, bundler=bundler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is not the wallet's but served beside it: the embedded chains' own doors."""

    answerers: Mapping[str, Answerer]
    otherwise: Otherwise | None = None


def wallet_server(
    settings: Settings,
    store: RedisStore,
    parts: Iterable[Part],
    *,
    clock: Clock | None = None,
    outside: Outside | None = None,
) -> ASGIApp:
    """The HTTP server over a store and chains that are open."""
    parts = tuple(parts)
    ports = Ports(
        chains={each.ports.chain_id: each.ports for each in parts},
        store=store,
        clock=SystemClock() if clock is None else clock,
        entropy=SystemEntropy(),
        caller=caller.current,
    )
    operations, document = with_discovery(OPERATIONS, version=__version__)
    outside = Outside(answerers={}) if outside is None else outside
    door = Door(
        operations,
        ports,
        at_once=ENTRIES_AT_ONCE,
        deadline_seconds=settings.deadline_seconds,
        otherwise=outside.otherwise,
    )
    checks: dict[str, Check] = {"redis": store.ping}
    checks |= {f"chain {each.ports.chain_id}": each.ready for each in parts}
    routes = [*health_routes(checks), document_route(document)]
    return caller.Identified(application({**wallet(door.answer), **outside.answerers}, routes=routes))


def openrpc_yaml() -> str:
    """The text of openrpc.yaml."""
    return as_yaml(with_discovery(OPERATIONS, version=__version__)[1])


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[ASGIApp]:
    """The server of `serve`: in front of the Redis and the chains of the settings.

    Raises: WrongSetting when one is missing or a part does not answer as it should.
    """
    if settings.redis_url is None:
        raise WrongSetting(f"{variable('redis_url')}: required by serve, but not set")
    if not settings.chains:
        raise WrongSetting(f"{variable('chains')}: required by serve, but not set")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient())
        store = await stack.enter_async_context(RedisStore.open(settings.redis_url))
        parts = [part(setting, http) for setting in settings.chains]
        await _checked(variable("redis_url"), store.verify)
        for each in parts:
            await _checked(f"{variable('chains')}: chain {each.ports.chain_id}", each.ready)
        yield wallet_server(settings, store, parts)


@asynccontextmanager
async def opened_store(url: str) -> AsyncIterator[RedisStore]:
    """The store in a Redis that is there and new enough. Raises: WrongSetting when it is not."""
    try:
        opening = RedisStore.open(url)
    except ValueError as error:
        raise WrongSetting(f"{variable('redis_url')}: {error}") from None
    async with opening as store:
        await _checked(variable("redis_url"), store.verify)
        yield store


async def _checked(what: str, check: Check) -> None:
    try:
        await check()
    except Unavailable as error:
        raise WrongSetting(f"{what}: {error.message}") from error
