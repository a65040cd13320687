"""`wallet-rpc dev`: a server with embedded chains, bundler, paymaster and Redis."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.paymaster import Sponsor
from wallet_rpc.adapters.system import SYSTEM_RANDOM, SystemClock, UnmovedClock
from wallet_rpc.auth_options import AuthOptions, build_token_signer
from wallet_rpc.chain_clients import POOLS, ChainClients, build_chain_clients
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.dev_faults import DevFaults
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.accounts import ACCOUNTS, describe_development
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.pipe_client import PipeClient
from wallet_rpc.devchain.process import ChainFailed, Worker
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.domain.access import OPEN_ORGANIZATION, ApiKey, derive_key_id, new_api_key, sha256_hex
from wallet_rpc.domain.web_url import WEB_URL, is_web_url
from wallet_rpc.edge.dev_page import DevPage
from wallet_rpc.edge.http import HttpApp
from wallet_rpc.edge.seeded_entropy import SeededStream, seeded_sources
from wallet_rpc.embedded_chains import open_embedded_chains
from wallet_rpc.metrics.facts import FactSources
from wallet_rpc.observability import observe_server
from wallet_rpc.payer_opening import Payers, RelayerOptions, build_relayer_options, sponsor_of
from wallet_rpc.ports import ChainClock, Clock
from wallet_rpc.primitives import Address
from wallet_rpc.server import (
    ServerOptions,
    measure_server,
    observe_pools,
    open_wallet_app,
    probe_all,
    quotes_of,
)
from wallet_rpc.store_opening import make_data_folder, open_store, redis_folder, required_replicas

if TYPE_CHECKING:  # a server without metrics does not import their library
    from wallet_rpc.metrics.server_metrics import ServerMetrics

DEFAULT_CHAIN = 31337
"""The default chain id, as in Anvil and Hardhat."""
DEV_KEY_REQUESTS_PER_MINUTE = 100_000
"""The rate limit of the development key, above the needs of any test."""
_EMBEDDED_URL = "http://embedded"
"""A URL of no real host: requests to it go to the chain's process over a pipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """Options of `dev` in addition to the settings."""

    chains: tuple[int, ...] = (DEFAULT_CHAIN,)
    ephemeral: bool = False
    """True if nothing is stored on disk."""
    fork_url: str | None = None
    deployments: Path | None = None
    token_rates: Mapping[Address, int] = field(default_factory=dict)
    """ERC-20 tokens that the chains' paymasters accept for gas next to the test token: smallest units for 10^18 wei."""
    confirmations: int = 1
    """The number of blocks that make a call final, including the block of the call."""
    key: str | None = None
    """An API key that is valid while this server runs; None: the key that `choose_dev_key` returns."""
    seed: int | None = None
    """The seed that ids, keys and times follow from, so that every run is the same; None for random ones."""
    workers: tuple[Worker, ...] = ()
    """Processes of `spawn_workers` for the first chains; the others get new ones."""


@asynccontextmanager
async def open_dev_server(
    settings: Settings,
    options: DevOptions,
    *,
    clock: Clock | None = None,
    report: Callable[[str], None] = lambda _: None,
    metrics: ServerMetrics | None = None,
) -> AsyncIterator[ASGIApp]:
    """Open the server and all that it depends on; `report` receives lines about progress. Raises: SettingError."""
    _check(settings, options)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(observe_server(os.environ, log_level=settings.log_level))
        store, redis, chains = await _start_all(stack, settings, options, report)
        if metrics is not None:
            metrics.observe_store(store)
        http = await stack.enter_async_context(HttpClient())
        clock = real_clock = SystemClock() if clock is None else clock
        if options.seed is not None:
            clock = store.deadlines.server_clock = chains[0]
        # configured policies are enforced here too; the embedded paymaster sponsors under every other policy id
        sponsor = sponsor_of(settings, store, http=http, clock=clock, key=dev_constants.PAYMASTER_KEY)
        relayer_key = ACCOUNTS[-1].key if settings.relayer_key is None else settings.relayer_key
        relayer_options = build_relayer_options(settings, store, clock, key=relayer_key)
        by_id = dict(zip(options.chains, chains, strict=True))
        clocks = _choose_clocks(settings, store, by_id, clock)
        build = partial(_build_chain_clients, relayer_options=relayer_options, sponsor=sponsor, metrics=metrics)
        chain_clients = [build(_chain_setting(options, id_), by_id[id_], clock=clocks[id_]) for id_ in by_id]
        await asyncio.gather(*(each.check_ready() for each in chain_clients))
        key = choose_dev_key(settings, options.seed) if options.key is None else options.key
        server_options = ServerOptions(
            clock=clock,
            real_clock=real_clock,
            auth=_auth_options(settings, key, clock, seed=options.seed),
            quotes=quotes_of(settings, http),
            random=SYSTEM_RANDOM if options.seed is None else seeded_sources(options.seed),
            faults=DevFaults(by_id, redis),
        )
        await stack.enter_async_context(probe_all(settings, store, chain_clients))
        embedded = await open_embedded_chains(by_id, store, keeps_snapshots=not options.ephemeral)
        opening = open_wallet_app(settings, store, chain_clients, server_options, embedded=embedded)
        app = await stack.enter_async_context(opening)
        app.page = _build_page(app, options, key, chain_clients)
        payers = Payers(sponsor=sponsor, relayer=relayer_options)
        sources = FactSources(store=store, chain_clients=chain_clients, clock=real_clock, payers=payers)
        await stack.enter_async_context(measure_server(metrics, sources))
        yield app


def _build_page(app: HttpApp, options: DevOptions, key: str, chain_clients: Sequence[ChainClients]) -> DevPage:
    """Build the page for browsers, which knows an API key only if it is the published one."""
    facts = describe_development(options.chains, key=key if key == dev_constants.API_KEY else None)
    return DevPage(facts, {each.ports.chain_id: each.ports for each in chain_clients}, app.authenticate)


def choose_dev_key(settings: Settings, seed: int | None = None) -> str:
    """Return the published key if an open server listens on loopback only, else a new one, random or of the seed."""
    if settings.is_on_loopback and settings.is_dev_open:
        return dev_constants.API_KEY
    return new_api_key(_draw_bytes(seed, "API key"))


def _draw_bytes(seed: int | None, purpose: str) -> bytes:
    return secrets.token_bytes(32) if seed is None else SeededStream(seed, purpose).random_bytes(32)


def _choose_clocks(
    settings: Settings, store: RedisStore, chains: Mapping[int, ChainSupervisor], clock: Clock
) -> Mapping[int, ChainClock]:
    """Return the clock that each chain's sessions go by, its own or the server's; tell the store the chains' own."""
    if settings.dev_clock == "wall":
        return dict.fromkeys(chains, UnmovedClock(clock))
    store.chain_clocks.update(chains)
    return store.chain_clocks


def _auth_options(settings: Settings, key: str, clock: Clock, *, seed: int | None) -> AuthOptions:
    dev_key = ApiKey(
        id=derive_key_id(key),
        organization=OPEN_ORGANIZATION,
        name="dev",
        digest=sha256_hex(key),
        requests_per_minute=DEV_KEY_REQUESTS_PER_MINUTE,
        created_at=clock.now(),
    )
    return AuthOptions(
        is_open=settings.is_dev_open,
        accepts_forwarded=True,
        temporary_keys=(dev_key,),
        token_signer=build_token_signer(settings.token_secrets or (_draw_bytes(seed, "token secret"),)),
    )


def _check(settings: Settings, options: DevOptions) -> None:
    if settings.chains:
        raise SettingError(f"{variable('chains')}: only for serve; choose the embedded chains of dev with --chain")
    if settings.workers != 1:
        text = f"dev owns its chains and its Redis, so it runs in one process, got {settings.workers}; use serve"
        raise SettingError(f"{variable('workers')}: {text}")
    if settings.paymaster_key is not None:
        raise SettingError(f"{variable('paymaster_key')}: not for dev, whose paymasters accept only its published key")
    _check_seed(settings, options)
    if options.fork_url is not None and not is_web_url(options.fork_url):
        raise SettingError(f"--fork-url: expected {WEB_URL}")
    if options.deployments is not None and not options.deployments.is_file():
        raise SettingError(f"--deployments: no such file: {options.deployments}")
    if not options.ephemeral:
        make_data_folder(settings)


def _check_seed(settings: Settings, options: DevOptions) -> None:
    """Check that a seeded run begins without data, and depends on no other server. Raises: SettingError."""
    if options.seed is None:
        return
    if options.fork_url is not None:
        raise SettingError("--seed: not with --fork-url, since the answers of another node may differ in each run")
    if settings.dev_clock != "chain":
        raise SettingError(f"{variable('dev_clock')}: expected chain with --seed, whose times repeat in each run")
    if settings.redis_url is not None or not options.ephemeral:
        raise SettingError(f"--seed: expected --ephemeral, and no {variable('redis_url')}: a run begins without data")


async def _start_all(
    stack: AsyncExitStack, settings: Settings, options: DevOptions, report: Callable[[str], None]
) -> tuple[RedisStore, RedisServer | None, list[ChainSupervisor]]:
    """Start Redis and the chains concurrently; if one cannot be started, stop the others."""
    configs = [_config(settings, options, chain_id) for chain_id in options.chains]
    try:
        async with asyncio.TaskGroup() as group:
            store = group.create_task(_start_store(stack, settings, options, report))
            chains = [
                group.create_task(_start_chain(stack, config, report, process=worker))
                for config, worker in zip_longest(configs, options.workers)
            ]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return *store.result(), [chain.result() for chain in chains]


async def _start_store(
    stack: AsyncExitStack, settings: Settings, options: DevOptions, report: Callable[[str], None]
) -> tuple[RedisStore, RedisServer | None]:
    """Open the store, and the Redis of a server that has none of its own."""
    url, redis = settings.redis_url, None
    if url is None:
        folder = None if options.ephemeral else redis_folder(settings)
        try:
            redis = await stack.enter_async_context(RedisServer(folder, report=report))
        except RedisNotStarted as error:
            raise SettingError(f"{variable('data_dir')}: {error}") from error
        url = redis.url
    opening = open_store(url, replicas=required_replicas(settings), event_limits=settings.event_log)
    return await stack.enter_async_context(opening), redis


def _config(settings: Settings, options: DevOptions, chain_id: int) -> DevChainConfig:
    return DevChainConfig(
        chain_id=chain_id,
        seed=options.seed,
        folder=None if options.ephemeral else settings.data_dir / f"chain-{chain_id}",
        fork_url=options.fork_url,
        deployments=options.deployments,
        token_rates={token.hex0x(): rate for token, rate in options.token_rates.items()},
        json_log=settings.log == "json",
        log_level=settings.log_level,
    )


async def _start_chain(
    stack: AsyncExitStack, config: DevChainConfig, report: Callable[[str], None], *, process: Worker | None
) -> ChainSupervisor:
    try:
        chain = await ChainSupervisor.start(config, notify=report, process=process)
    except ChainFailed as error:
        values = {"--fork-url, ": config.fork_url, "--deployments, ": config.deployments}
        flags = "".join(flag for flag, value in values.items() if value is not None)
        raise SettingError(f"{flags}chain {config.chain_id}: {error}") from error
    stack.push_async_callback(chain.stop)
    return chain


def _chain_setting(options: DevOptions, chain_id: int) -> ChainSetting:
    return ChainSetting(
        chain_id=chain_id,
        node_urls=(_EMBEDDED_URL,),
        bundler_urls=(_EMBEDDED_URL,),
        paymaster_url=_EMBEDDED_URL,
        verifying_paymaster=dev_constants.PAYMASTER,
        confirmations=options.confirmations,
    )


def _build_chain_clients(
    setting: ChainSetting,
    chain: ChainSupervisor,
    *,
    relayer_options: RelayerOptions | None,
    sponsor: Sponsor | None,
    metrics: ServerMetrics | None,
    clock: ChainClock,
) -> ChainClients:
    client = PipeClient(chain)
    pools = observe_pools(metrics, setting, dict.fromkeys(POOLS, client))
    return build_chain_clients(
        setting, client, pools=pools, relayer_options=relayer_options, sponsor=sponsor, clock=clock
    )
