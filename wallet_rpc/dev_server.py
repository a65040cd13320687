"""`wallet-rpc dev`: a server with embedded chains, bundler, paymaster and Redis."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from wallet_rpc.adapters.http_post import HttpClient, PostFailed, PostResponse
from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.paymaster import Sponsor
from wallet_rpc.adapters.system import SystemClock
from wallet_rpc.auth_options import AuthOptions, build_token_signer
from wallet_rpc.chain_clients import POOLS, ChainClients, build_chain_clients
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.accounts import ACCOUNTS, banner
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.process import ChainFailed
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.domain.access import OPEN_ORGANIZATION, ApiKey, derive_key_id, new_api_key, sha256_hex
from wallet_rpc.domain.web_url import WEB_URL, is_web_url
from wallet_rpc.edge.envelope import Reply
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.edge.rpc_endpoint import Handler
from wallet_rpc.errors import Unavailable
from wallet_rpc.metrics.facts import FactSources
from wallet_rpc.observability import observe_server
from wallet_rpc.payer_opening import Payers, RelayerOptions, build_relayer_options, sponsor_of
from wallet_rpc.ports import Clock
from wallet_rpc.primitives import Address
from wallet_rpc.server import (
    EmbeddedChains,
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
    key: str | None = None
    """An API key that is valid while this server runs; None: the key that `choose_dev_key` returns."""


class _PipeClient:
    """`PostClient` of the chain's process, so that the adapters use the client code of a real node."""

    def __init__(self, chain: ChainSupervisor) -> None:
        self._chain = chain

    async def post(self, url: str, content: bytes, *, connect_seconds: float, max_bytes: int) -> PostResponse:
        """Send one request; there is no connection, and all URLs are the process. Raises: PostFailed when it dies."""
        try:
            answer = await self._chain.answer(content) or b""
        except Unavailable:
            raise PostFailed(sent=True) from None
        return PostResponse(200, None if len(answer) > max_bytes else answer)


@asynccontextmanager
async def open_dev_server(
    settings: Settings,
    options: DevOptions,
    *,
    clock: Clock | None = None,
    report: Callable[[str], None] = lambda _: None,
    metrics: ServerMetrics | None = None,
) -> AsyncIterator[ASGIApp]:
    """Open the server, starting and stopping all that it depends on; `report` receives lines about progress.

    Raises: SettingError when a dependency cannot be started.
    """
    _check(settings, options)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(observe_server(os.environ, log_level=settings.log_level))
        store, chains = await _start_all(stack, settings, options, report)
        if metrics is not None:
            metrics.observe_store(store)
        http = await stack.enter_async_context(HttpClient())
        clock = SystemClock() if clock is None else clock
        # configured policies are enforced here too; the embedded paymaster sponsors under every other policy id
        sponsor = sponsor_of(settings, store, http=http, clock=clock, key=dev_constants.PAYMASTER_KEY)
        relayer_key = ACCOUNTS[-1].key if settings.relayer_key is None else settings.relayer_key
        relayer_options = build_relayer_options(settings, store, clock, key=relayer_key)
        chain_clients = [
            _build_chain_clients(chain_id, chain, relayer_options=relayer_options, sponsor=sponsor, metrics=metrics)
            for chain_id, chain in zip(options.chains, chains, strict=True)
        ]
        await asyncio.gather(*(each.check_ready() for each in chain_clients))
        auth = _auth_options(settings, options, clock)
        server_options = ServerOptions(clock=clock, auth=auth, quotes=quotes_of(settings, http))
        embedded = _embedded_chains(options, chains)
        await stack.enter_async_context(probe_all(settings, store, chain_clients))
        app = await stack.enter_async_context(
            open_wallet_app(settings, store, chain_clients, server_options, embedded=embedded)
        )
        payers = Payers(sponsor=sponsor, relayer=relayer_options)
        sources = FactSources(store=store, chain_clients=chain_clients, clock=clock, payers=payers)
        await stack.enter_async_context(measure_server(metrics, sources))
        yield app


def choose_dev_key(settings: Settings) -> str:
    """Return the published key if an open server listens on loopback only, else a new random key."""
    if settings.is_on_loopback and settings.is_dev_open:
        return dev_constants.API_KEY
    return new_api_key(secrets.token_bytes(32))


def _auth_options(settings: Settings, options: DevOptions, clock: Clock) -> AuthOptions:
    key = choose_dev_key(settings) if options.key is None else options.key
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
        token_signer=build_token_signer(settings.token_secrets or (secrets.token_bytes(32),)),
    )


def _check(settings: Settings, options: DevOptions) -> None:
    if settings.chains:
        raise SettingError(f"{variable('chains')}: only for serve; choose the embedded chains of dev with --chain")
    if settings.workers != 1:
        text = f"dev owns its chains and its Redis, so it runs in one process, got {settings.workers}; use serve"
        raise SettingError(f"{variable('workers')}: {text}")
    if settings.paymaster_key is not None:
        raise SettingError(f"{variable('paymaster_key')}: not for dev, whose paymasters accept only its published key")
    if options.fork_url is not None and not is_web_url(options.fork_url):
        raise SettingError(f"--fork-url: expected {WEB_URL}")
    if options.deployments is not None and not options.deployments.is_file():
        raise SettingError(f"--deployments: no such file: {options.deployments}")
    if not options.ephemeral:
        make_data_folder(settings)


async def _start_all(
    stack: AsyncExitStack, settings: Settings, options: DevOptions, report: Callable[[str], None]
) -> tuple[RedisStore, list[ChainSupervisor]]:
    """Start Redis and the chains concurrently; if one cannot be started, stop the others."""
    configs = [_config(settings, options, chain_id) for chain_id in options.chains]
    try:
        async with asyncio.TaskGroup() as group:
            store = group.create_task(_start_store(stack, settings, options, report))
            chains = [group.create_task(_start_chain(stack, config, report)) for config in configs]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return store.result(), [chain.result() for chain in chains]


async def _start_store(
    stack: AsyncExitStack, settings: Settings, options: DevOptions, report: Callable[[str], None]
) -> RedisStore:
    url = settings.redis_url
    if url is None:
        folder = None if options.ephemeral else redis_folder(settings)
        try:
            url = (await stack.enter_async_context(RedisServer(folder, report=report))).url
        except RedisNotStarted as error:
            raise SettingError(f"{variable('data_dir')}: {error}") from error
    return await stack.enter_async_context(open_store(url, replicas=required_replicas(settings)))


def _config(settings: Settings, options: DevOptions, chain_id: int) -> DevChainConfig:
    return DevChainConfig(
        chain_id=chain_id,
        folder=None if options.ephemeral else settings.data_dir / f"chain-{chain_id}",
        fork_url=options.fork_url,
        deployments=options.deployments,
        token_rates={token.hex0x(): rate for token, rate in options.token_rates.items()},
        json_log=settings.log == "json",
        log_level=settings.log_level,
    )


async def _start_chain(stack: AsyncExitStack, config: DevChainConfig, report: Callable[[str], None]) -> ChainSupervisor:
    try:
        chain = await ChainSupervisor.start(config, notify=report)
    except ChainFailed as error:
        values = {"--fork-url, ": config.fork_url, "--deployments, ": config.deployments}
        flags = "".join(flag for flag, value in values.items() if value is not None)
        raise SettingError(f"{flags}chain {config.chain_id}: {error}") from error
    stack.push_async_callback(chain.stop)
    return chain


def _build_chain_clients(
    chain_id: int,
    chain: ChainSupervisor,
    *,
    relayer_options: RelayerOptions | None,
    sponsor: Sponsor | None,
    metrics: ServerMetrics | None,
) -> ChainClients:
    setting = ChainSetting(
        chain_id=chain_id,
        node_urls=(_EMBEDDED_URL,),
        bundler_urls=(_EMBEDDED_URL,),
        paymaster_url=_EMBEDDED_URL,
        verifying_paymaster=dev_constants.PAYMASTER,
    )
    client = _PipeClient(chain)
    pools = observe_pools(metrics, setting, dict.fromkeys(POOLS, client))
    return build_chain_clients(setting, client, pools=pools, relayer_options=relayer_options, sponsor=sponsor)


def _embedded_chains(options: DevOptions, chains: list[ChainSupervisor]) -> EmbeddedChains:
    """Build the handlers of the embedded chains' own paths and their fallbacks for the wallet's paths."""
    by_id = dict(zip(options.chains, chains, strict=True))
    return EmbeddedChains(
        handlers={chain_id: _chain_handler(chain) for chain_id, chain in by_id.items()},
        chains={chain_id: chain.forward for chain_id, chain in by_id.items()},
        reads=dev_constants.EXTRA_READ_METHODS,
        methods=dev_constants.EXTRA_METHODS,
    )


def _chain_handler(chain: ChainSupervisor) -> Handler:
    """Build the handler of the chain's own path; while the chain has no process, it returns an error to each request.

    The dispatcher repeats the requests one by one, which wraps `Unavailable` in a response object for each of them.
    """
    dispatcher = JsonRpcDispatcher[None]((), lambda: None, fallback=chain.request)

    async def answer(body: bytes) -> Reply:
        try:
            return Reply(await chain.answer(body))
        except Unavailable:
            return await dispatcher.dispatch(body)

    return answer


def format_greeting(settings: Settings, options: DevOptions, url: str) -> str:
    """Format the text to print when the server is ready, with its API key."""
    lines = [line for chain_id in options.chains[:1] for line in banner(chain_id)]
    lines += ["", f"Wallet API:  {url}"]
    lines += [f"Chain {chain_id}: {url}/chain/{chain_id}" for chain_id in options.chains]
    lines += [f"Gas token:   {token}, {rate} units for 10^18 wei" for token, rate in options.token_rates.items()]
    if options.key is not None:
        kind = "publicly known" if options.key == dev_constants.API_KEY else "valid until this server stops"
        need = "no key is needed" if settings.is_dev_open else "a key is needed"
        lines += [f"API key:     {options.key} (of organisation {OPEN_ORGANIZATION}, {kind}; {need})"]
    return "\n".join(lines)
