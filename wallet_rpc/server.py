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
from wallet_rpc.adapters.failover import rpc
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.paymaster import HttpPaymaster
from wallet_rpc.adapters.quotes import LIMITS, PART, HttpQuotes
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer import KeyRelayer
from wallet_rpc.adapters.relayer_budget import DailyWei, RelayerBudget
from wallet_rpc.adapters.sponsorship.outcomes import Outcomes
from wallet_rpc.adapters.sponsorship.paymaster import Sponsor
from wallet_rpc.adapters.sponsorship.setup import check_signer, read_sponsor, under_policies
from wallet_rpc.adapters.system import SystemClock, SystemEntropy
from wallet_rpc.adapters.upstream_proxy import BUNDLER_READS, BUNDLER_WRITES, NODE_READS, NODE_WRITES, UpstreamDoor
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import Settings, WrongSetting, variable
from wallet_rpc.domain.access import ApiKey, KeyId
from wallet_rpc.domain.contracts import REQUIRED
from wallet_rpc.domain.policy_file import WrongPolicies
from wallet_rpc.edge import caller
from wallet_rpc.edge.api_documents import rest_with_document, rpc_with_document
from wallet_rpc.edge.authentication import Gate
from wallet_rpc.edge.chain_choice import ChainNamed, Note, at_chain, by_chain, noted
from wallet_rpc.edge.health import Check, document_route, health_routes
from wallet_rpc.edge.http import Answerer, application, wallet
from wallet_rpc.edge.jsonrpc import Door, Otherwise
from wallet_rpc.edge.request_sources import SourceMiddleware
from wallet_rpc.edge.rest import Api
from wallet_rpc.errors import Unavailable
from wallet_rpc.first_keys import Admission, admission_of, sources_of
from wallet_rpc.ports import ChainPorts, Clock, Paymaster, Ports, Quotes
from wallet_rpc.services.audit_log import note_requested
from wallet_rpc.store_opening import checked, opened_store

ENTRIES_AT_ONCE = 8
"""How many entries of one batch run together; clients batch calls that do not depend on each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A chain behind the server, and how to see that it is there."""

    ports: ChainPorts
    node: NodeChain
    bundler: HttpBundler
    door: UpstreamDoor
    """The chain's own methods, for clients of `serve`."""

    async def ready(self) -> None:
        """Raises: Unavailable when the node or the bundler does not answer for this chain."""
        await self.node.verify(self.ports.chain_id)
        await self.bundler.verify(self.ports.chain_id)

    async def check_contracts(self) -> None:
        """Raises: Unavailable that names the first contract that is not where the wallet needs it."""
        codes = await asyncio.gather(*(self.node.code(address) for address in REQUIRED))
        for (address, name), code in zip(REQUIRED.items(), codes, strict=True):
            if not code:
                text = f"{name} is not at {address}, where the wallet needs it; the node finds no contract there"
                raise Unavailable(text, reason="no_contract", part="node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaying:
    """The payer of authorizations that travel alone: its private key, 32 bytes, and its daily budget."""

    key: bytes = field(repr=False)
    budget: RelayerBudget


def relaying_of(settings: Settings, store: RedisStore, clock: Clock, *, key: bytes | None) -> Relaying | None:
    """The relayer of the settings, by its key; None without one."""
    total, account = settings.relayer_daily_wei
    budget = store.relayer_budget(DailyWei(total=total, account=account), clock)
    return None if key is None else Relaying(key=key, budget=budget)


def part(
    setting: ChainSetting,
    http: httpx2.AsyncClient,
    *,
    relaying: Relaying | None = None,
    sponsor: Sponsor | None = None,
) -> Part:
    """The adapters of one chain, with a relayer where there is a key for one.

    With a sponsor, configured policies are enforced whoever pays there; other policies are the paymaster service's.
    """
    node_rpc = rpc(http, setting.node_urls, part="node")
    bundler_rpc = rpc(http, setting.bundler_urls, part="bundler")
    paymaster: Paymaster | None = None
    urls = [*setting.node_urls, *setting.bundler_urls]
    if setting.paymaster_url is not None:
        paymaster = HttpPaymaster(rpc(http, [setting.paymaster_url], part="paymaster"), setting.chain_id)
    node, bundler = NodeChain(node_rpc), HttpBundler(bundler_rpc)
    if sponsor is not None:
        outcomes = Outcomes(
            node, node=node_rpc, bundler=bundler_rpc, clock=sponsor.clock, confirmations=setting.confirmations
        )
        address = setting.verifying_paymaster
        paymaster = under_policies(
            sponsor, outcomes, chain=node, chain_id=setting.chain_id, address=address, service=paymaster
        )
    relayer = None
    if relaying is not None:
        relayer = KeyRelayer(node_rpc, node, setting.chain_id, relaying.key, budget=relaying.budget)
    ports = ChainPorts(
        chain_id=setting.chain_id,
        chain=node,
        bundler=bundler,
        paymaster=paymaster,
        confirmations=setting.confirmations,
        relayer=relayer,
    )
    return Part(ports=ports, node=node, bundler=bundler, door=UpstreamDoor(node_rpc, bundler_rpc, urls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is not the wallet's but served beside it: the embedded chains' own doors, by chain."""

    answerers: Mapping[int, Answerer]
    """At `/chain/{id}`."""
    chains: Mapping[int, Otherwise]
    reads: frozenset[str]
    """Methods of these chains that change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How a server serves: by which clock, for whom, and who quotes its swaps."""

    clock: Clock
    admission: Admission
    quotes: Quotes | None


def wallet_server(
    settings: Settings,
    store: RedisStore,
    parts: Iterable[Part],
    conditions: Conditions,
    *,
    outside: Outside | None = None,
) -> ASGIApp:
    """The HTTP server over a store and chains that are open."""
    parts = tuple(parts)
    ports = Ports(
        chains={each.ports.chain_id: each.ports for each in parts},
        store=store,
        clock=conditions.clock,
        entropy=SystemEntropy(),
        caller=caller.NOBODY,
        quotes=conditions.quotes,
        seals=conditions.admission.seals,
        rules=settings.rules,
    )

    def of_caller() -> Ports:
        asking = caller.current()
        return replace(ports, caller=asking, store=store.of(asking.organization))

    gate = _gate(store, conditions)
    operations, document = rpc_with_document()
    chains = {each.ports.chain_id: each.door.request for each in parts} if outside is None else outside.chains
    note = _note(of_caller, outside)
    door = Door(
        operations,
        of_caller,
        at_once=ENTRIES_AT_ONCE,
        deadline_seconds=settings.deadline_seconds,
        otherwise=by_chain(chains, reads=NODE_READS | BUNDLER_READS, note=note),
        admit=gate.count,
    )
    checks: dict[str, Check] = {"redis": store.ping}
    checks |= {f"chain {each.ports.chain_id}": each.ready for each in parts}
    in_rest, described = rest_with_document(has_tokens=conditions.admission.seals is not None)
    rest = Api(operations=in_rest, context=of_caller, doorkeeper=gate, deadline_seconds=settings.deadline_seconds)
    routes = [*health_routes(checks), document_route(document), document_route(described, "/openapi.json")]
    answerers = wallet(door.reply) | {f"/chain/{chain_id}": at_chain(chain_id, door.reply) for chain_id in chains}
    for chain_id, each in {} if outside is None else outside.answerers.items():
        answerers[f"/chain/{chain_id}"] = gate.for_writers(noted(chain_id, each, note))
    sources = sources_of(settings, conditions.admission)
    sides = rest.sides(sources.origins)
    app = application(answerers, routes=routes, enter=gate.enter, sides=sides, origins=sources.origins)
    return caller.Visited(ChainNamed(SourceMiddleware(app, sources)))


def _note(of_caller: Callable[[], Ports], outside: Outside | None) -> Note:
    """Logs what changes a chain: what `serve` hands on as a write; of an embedded chain all that is no known read."""

    async def note(chain_id: int, request: Mapping[str, Any]) -> None:
        method = request["method"]
        if outside is None:
            changes = method in NODE_WRITES | BUNDLER_WRITES
        else:
            changes = method not in NODE_READS | BUNDLER_READS | outside.reads
        if changes:
            await note_requested(of_caller(), chain_id, request)

    return note


def _gate(store: RedisStore, conditions: Conditions) -> Gate:
    ready = {key.id: key for key in conditions.admission.ready}

    async def key(key_id: KeyId) -> ApiKey | None:
        return ready[key_id] if key_id in ready else await store.directory.key(key_id)

    return Gate(
        key=key,
        tokens=lambda organization: store.of(organization).tokens,
        seals=conditions.admission.seals,
        limiter=store.limiter,
        clock=conditions.clock,
        is_open=conditions.admission.is_open,
    )


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
        clock = SystemClock()
        store = await stack.enter_async_context(opened_store(settings.redis_url))
        admission = await admission_of(settings, store, clock)
        sponsor = sponsor_of(settings, store, http=http, clock=clock, key=settings.paymaster_key)
        relaying = relaying_of(settings, store, clock, key=settings.relayer_key)
        parts = [part(setting, http, relaying=relaying, sponsor=sponsor) for setting in settings.chains]
        for setting, each in zip(settings.chains, parts, strict=True):
            for check in (each.ready, each.check_contracts):
                await checked(f"{variable('chains')}: chain {setting.title}", check)
        if sponsor is not None:
            await _check_paymasters(settings, parts, sponsor)
        conditions = Conditions(clock=clock, admission=admission, quotes=quotes_of(settings, http))
        yield wallet_server(settings, store, parts, conditions)


def quotes_of(settings: Settings, http: httpx2.AsyncClient) -> Quotes | None:
    """The configured quote provider; None without one."""
    return None if settings.quote_url is None else HttpQuotes(rpc(http, [settings.quote_url], part=PART, limits=LIMITS))


def sponsor_of(
    settings: Settings, store: RedisStore, *, http: httpx2.AsyncClient, clock: Clock, key: bytes | None
) -> Sponsor | None:
    """Who sponsors under the configured policies; None without any. Raises: WrongSetting."""
    if settings.policies is None:
        return None
    if key is None and any(chain.verifying_paymaster is not None for chain in settings.chains):
        text = f"required by {variable('policies')} where a chain has a verifying_paymaster, but not set"
        raise WrongSetting(f"{variable('paymaster_key')}: {text}")
    try:
        sponsor = read_sponsor(settings.policies, key=key, budgets=store.budgets, clock=clock, http=http)
    except WrongPolicies as wrong:
        raise WrongSetting(f"{variable('policies')}: {wrong}") from None
    return replace(sponsor, caller=caller.current)


async def _check_paymasters(settings: Settings, parts: Iterable[Part], sponsor: Sponsor) -> None:
    """Raises: WrongSetting when no chain has a paymaster, or one of ours does not know our signature."""
    found = {chain.chain_id: chain.verifying_paymaster for chain in settings.chains if chain.verifying_paymaster}
    if not found and all(chain.paymaster_url is None for chain in settings.chains):
        text = f"no chain has a paymaster or a verifying_paymaster in {variable('chains')}"
        raise WrongSetting(f"{variable('policies')}: {text}")
    for each in parts:
        address = found.get(each.ports.chain_id)
        if address is not None and sponsor.key is not None:
            what = f"{variable('chains')}: chain {each.ports.chain_id}: verifying_paymaster"
            await checked(what, partial(check_signer, each.node, address, sponsor.key))
