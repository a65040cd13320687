"""The composition root: settings become adapters, adapters become `Ports`, ports and operations become a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import httpx2
from starlette.types import ASGIApp

from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.failover import build_rpc
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.paymaster import HttpPaymaster
from wallet_rpc.adapters.quotes import QUOTE_LIMITS, QUOTE_PROVIDER, HttpQuotes
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer import KeyRelayer
from wallet_rpc.adapters.relayer_budget import DailyWei, RelayerBudget
from wallet_rpc.adapters.sponsorship.outcomes import OutcomeReader
from wallet_rpc.adapters.sponsorship.paymaster import Sponsor
from wallet_rpc.adapters.sponsorship.setup import build_policy_paymaster, check_signer, read_sponsor
from wallet_rpc.adapters.system import SystemClock, SystemEntropy
from wallet_rpc.adapters.upstream_proxy import BUNDLER_READS, BUNDLER_WRITES, NODE_READS, NODE_WRITES, UpstreamProxy
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.domain.access import ApiKey, KeyId
from wallet_rpc.domain.contracts import REQUIRED_CONTRACTS
from wallet_rpc.domain.policy_file import PolicyFileError
from wallet_rpc.edge import caller
from wallet_rpc.edge.api_documents import rest_with_document, rpc_with_document
from wallet_rpc.edge.authentication import Authenticator
from wallet_rpc.edge.chain_choice import ChainMiddleware, RequestRecorder, bind_chain, record_requests, route_by_chain
from wallet_rpc.edge.health import Check, document_route, health_routes
from wallet_rpc.edge.http import Handler, build_app, wallet_handlers
from wallet_rpc.edge.jsonrpc import Fallback, JsonRpcDispatcher
from wallet_rpc.edge.request_sources import SourceMiddleware
from wallet_rpc.edge.rest import RestApi
from wallet_rpc.errors import Unavailable
from wallet_rpc.first_keys import AuthOptions, load_auth_options, sources_of
from wallet_rpc.ports import ChainPorts, Clock, Paymaster, Ports, Quotes
from wallet_rpc.services.audit_log import log_chain_request
from wallet_rpc.store_opening import open_store, require_available

ENTRIES_AT_ONCE = 8
"""How many entries of one batch run together; clients batch calls that do not depend on each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainClients:
    """A chain behind the server, and how to see that it is there."""

    ports: ChainPorts
    node: NodeChain
    bundler: HttpBundler
    upstream_proxy: UpstreamProxy
    """The chain's own methods, for clients of `serve`."""

    async def check_ready(self) -> None:
        """Raises: Unavailable when the node or the bundler does not answer for this chain."""
        await self.node.verify(self.ports.chain_id)
        await self.bundler.verify(self.ports.chain_id)

    async def check_contracts(self) -> None:
        """Raises: Unavailable that names the first contract that is not where the wallet needs it."""
        codes = await asyncio.gather(*(self.node.code(address) for address in REQUIRED_CONTRACTS))
        for (address, name), code in zip(REQUIRED_CONTRACTS.items(), codes, strict=True):
            if not code:
                text = f"{name} is not at {address}, where the wallet needs it; the node finds no contract there"
                raise Unavailable(text, reason="no_contract", part="node")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayerOptions:
    """The payer of authorizations that travel alone: its private key, 32 bytes, and its daily budget."""

    key: bytes = field(repr=False)
    budget: RelayerBudget


def build_relayer_options(
    settings: Settings, store: RedisStore, clock: Clock, *, key: bytes | None
) -> RelayerOptions | None:
    """The relayer of the settings, by its key; None without one."""
    total, account = settings.relayer_daily_wei
    budget = store.relayer_budget(DailyWei(total=total, account=account), clock)
    return None if key is None else RelayerOptions(key=key, budget=budget)


def build_chain_clients(
    setting: ChainSetting,
    http: httpx2.AsyncClient,
    *,
    relayer_options: RelayerOptions | None = None,
    sponsor: Sponsor | None = None,
) -> ChainClients:
    """The adapters of one chain, with a relayer where there is a key for one.

    With a sponsor, configured policies are enforced whoever pays there; other policies are the paymaster service's.
    """
    node_rpc = build_rpc(http, setting.node_urls, part="node")
    bundler_rpc = build_rpc(http, setting.bundler_urls, part="bundler")
    paymaster: Paymaster | None = None
    urls = [*setting.node_urls, *setting.bundler_urls]
    if setting.paymaster_url is not None:
        paymaster = HttpPaymaster(build_rpc(http, [setting.paymaster_url], part="paymaster"), setting.chain_id)
    node, bundler = NodeChain(node_rpc), HttpBundler(bundler_rpc)
    if sponsor is not None:
        outcomes = OutcomeReader(
            node, node=node_rpc, bundler=bundler_rpc, clock=sponsor.clock, confirmations=setting.confirmations
        )
        address = setting.verifying_paymaster
        paymaster = build_policy_paymaster(
            sponsor, outcomes, chain=node, chain_id=setting.chain_id, address=address, service=paymaster
        )
    relayer = None
    if relayer_options is not None:
        relayer = KeyRelayer(node_rpc, node, setting.chain_id, relayer_options.key, budget=relayer_options.budget)
    ports = ChainPorts(
        chain_id=setting.chain_id,
        node=node,
        bundler=bundler,
        paymaster=paymaster,
        confirmations=setting.confirmations,
        relayer=relayer,
    )
    return ChainClients(
        ports=ports, node=node, bundler=bundler, upstream_proxy=UpstreamProxy(node_rpc, bundler_rpc, urls)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedChains:
    """What is not the wallet's but served beside it: the embedded chains' own doors, by chain."""

    handlers: Mapping[int, Handler]
    """At `/chain/{id}`."""
    chains: Mapping[int, Fallback]
    reads: frozenset[str]
    """Methods of these chains that change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server serves: by which clock, for whom, and who quotes its swaps."""

    clock: Clock
    auth: AuthOptions
    quotes: Quotes | None


def build_wallet_app(
    settings: Settings,
    store: RedisStore,
    chain_clients: Iterable[ChainClients],
    options: ServerOptions,
    *,
    embedded: EmbeddedChains | None = None,
) -> ASGIApp:
    """The HTTP server over a store and chains that are open."""
    chain_clients = tuple(chain_clients)
    ports = Ports(
        chains={each.ports.chain_id: each.ports for each in chain_clients},
        store=store,
        clock=options.clock,
        entropy=SystemEntropy(),
        caller=caller.LOCAL_CALLER,
        quotes=options.quotes,
        token_signer=options.auth.token_signer,
        rules=settings.rules,
    )

    def of_caller() -> Ports:
        asking = caller.current_caller()
        return replace(ports, caller=asking, store=store.for_organization(asking.organization))

    gate = _build_authenticator(store, options)
    operations, document = rpc_with_document()
    chains = (
        {each.ports.chain_id: each.upstream_proxy.forward for each in chain_clients}
        if embedded is None
        else embedded.chains
    )
    note = _request_recorder(of_caller, embedded)
    door = JsonRpcDispatcher(
        operations,
        of_caller,
        at_once=ENTRIES_AT_ONCE,
        deadline_seconds=settings.deadline_seconds,
        fallback=route_by_chain(chains, reads=NODE_READS | BUNDLER_READS, record=note),
        enforce_rate_limit=gate.enforce_rate_limit,
    )
    checks: dict[str, Check] = {"redis": store.ping}
    checks |= {f"chain {each.ports.chain_id}": each.check_ready for each in chain_clients}
    in_rest, described = rest_with_document(has_tokens=options.auth.token_signer is not None)
    rest = RestApi(
        operations=in_rest, context=of_caller, authenticator=gate, deadline_seconds=settings.deadline_seconds
    )
    routes = [*health_routes(checks), document_route(document), document_route(described, "/openapi.json")]
    answerers = wallet_handlers(door.dispatch) | {
        f"/chain/{chain_id}": bind_chain(chain_id, door.dispatch) for chain_id in chains
    }
    for chain_id, each in {} if embedded is None else embedded.handlers.items():
        answerers[f"/chain/{chain_id}"] = gate.require_write_access(record_requests(chain_id, each, note))
    sources = sources_of(settings, options.auth)
    sides = rest.build_mounts(sources.origins)
    app = build_app(answerers, routes=routes, authenticate=gate.authenticate, mounts=sides, origins=sources.origins)
    return caller.RequestContextMiddleware(ChainMiddleware(SourceMiddleware(app, sources)))


def _request_recorder(of_caller: Callable[[], Ports], embedded: EmbeddedChains | None) -> RequestRecorder:
    """Logs what changes a chain: what `serve` hands on as a write; of an embedded chain all that is no known read."""

    async def record(chain_id: int, request: Mapping[str, Any]) -> None:
        method = request["method"]
        if embedded is None:
            changes = method in NODE_WRITES | BUNDLER_WRITES
        else:
            changes = method not in NODE_READS | BUNDLER_READS | embedded.reads
        if changes:
            await log_chain_request(of_caller(), chain_id, request)

    return record


def _build_authenticator(store: RedisStore, options: ServerOptions) -> Authenticator:
    ready = {key.id: key for key in options.auth.temporary_keys}

    async def find_key(key_id: KeyId) -> ApiKey | None:
        return ready[key_id] if key_id in ready else await store.directory.key(key_id)

    return Authenticator(
        find_key=find_key,
        tokens=lambda organization: store.for_organization(organization).tokens,
        token_signer=options.auth.token_signer,
        limiter=store.limiter,
        clock=options.clock,
        is_open=options.auth.is_open,
    )


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncIterator[ASGIApp]:
    """The server of `serve`: in front of the Redis and the chains of the settings.

    Raises: SettingError when one is missing or a part does not answer as it should.
    """
    if settings.redis_url is None:
        raise SettingError(f"{variable('redis_url')}: required by serve, but not set")
    if not settings.chains:
        raise SettingError(f"{variable('chains')}: required by serve, but not set")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient())
        clock = SystemClock()
        store = await stack.enter_async_context(open_store(settings.redis_url))
        admission = await load_auth_options(settings, store, clock)
        sponsor = sponsor_of(settings, store, http=http, clock=clock, key=settings.paymaster_key)
        relaying = build_relayer_options(settings, store, clock, key=settings.relayer_key)
        parts = [
            build_chain_clients(setting, http, relayer_options=relaying, sponsor=sponsor) for setting in settings.chains
        ]
        for setting, each in zip(settings.chains, parts, strict=True):
            for check in (each.check_ready, each.check_contracts):
                await require_available(f"{variable('chains')}: chain {setting.title}", check)
        if sponsor is not None:
            await _check_paymasters(settings, parts, sponsor)
        conditions = ServerOptions(clock=clock, auth=admission, quotes=quotes_of(settings, http))
        yield build_wallet_app(settings, store, parts, conditions)


def quotes_of(settings: Settings, http: httpx2.AsyncClient) -> Quotes | None:
    """The configured quote provider; None without one."""
    return (
        None
        if settings.quote_url is None
        else HttpQuotes(build_rpc(http, [settings.quote_url], part=QUOTE_PROVIDER, limits=QUOTE_LIMITS))
    )


def sponsor_of(
    settings: Settings, store: RedisStore, *, http: httpx2.AsyncClient, clock: Clock, key: bytes | None
) -> Sponsor | None:
    """Who sponsors under the configured policies; None without any. Raises: SettingError."""
    if settings.policies is None:
        return None
    if key is None and any(chain.verifying_paymaster is not None for chain in settings.chains):
        text = f"required by {variable('policies')} where a chain has a verifying_paymaster, but not set"
        raise SettingError(f"{variable('paymaster_key')}: {text}")
    try:
        sponsor = read_sponsor(settings.policies, key=key, budgets=store.budgets, clock=clock, http=http)
    except PolicyFileError as wrong:
        raise SettingError(f"{variable('policies')}: {wrong}") from None
    return replace(sponsor, caller=caller.current_caller)


async def _check_paymasters(settings: Settings, parts: Iterable[ChainClients], sponsor: Sponsor) -> None:
    """Raises: SettingError when no chain has a paymaster, or one of ours does not know our signature."""
    found = {chain.chain_id: chain.verifying_paymaster for chain in settings.chains if chain.verifying_paymaster}
    if not found and all(chain.paymaster_url is None for chain in settings.chains):
        text = f"no chain has a paymaster or a verifying_paymaster in {variable('chains')}"
        raise SettingError(f"{variable('policies')}: {text}")
    for each in parts:
        address = found.get(each.ports.chain_id)
        if address is not None and sponsor.key is not None:
            what = f"{variable('chains')}: chain {each.ports.chain_id}: verifying_paymaster"
            await require_available(what, partial(check_signer, each.node, address, sponsor.key))
