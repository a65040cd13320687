"""The clients of one chain: node, bundlers, paymaster and relayer, with their start-up checks and probes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.failover import build_rpc
from wallet_rpc.adapters.health import Mark, best_mark
from wallet_rpc.adapters.http_post import HttpClient, PostClient
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.paymaster import HttpPaymaster
from wallet_rpc.adapters.probes import ProbedServer, ask_chain_id
from wallet_rpc.adapters.relayer import KeyRelayer
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.sponsorship.outcomes import OutcomeReader
from wallet_rpc.adapters.sponsorship.paymaster import Sponsor
from wallet_rpc.adapters.sponsorship.setup import build_policy_paymaster
from wallet_rpc.adapters.upstream_proxy import UpstreamProxy
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.domain.contracts import REQUIRED_CONTRACTS
from wallet_rpc.errors import Unavailable
from wallet_rpc.payer_opening import RelayerOptions
from wallet_rpc.ports import ChainClock, ChainPorts, Paymaster

POOLS = ("node", "bundler", "paymaster", "probes")
"""The connection pools of a chain: requests that wait for one upstream delay neither other requests nor probes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainClients:
    """The clients of one chain and its start-up checks."""

    ports: ChainPorts
    node: NodeChain
    bundler: HttpBundler
    upstream_proxy: UpstreamProxy
    """The proxy for the chain's own methods, for clients of `serve`."""
    rpcs: Mapping[str, Rpc]
    """The JSON-RPC client of each kind of upstream: `node`, `bundler` and, if the chain has one, `paymaster`."""
    probe_http: PostClient
    """The HTTP client of probes."""
    has_bundler: bool
    """False if no bundler is configured, so that bundler requests go to the node."""

    @property
    def mark(self) -> Mark:
        """The mark of the chain: that of a required upstream without a usable server, else ok."""
        marks = [best_mark(each.health for each in self.rpcs[kind].servers) for kind in ("node", "bundler")]
        return next((mark for mark in marks if mark is not Mark.OK), Mark.OK)

    def probed_servers(self) -> Iterator[ProbedServer]:
        """Iterate over the servers of the chain with their probes; a paymaster service has no chain id."""
        for kind, rpc in self.rpcs.items():
            chain_id = None if kind == "paymaster" else self.ports.chain_id
            is_node = kind == "bundler" and not self.has_bundler
            for number, client in enumerate(rpc.servers, 1):
                ask = partial(ask_chain_id, self.probe_http, client, chain_id)
                name = f"node {number} as bundler" if is_node else f"{kind} {number}"
                yield ProbedServer(f"chain {self.ports.chain_id} {name}", client.health, ask)

    @property
    def start_checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """The checks at the start in their order, by the part that they check; each raises Unavailable."""
        return {"node": self.check_node, "bundler": self.check_bundler, "contracts": self.check_contracts}

    async def check_node(self) -> None:
        """Check the node. Raises: Unavailable when it does not respond or serves another chain."""
        await self.node.verify(self.ports.chain_id)

    async def check_bundler(self) -> None:
        """Check the bundler. Raises: Unavailable when it does not respond or serves another chain or entry point."""
        try:
            await self.bundler.verify(self.ports.chain_id)
        except Unavailable as error:
            if self.has_bundler:
                raise
            text = (
                "no bundler is configured, so bundler requests go to the node, which does not serve them for "
                f"EntryPoint v0.7: add a bundler, as in {self.ports.chain_id}=NODE_URL,BUNDLER_URL"
            )
            raise error.with_text(text) from None

    async def check_ready(self) -> None:
        """Check the node and the bundler. Raises: Unavailable."""
        await self.check_node()
        await self.check_bundler()

    async def check_contracts(self) -> None:
        """Check the required contracts. Raises: Unavailable that names those that are not deployed."""
        codes = await asyncio.gather(*(self.node.code(address) for address in REQUIRED_CONTRACTS))
        missing = [
            f"{name}: expected at {address}, but the node finds no contract there"
            for (address, name), code in zip(REQUIRED_CONTRACTS.items(), codes, strict=True)
            if not code
        ]
        if missing:
            text = f"{'; '.join(missing)}; deploy {'it' if len(missing) == 1 else 'them'} first"
            raise Unavailable(text, reason="no_contract", part="node")


def build_chain_clients(
    setting: ChainSetting,
    http: PostClient,
    *,
    pools: Mapping[str, PostClient] = MappingProxyType({}),
    relayer_options: RelayerOptions | None = None,
    sponsor: Sponsor | None = None,
    clock: ChainClock | None = None,
) -> ChainClients:
    """Build the adapters of one chain, with a relayer if there is a key for one.

    `pools` has HTTP clients for some of `POOLS`, which replace `http`. `clock` is the chain's own, if it has one. With
    a sponsor, configured policies apply to the verifying paymaster and to the paymaster service, which gets all others.
    """
    chain_id, confirmations = setting.chain_id, setting.confirmations
    node_rpc = build_rpc(pools.get("node", http), setting.node_urls, part="node")
    bundler_part = "bundler" if setting.bundler_urls else "node"
    bundler_rpc = build_rpc(pools.get("bundler", http), setting.bundlers, part=bundler_part)
    node, bundler = NodeChain(node_rpc), HttpBundler(bundler_rpc)
    rpcs = {"node": node_rpc, "bundler": bundler_rpc}
    paymaster: Paymaster | None = None
    if setting.paymaster_url is not None:
        rpcs["paymaster"] = build_rpc(pools.get("paymaster", http), [setting.paymaster_url], part="paymaster")
        paymaster = HttpPaymaster(rpcs["paymaster"], chain_id)
    if sponsor is not None:
        now = clock or sponsor.clock
        outcomes = OutcomeReader(node, node=node_rpc, bundler=bundler_rpc, clock=now, confirmations=confirmations)
        paymaster = build_policy_paymaster(
            sponsor, outcomes, chain=node, chain_id=chain_id, address=setting.verifying_paymaster, service=paymaster
        )
    ports = ChainPorts(
        chain_id=chain_id,
        node=node,
        bundler=bundler,
        paymaster=paymaster,
        confirmations=confirmations,
        relayer=None if relayer_options is None else _build_relayer(relayer_options, node_rpc, node, chain_id),
        verifying_paymaster=setting.verifying_paymaster,
        single_bundlers=tuple(map(HttpBundler, bundler_rpc.servers)) if len(setting.bundlers) > 1 else (),
        clock=clock,
    )
    return ChainClients(
        ports=ports,
        node=node,
        bundler=bundler,
        upstream_proxy=UpstreamProxy(node_rpc, bundler_rpc, [*setting.node_urls, *setting.bundler_urls]),
        rpcs=rpcs,
        probe_http=pools.get("probes", http),
        has_bundler=bool(setting.bundler_urls),
    )


def _build_relayer(options: RelayerOptions, rpc: Rpc, node: NodeChain, chain_id: int) -> KeyRelayer:
    return KeyRelayer(rpc, node, chain_id, options.key, budget=options.budget, turn=options.turn)


async def open_pools(stack: AsyncExitStack) -> Mapping[str, PostClient]:
    """Open an HTTP client for each of `POOLS`."""
    return {name: await stack.enter_async_context(HttpClient()) for name in POOLS}
