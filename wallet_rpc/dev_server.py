"""`wallet-rpc dev`: the server with chains, bundler, paymaster and Redis of its own, on this machine."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from starlette.types import ASGIApp

from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.paymaster import Sponsor
from wallet_rpc.adapters.system import SystemClock
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
from wallet_rpc.edge.http import Handler
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.errors import Unavailable
from wallet_rpc.first_keys import AuthOptions, build_token_signer
from wallet_rpc.ports import Clock
from wallet_rpc.primitives import Address
from wallet_rpc.server import (
    ChainClients,
    EmbeddedChains,
    RelayerOptions,
    ServerOptions,
    build_chain_clients,
    build_relayer_options,
    build_wallet_app,
    quotes_of,
    sponsor_of,
)
from wallet_rpc.store_opening import make_data_folder, open_store, redis_folder

DEFAULT_CHAIN = 31337
"""The chain id when none is asked for; anvil's and hardhat's."""
DEV_KEY_REQUESTS_PER_MINUTE = 100_000
"""More than a test asks."""
_INSIDE = "http://embedded"
"""Not a host: requests to it go to the chain's process over a pipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """What `dev` is told beside the settings."""

    chains: tuple[int, ...] = (DEFAULT_CHAIN,)
    ephemeral: bool = False
    """Keep nothing."""
    fork_url: str | None = None
    deployments: Path | None = None
    token_rates: Mapping[Address, int] = field(default_factory=dict)
    """Tokens that the chains' paymasters take for gas, beside the test token: smallest units for 10^18 wei."""
    key: str | None = None
    """An API key that is good while this server runs; None: as `ready_key` chooses."""


class _Pipe(httpx2.AsyncBaseTransport):
    """Carries the adapters' requests to the chain's process: the same client code as for a real node."""

    def __init__(self, chain: ChainSupervisor) -> None:
        self._chain = chain

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request. A process that died under it is a connection that broke."""
        try:
            answer = await self._chain.answer(await request.aread())
        except Unavailable as error:
            raise httpx2.ReadError(error.message, request=request) from error
        return httpx2.Response(200, content=answer or b"", headers={"content-type": "application/json"})


@asynccontextmanager
async def open_dev_server(
    settings: Settings,
    options: DevOptions,
    *,
    clock: Clock | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[ASGIApp]:
    """The server, with everything it needs started and ended with it; `tell` gets progress in words.

    Raises: SettingError when a part cannot be started.
    """
    _check(settings, options)
    async with AsyncExitStack() as stack:
        store, chains = await _start_all(stack, settings, options, tell)
        http = await stack.enter_async_context(httpx2.AsyncClient())
        chosen = SystemClock() if clock is None else clock
        # configured policies are enforced here too; the chain's own paymaster sponsors under every other id
        sponsor = sponsor_of(settings, store, http=http, clock=chosen, key=dev_constants.PAYMASTER_KEY)
        key = ACCOUNTS[-1].key if settings.relayer_key is None else settings.relayer_key
        relaying = build_relayer_options(settings, store, chosen, key=key)
        parts = [
            await _build_chain_clients(stack, number, chain, relayer_options=relaying, sponsor=sponsor)
            for number, chain in zip(options.chains, chains, strict=True)
        ]
        await asyncio.gather(*(each.check_ready() for each in parts))
        admission = _auth_options(settings, options, chosen)
        conditions = ServerOptions(clock=chosen, auth=admission, quotes=quotes_of(settings, http))
        yield build_wallet_app(settings, store, parts, conditions, embedded=_embedded_chains(options, chains))


def choose_dev_key(settings: Settings) -> str:
    """The published key, where everyone on this machine is let in anyway; else one that nobody knows yet."""
    if settings.is_on_loopback and settings.is_dev_open:
        return dev_constants.API_KEY
    return new_api_key(secrets.token_bytes(32))


def _auth_options(settings: Settings, options: DevOptions, clock: Clock) -> AuthOptions:
    key = choose_dev_key(settings) if options.key is None else options.key
    ready = ApiKey(
        id=derive_key_id(key),
        organization=OPEN_ORGANIZATION,
        name="dev",
        digest=sha256_hex(key),
        requests_per_minute=DEV_KEY_REQUESTS_PER_MINUTE,
        created_at=clock.now(),
    )
    seals = build_token_signer(settings.token_secrets or (secrets.token_bytes(32),))
    return AuthOptions(
        is_open=settings.is_dev_open, accepts_forwarded=True, temporary_keys=(ready,), token_signer=seals
    )


def _check(settings: Settings, options: DevOptions) -> None:
    if settings.chains:
        raise SettingError(f"{variable('chains')}: only for serve; dev has chains of its own, chosen by --chain")
    if settings.paymaster_key is not None:
        raise SettingError(f"{variable('paymaster_key')}: not for dev, whose paymasters know its published key only")
    if options.fork_url is not None and not is_web_url(options.fork_url):
        raise SettingError(f"--fork-url: expected {WEB_URL}")
    if options.deployments is not None and not options.deployments.is_file():
        raise SettingError(f"--deployments: no such file: {options.deployments}")
    if not options.ephemeral:
        make_data_folder(settings)


async def _start_all(
    stack: AsyncExitStack, settings: Settings, options: DevOptions, tell: Callable[[str], None]
) -> tuple[RedisStore, list[ChainSupervisor]]:
    """Redis and the chains, started side by side; when one cannot be, the others are ended too."""
    try:
        async with asyncio.TaskGroup() as group:
            store = group.create_task(_store(stack, settings, options, tell))
            chains = [group.create_task(_chain(stack, _config(settings, options, one), tell)) for one in options.chains]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return store.result(), [chain.result() for chain in chains]


async def _store(
    stack: AsyncExitStack, settings: Settings, options: DevOptions, tell: Callable[[str], None]
) -> RedisStore:
    url = settings.redis_url
    if url is None:
        folder = None if options.ephemeral else redis_folder(settings)
        try:
            url = (await stack.enter_async_context(RedisServer(folder, report=tell))).url
        except RedisNotStarted as error:
            raise SettingError(f"{variable('data_dir')}: {error}") from error
    return await stack.enter_async_context(open_store(url))


def _config(settings: Settings, options: DevOptions, chain_id: int) -> DevChainConfig:
    return DevChainConfig(
        chain_id=chain_id,
        folder=None if options.ephemeral else settings.data_dir / f"chain-{chain_id}",
        fork_url=options.fork_url,
        deployments=options.deployments,
        token_rates={token.hex0x(): rate for token, rate in options.token_rates.items()},
        json_log=settings.log == "json",
    )


async def _chain(stack: AsyncExitStack, config: DevChainConfig, tell: Callable[[str], None]) -> ChainSupervisor:
    try:
        chain = await ChainSupervisor.start(config, notify=tell)
    except ChainFailed as error:
        chosen = {"--fork-url, ": config.fork_url, "--deployments, ": config.deployments}
        flags = "".join(flag for flag, value in chosen.items() if value is not None)
        raise SettingError(f"{flags}chain {config.chain_id}: {error}") from error
    stack.push_async_callback(chain.stop)
    return chain


async def _build_chain_clients(
    stack: AsyncExitStack,
    chain_id: int,
    chain: ChainSupervisor,
    *,
    relayer_options: RelayerOptions | None,
    sponsor: Sponsor | None,
) -> ChainClients:
    http = await stack.enter_async_context(httpx2.AsyncClient(transport=_Pipe(chain)))
    setting = ChainSetting(
        chain_id=chain_id,
        node_urls=(_INSIDE,),
        bundler_urls=(_INSIDE,),
        paymaster_url=_INSIDE,
        verifying_paymaster=dev_constants.PAYMASTER,
    )
    return build_chain_clients(setting, http, relayer_options=relayer_options, sponsor=sponsor)


def _embedded_chains(options: DevOptions, chains: list[ChainSupervisor]) -> EmbeddedChains:
    """Each chain at its own path, and the one that `?chainId=` names (else the first) at the wallet's too."""
    by_number = dict(zip(options.chains, chains, strict=True))
    return EmbeddedChains(
        handlers={number: _chain_handler(chain) for number, chain in by_number.items()},
        chains={number: chain.request for number, chain in by_number.items()},
        reads=dev_constants.EXTRA_READ_METHODS,
    )


def _chain_handler(chain: ChainSupervisor) -> Handler:
    """The chain's own door; while the chain has no process, every request is told so."""
    closed = JsonRpcDispatcher[None]((), lambda: None, fallback=chain.request)

    async def answer(body: bytes) -> Reply:
        try:
            return Reply(await chain.answer(body))
        except Unavailable:
            return await closed.dispatch(body)

    return answer


def format_greeting(settings: Settings, options: DevOptions, url: str) -> str:
    """What is printed when the server is ready, its API key too."""
    lines = [line for chain_id in options.chains[:1] for line in banner(chain_id)]
    lines += ["", f"Wallet API:  {url}"]
    lines += [f"Chain {number}: {url}/chain/{number}" for number in options.chains]
    lines += [f"Gas token:   {token}, {rate} units for one coin" for token, rate in options.token_rates.items()]
    if options.key is not None:
        known_to = "everyone knows it" if options.key == dev_constants.API_KEY else "good until this server ends"
        need = "no key is needed" if settings.is_dev_open else "a key is needed"
        lines += [f"API key:     {options.key} (of organisation {OPEN_ORGANIZATION}, {known_to}; {need})"]
    return "\n".join(lines)
