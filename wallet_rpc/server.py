"""Composition root: builds the adapters from the settings, `Ports` from the adapters, and the server from both."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

from wallet_rpc.adapters.failover import build_rpc
from wallet_rpc.adapters.http_post import HttpClient, PostClient
from wallet_rpc.adapters.probes import ProbedServer, ProbeTimes, run_probes
from wallet_rpc.adapters.quotes import QUOTE_LIMITS, QUOTE_PROVIDER, HttpQuotes
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.system import SystemClock, SystemEntropy
from wallet_rpc.adapters.upstream_proxy import BUNDLER_READS, BUNDLER_WRITES, NODE_READS, NODE_WRITES
from wallet_rpc.auth_options import AuthOptions, load_auth_options, sources_of
from wallet_rpc.call_delivery import run_delivery
from wallet_rpc.chain_clients import ChainClients, build_chain_clients, open_pools
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import Settings, variable
from wallet_rpc.domain.access import ApiKey, KeyId
from wallet_rpc.edge.api_documents import rest_with_document, rpc_with_document
from wallet_rpc.edge.authentication import Authenticator
from wallet_rpc.edge.chain_choice import RequestRecorder, bind_chain, record_requests, route_by_chain
from wallet_rpc.edge.health import OPENAPI_PATH, document_route, health_routes
from wallet_rpc.edge.http import CHAIN_PATH, build_app, wallet_handlers
from wallet_rpc.edge.jsonrpc import Fallback, JsonRpcDispatcher
from wallet_rpc.edge.request_context import LOCAL_CALLER, current_context
from wallet_rpc.edge.rest import RestApi
from wallet_rpc.edge.rpc_endpoint import Handler
from wallet_rpc.errors import InvalidRequest
from wallet_rpc.metrics.facts import FactSources
from wallet_rpc.observability import observe_server, record_incidents
from wallet_rpc.payer_opening import Payers, build_relayer_options, check_paymasters, sponsor_of
from wallet_rpc.ports import Clock, Ports, Quotes
from wallet_rpc.services.audit_log import log_chain_request
from wallet_rpc.services.session_tokens import TOKEN_PATHS
from wallet_rpc.store_opening import check_durability, log_durability, open_store, require_available

if TYPE_CHECKING:  # a server without metrics does not import their library
    from wallet_rpc.metrics.server_metrics import ServerMetrics

ENTRIES_AT_ONCE = 8
"""The number of concurrent entries of one batch; clients batch calls that do not depend on each other."""
_CHAIN_METHODS = NODE_READS | NODE_WRITES | BUNDLER_READS | BUNDLER_WRITES
"""The methods of chains that `serve` forwards."""

_TOKENS_DISABLED = InvalidRequest(
    f"this server issues no session tokens: set {variable('token_secrets')} and restart it", reason="tokens_disabled"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedChains:
    """The embedded chains that `dev` serves next to the wallet, by chain id."""

    handlers: Mapping[int, Handler]
    """The handlers at `/chain/{id}`."""
    chains: Mapping[int, Fallback]
    reads: frozenset[str]
    """Methods of these chains that change no state."""
    methods: frozenset[str]
    """The methods of these chains that `serve` does not forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The clock, the authentication options and the quote provider of a server."""

    clock: Clock
    auth: AuthOptions
    quotes: Quotes | None


def build_ports(
    settings: Settings, store: RedisStore, chain_clients: Sequence[ChainClients], options: ServerOptions
) -> Ports:
    """Build the ports of a server, without a caller."""
    return Ports(
        chains={each.ports.chain_id: each.ports for each in chain_clients},
        store=store,
        clock=options.clock,
        entropy=SystemEntropy(),
        caller=LOCAL_CALLER,
        quotes=options.quotes,
        token_signer=options.auth.token_signer,
        rules=settings.rules,
    )


@asynccontextmanager
async def open_wallet_app(
    settings: Settings,
    store: RedisStore,
    chain_clients: Sequence[ChainClients],
    options: ServerOptions,
    *,
    embedded: EmbeddedChains | None = None,
) -> AsyncIterator[ASGIApp]:
    """Build the HTTP server over an open store and connected chains, and deliver calls while the block runs."""
    ports = build_ports(settings, store, chain_clients, options)
    async with record_incidents(store.incidents), run_delivery(ports, store):
        yield _build_app(settings, store, ports, chain_clients, options, embedded=embedded)


def _build_app(
    settings: Settings,
    store: RedisStore,
    ports: Ports,
    chain_clients: Sequence[ChainClients],
    options: ServerOptions,
    *,
    embedded: EmbeddedChains | None,
) -> ASGIApp:
    def build_context() -> Ports:
        request = current_context()
        own = store.for_organization(request.caller.organization)
        return replace(ports, caller=request.caller, request_id=request.id or None, store=own)

    auth = _build_authenticator(store, options)
    operations, openrpc = rpc_with_document()
    proxies = {each.ports.chain_id: each.upstream_proxy.forward for each in chain_clients}
    chains = proxies if embedded is None else embedded.chains
    record = _request_recorder(build_context, embedded)
    dispatcher = JsonRpcDispatcher(
        operations,
        build_context,
        at_once=ENTRIES_AT_ONCE,
        deadline_seconds=settings.deadline_seconds,
        fallback=route_by_chain(chains, reads=NODE_READS | BUNDLER_READS, record=record),
        enforce_rate_limit=auth.enforce_rate_limit,
    )
    dispatcher.chain_methods = _CHAIN_METHODS if embedded is None else _CHAIN_METHODS | embedded.methods

    def states() -> Mapping[str, str]:
        return {"redis": store.health.mark} | {f"chain {each.ports.chain_id}": each.mark for each in chain_clients}

    has_tokens = options.auth.token_signer is not None
    rest_operations, openapi = rest_with_document(has_tokens=has_tokens)
    rest = RestApi(
        operations=rest_operations,
        context=build_context,
        authenticator=auth,
        deadline_seconds=settings.deadline_seconds,
        disabled={} if has_tokens else dict.fromkeys(TOKEN_PATHS, _TOKENS_DISABLED),
    )
    routes = [*health_routes(states), document_route(openrpc), document_route(openapi, OPENAPI_PATH)]
    handlers = wallet_handlers(dispatcher.dispatch)
    handlers |= {CHAIN_PATH.format(id=chain_id): bind_chain(chain_id, dispatcher.dispatch) for chain_id in chains}
    for chain_id, handler in ({} if embedded is None else embedded.handlers).items():
        recorded = record_requests(chain_id, handler, record, methods=dispatcher.chain_methods)
        handlers[CHAIN_PATH.format(id=chain_id)] = auth.require_write_access(recorded)
    sources = sources_of(settings, options.auth)
    mounts = rest.build_mounts(sources.origins)
    return build_app(handlers, routes=routes, authenticate=auth.authenticate, mounts=mounts, sources=sources)


def _request_recorder(build_context: Callable[[], Ports], embedded: EmbeddedChains | None) -> RequestRecorder:
    """Build the recorder of state-changing requests: write methods in `serve`, all but known reads in `dev`."""

    async def record(chain_id: int, request: Mapping[str, Any]) -> None:
        method = request["method"]
        if embedded is None:
            is_write = method in NODE_WRITES | BUNDLER_WRITES
        else:
            is_write = method not in NODE_READS | BUNDLER_READS | embedded.reads
        if is_write:
            await log_chain_request(build_context(), chain_id, request)

    return record


def _build_authenticator(store: RedisStore, options: ServerOptions) -> Authenticator:
    temporary_keys = {key.id: key for key in options.auth.temporary_keys}

    async def find_key(key_id: KeyId) -> ApiKey | None:
        return temporary_keys[key_id] if key_id in temporary_keys else await store.directory.key(key_id)

    return Authenticator(
        find_key=find_key,
        tokens=lambda organization: store.for_organization(organization).tokens,
        token_signer=options.auth.token_signer,
        limiter=store.limiter,
        clock=options.clock,
        is_open=options.auth.is_open,
    )


@asynccontextmanager
async def open_server(settings: Settings, metrics: ServerMetrics | None = None) -> AsyncIterator[ASGIApp]:
    """Open the server of `serve`. Raises: SettingError when a required setting is missing or a check fails."""
    redis_url = settings.require("redis_url")
    settings.require("chains")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(observe_server(os.environ, log_level=settings.log_level))
        http = await stack.enter_async_context(HttpClient())
        clock = SystemClock()
        opening = open_store(redis_url, replicas=settings.redis_replicas)
        store = await stack.enter_async_context(opening)
        if metrics is not None:
            metrics.observe_store(store)
        redis_facts = await check_durability(store, settings)
        auth = await load_auth_options(settings, store, clock)
        sponsor = sponsor_of(settings, store, http=http, clock=clock, key=settings.paymaster_key)
        relayer_options = build_relayer_options(settings, store, clock, key=settings.relayer_key)
        chain_clients = [
            build_chain_clients(
                setting,
                http,
                pools=observe_pools(metrics, setting, await open_pools(stack)),
                relayer_options=relayer_options,
                sponsor=sponsor,
            )
            for setting in settings.chains
        ]
        for setting, each in zip(settings.chains, chain_clients, strict=True):
            for check in each.start_checks.values():
                await require_available(f"{variable('chains')}: chain {setting.title}", check)
        if sponsor is not None:
            await check_paymasters(settings, {each.ports.chain_id: each.node for each in chain_clients}, sponsor)
        options = ServerOptions(clock=clock, auth=auth, quotes=quotes_of(settings, http))
        log_durability(redis_facts, settings.redis_replicas)
        await stack.enter_async_context(probe_all(settings, store, chain_clients))
        app = await stack.enter_async_context(open_wallet_app(settings, store, chain_clients, options))
        payers = Payers(sponsor=sponsor, relayer=relayer_options)
        sources = FactSources(store=store, chain_clients=chain_clients, clock=clock, payers=payers)
        await stack.enter_async_context(measure_server(metrics, sources))
        yield app


def observe_pools(
    metrics: ServerMetrics | None, setting: ChainSetting, pools: Mapping[str, PostClient]
) -> Mapping[str, PostClient]:
    """Return the HTTP clients of a chain, which report to the metrics if there are any."""
    return pools if metrics is None else metrics.observe_pools(setting, pools)


def measure_server(metrics: ServerMetrics | None, sources: FactSources) -> AbstractAsyncContextManager[None]:
    """Return a context in which the server is measured and its metrics are served, if there are any."""
    return nullcontext() if metrics is None else metrics.measure_server(sources)


def probe_all(
    settings: Settings, store: RedisStore, chain_clients: Iterable[ChainClients]
) -> AbstractAsyncContextManager[None]:
    """Probe the Redis and the servers of the chains while the block runs."""
    upstreams = itertools.chain.from_iterable(each.probed_servers() for each in chain_clients)
    servers = [ProbedServer("redis", store.health, store.check_writable), *upstreams]
    patience = settings.patience_seconds
    return run_probes(servers, times=ProbeTimes(patience_seconds=patience, longest_seconds=max(4.0, patience)))


def quotes_of(settings: Settings, http: PostClient) -> Quotes | None:
    """Build the client of the configured quote provider; None without one."""
    if settings.quote_url is None:
        return None
    return HttpQuotes(build_rpc(http, [settings.quote_url], part=QUOTE_PROVIDER, limits=QUOTE_LIMITS))
