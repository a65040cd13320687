"""The complete real stack: `with real_stack(folder) as stack`."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from starlette.types import ASGIApp

from tests.e2e.process import Server
from tests.e2e.server import PAGES
from tests.e2e.stacks import Stack
from tests.stack.installing import install
from tests.stack.parts import RELAYER, alto, anvil, private_key
from tests.stack.paymaster import paymaster_service
from tests.support.constants import CHAINS
from tests.support.thread_context import run_in_thread
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.config.settings import Settings
from wallet_rpc.devchain.build import NodeJs
from wallet_rpc.devchain.genesis import Genesis, load_genesis
from wallet_rpc.edge.listener import bind_socket, serve_in_background


@contextmanager
def real_stack(
    folder: Path, *, name: str = "real", genesis: Genesis | None = None, safe: bool = False
) -> Iterator[Stack]:
    """Start anvil and Alto for each chain, a Redis, a paymaster service, and `wallet-rpc serve` in front of them."""
    program = install()
    genesis = load_genesis() if genesis is None else genesis
    with ExitStack() as processes, ThreadPoolExecutor() as pool:
        start = partial(_chain, processes, program, genesis, folder, safe=safe)
        starting = [pool.submit(start, chain) for chain in CHAINS]
        sponsor = processes.enter_context(run_in_thread(serve_app(paymaster_service(*CHAINS))))
        redis = processes.enter_context(run_in_thread(_redis()))
        started = dict(zip(CHAINS, [one.result() for one in starting], strict=True))
        upstreams = Stack(
            name=name,
            url="",
            nodes={chain: node for chain, (node, _) in started.items()},
            bundlers={chain: bundler for chain, (_, bundler) in started.items()},
            paymasters={chain: f"{sponsor}/{chain}" for chain in CHAINS},
            redis=redis,
        )
        settings = {
            "CHAINS": str(upstreams.chains_file(folder)),
            "REDIS_URL": redis,
            "RELAYER_KEY": private_key(RELAYER),
            "TOKEN_SECRETS": secrets.token_hex(32),
            "LOG": "human",
            "OPEN": "yes",
            "CORS_ORIGINS": ",".join(PAGES),
        }
        server = processes.enter_context(Server("serve", folder=folder, **settings))
        yield replace(upstreams, url=server.url)


def _chain(
    processes: ExitStack, program: NodeJs, genesis: Genesis, folder: Path, chain: int, *, safe: bool
) -> tuple[str, str]:
    """Start a node and its bundler, and return their URLs."""
    node = processes.enter_context(anvil(genesis, chain, folder))
    return node, processes.enter_context(alto(program, node, folder, str(chain), safe=safe))


@asynccontextmanager
async def _redis() -> AsyncIterator[str]:
    async with RedisServer(None) as server:
        yield server.url


@asynccontextmanager
async def serve_app(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application on a free port, and return its URL."""
    with bind_socket(Settings(port=0)) as at:
        async with serve_in_background(app, at) as url:
            yield url
