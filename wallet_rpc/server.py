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
from wallet_rpc.adapters.system import SYSTEM_RANDOM, SystemClock
from wallet_rpc.adapters.upstream_proxy import BUNDLER_READS, BUNDLER_WRITES, NODE_READS, NODE_WRITES
from wallet_rpc.auth_options import AuthOptions, build_authenticator, load_auth_options, sources_of
from wallet_rpc.call_delivery import run_delivery
from wallet_rpc.chain_clients import ChainClients, build_chain_clients, open_pools
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import Settings, variable
from wallet_rpc.dev_faults import DevFaults
from wallet_rpc.edge.api_documents import build_documents, rest_with_document, rpc_with_document
from wallet_rpc.edge.authentication import Authenticator
from wallet_rpc.edge.chain_choice import RequestRecorder, bind_chain, route_by_chain
from wallet_rpc.edge.chain_interceptors import build_interceptors
from wallet_rpc.edge.following import build_following
from wallet_rpc.edge.health import OPENAPI_PATH, document_route, health_routes
from wallet_rpc.edge.http import CHAIN_PATH, HttpApp, build_app, wallet_handlers
from wallet_rpc.edge.interception import intercept_requests
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.edge.openrpc import Document
from wallet_rpc.edge.request_context import LOCAL_CALLER, current_caller, current_context
from wallet_rpc.edge.rest import RestApi
from wallet_rpc.embedded_chains import MAX_CHAIN_BODY_BYTES, EmbeddedChains
from wallet_rpc.errors import InvalidRequest
from wallet_rpc.event_delivery import run_events
from wallet_rpc.metrics.facts import FactSources
from wallet_rpc.observability import observe_server, record_incidents
from wallet_rpc.payer_opening import Payers, build_relayer_options, check_paymasters, sponsor_of
from wallet_rpc.ports import Clock, Ports, Quotes, RandomSources
from wallet_rpc.services.audit_log import log_chain_request
from wallet_rpc.services.event_feed import EventFeed
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
class ServerOptions:
    """The clock, the authentication options, the quote provider and the sources of random bytes of a server."""

    clock: Clock
    auth: AuthOptions
    quotes: Quotes | None
    real_clock: Clock
    """The clock of rate limits and webhooks, and of pauses between attempts."""
    random: RandomSources = SYSTEM_RANDOM
    faults: DevFaults | None = None


def build_ports(
    settings: Settings, store: RedisStore, chain_clients: Sequence[ChainClients], options: ServerOptions
) -> Ports:
    """Build the ports of a server, without a caller."""
    return Ports(
        chains={each.ports.chain_id: each.ports for each in chain_clients},
        store=store,
        clock=options.clock,
        entropy=options.random.background,
        caller=LOCAL_CALLER,
        quotes=options.quotes,
        token_signer=options.auth.token_signer,
        rules=settings.rules,
        faults=options.faults,
    )


@asynccontextmanager
async def open_wallet_app(
    settings: Settings,
    store: RedisStore,
    chain_clients: Sequence[ChainClients],
    options: ServerOptions,
    *,
    embedded: EmbeddedChains | None = None,
) -> AsyncIterator[HttpApp]:
    """Build the HTTP server over an open store and connected chains, and deliver calls while the block runs."""
    ports = build_ports(settings, store, chain_clients, options)
    clock, recording = options.real_clock, record_incidents(store.incidents)
    if embedded is not None:
        embedded.turns.background = ports.background
    delivery = run_delivery(ports, store, clock, turn=nullcontext if embedded is None else embedded.turns.share)
    async with recording, delivery, run_events(store, ports, clock) as feed:
        opened = _Opened(store=store, ports=ports, chain_clients=chain_clients, feed=feed)
        yield _build_app(settings, opened, options, embedded=embedded)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """The opened parts of a server that requests use."""

    store: RedisStore
    ports: Ports
    chain_clients: Sequence[ChainClients]
    feed: EventFeed


def _context_builder(opened: _Opened, options: ServerOptions) -> Callable[[], Ports]:
    def build_context() -> Ports:
        request = current_context()
        return replace(
            opened.ports,
            caller=request.caller,
            request_id=request.id or None,
            store=opened.store.for_organization(request.caller.organization),
            subscriber=request.subscriber,
            entropy=options.random.for_request(),
        )

    return build_context


def _build_app(
    settings: Settings, opened: _Opened, options: ServerOptions, *, embedded: EmbeddedChains | None
) -> HttpApp:
    store, chain_clients, build_context = opened.store, opened.chain_clients, _context_builder(opened, options)
    auth = build_authenticator(store, options.auth, options.clock, real_clock=options.real_clock)
    operations, openrpc = rpc_with_document(has_faults=options.faults is not None)
    operations = operations if embedded is None else embedded.guard_operations(operations)
    record = _request_recorder(build_context, embedded)
    proxies = {each.ports.chain_id: each.upstream_proxy.forward for each in chain_clients}
    interceptors = build_interceptors(build_context, {} if embedded is None else embedded.feeds)
    chains = intercept_requests(proxies, interceptors) if embedded is None else embedded.guard_fallbacks(interceptors)
    dispatcher = JsonRpcDispatcher(
        operations,
        build_context,
        at_once=ENTRIES_AT_ONCE,
        deadline_seconds=settings.deadline_seconds,
        fallback=route_by_chain(chains, reads=NODE_READS | BUNDLER_READS, record=record),
        enforce_rate_limit=auth.enforce_rate_limit,
    )
    dispatcher.chain_methods = _CHAIN_METHODS if embedded is None else _CHAIN_METHODS | embedded.methods

    has_tokens = options.auth.token_signer is not None
    rest, openapi = _build_rest(settings, auth, build_context, has_tokens=has_tokens, embedded=embedded)
    documents = document_route(openrpc), document_route(openapi, OPENAPI_PATH)
    routes = [*health_routes(_list_states(store, chain_clients)), *documents]
    handlers = wallet_handlers(dispatcher.dispatch)
    handlers |= {CHAIN_PATH.format(id=chain_id): bind_chain(chain_id, dispatcher.dispatch) for chain_id in chains}
    own = {} if embedded is None else embedded.build_handlers(interceptors, record, methods=dispatcher.chain_methods)
    handlers |= {path: auth.require_write_access(handler) for path, handler in own.items()}
    if options.faults is not None:
        handlers = options.faults.intercept(handlers)
    sources = sources_of(settings, options.auth)
    streams, websockets = build_following(opened.feed, auth, build_context, sources, options.random.request_ids)
    app = build_app(
        handlers,
        routes=routes,
        max_bytes=dict.fromkeys(own, MAX_CHAIN_BODY_BYTES),
        authenticate=auth.authenticate,
        mounts=rest.build_mounts(sources.origins) | streams,
        sources=sources,
    )
    app.websockets, app.draw_bytes = websockets(app.paths), options.random.request_ids.random_bytes
    return app


def _build_rest(
    settings: Settings,
    auth: Authenticator,
    build_context: Callable[[], Ports],
    *,
    has_tokens: bool,
    embedded: EmbeddedChains | None,
) -> tuple[RestApi[Ports], Document]:
    """Build the REST API, and its document."""
    operations, document = rest_with_document(has_tokens=has_tokens)
    rest = RestApi(
        operations=operations if embedded is None else embedded.guard_operations(operations),
        context=build_context,
        authenticator=auth,
        deadline_seconds=settings.deadline_seconds,
        disabled={} if has_tokens else dict.fromkeys(TOKEN_PATHS, _TOKENS_DISABLED),
    )
    return rest, document


def _list_states(store: RedisStore, chain_clients: Sequence[ChainClients]) -> Callable[[], Mapping[str, str]]:
    """Return the function that reads the marks of the Redis and of the chains."""

    def states() -> Mapping[str, str]:
        return {"redis": store.health.mark} | {f"chain {each.ports.chain_id}": each.mark for each in chain_clients}

    return states


def _request_recorder(build_context: Callable[[], Ports], embedded: EmbeddedChains | None) -> RequestRecorder:
    """Build the recorder of state-changing requests: write methods in `serve`, all but known reads in `dev`."""

    writes = NODE_WRITES | BUNDLER_WRITES
    reads = None if embedded is None else NODE_READS | BUNDLER_READS | embedded.reads

    async def record(chain_id: int, request: Mapping[str, Any]) -> None:
        is_change = request["method"] in writes if reads is None else request["method"] not in reads
        if is_change and not current_caller().is_anonymous:  # anonymous callers have no log
            await log_chain_request(build_context(), chain_id, request)

    return record


@asynccontextmanager
async def open_server(settings: Settings, metrics: ServerMetrics | None = None) -> AsyncIterator[ASGIApp]:
    """Open the server of `serve`. Raises: SettingError when a required setting is missing or a check fails."""
    redis_url = settings.require("redis_url")
    settings.require("chains")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(observe_server(os.environ, log_level=settings.log_level))
        http = await stack.enter_async_context(HttpClient())
        clock = SystemClock()
        opening = open_store(redis_url, replicas=settings.redis_replicas, event_limits=settings.event_log)
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
        options = ServerOptions(clock=clock, real_clock=clock, auth=auth, quotes=quotes_of(settings, http))
        log_durability(redis_facts, settings.redis_replicas)
        await stack.enter_async_context(probe_all(settings, store, chain_clients))
        build_documents(has_tokens=auth.token_signer is not None)
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
