"""The stacks under failure: replicas in front of anvil, Alto and Redis, or in front of `wallet-rpc dev`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.chaos.http_proxy import HttpProxy
from tests.chaos.parts import Part, redis_part, rpc_part, wallet_part
from tests.chaos.redis_proxy import RedisProxy
from tests.chaos.switch import Switch
from tests.stack.installing import install
from tests.stack.parts import alto_command, anvil_command, free_port
from tests.support.constants import CHAINS
from wallet_rpc.devchain.genesis import load_genesis

CHAIN = CHAINS[0]
BLOCK_SECONDS = 1
"""Interval of anvil's blocks: an operation is pending for a noticeable time."""
BUNDLE_MILLISECONDS = (500, 1000)
"""Time that Alto keeps operations, so that they are lost with it when it is killed."""
CONFIRMATIONS = 2
"""Blocks that make a call final in front of anvil."""

WalletPart = Callable[..., Part]
"""Builds a replica, like `wallet_part`."""


@dataclass
class Stack:
    """Processes that run, the proxies between them, and the URLs of the wallet servers."""

    name: str
    folder: Path
    node: str
    """URL of the chain itself, which no failure affects except that of its process."""
    urls: list[str]
    parts: dict[str, Part]
    switches: dict[str, Switch]
    proxies: dict[str, HttpProxy | RedisProxy] = field(default_factory=dict)
    turns: int = 0
    """Failures of a row that breaks something only now and then."""

    @property
    def kills(self) -> int:
        return sum(part.kills for part in self.parts.values())

    @property
    def servers(self) -> list[Part]:
        return [part for name, part in self.parts.items() if name.startswith("server")]

    async def ask(self, method: str, *params: Any) -> Any:
        """Call a method of the chain itself. Raises: KeyError for an error, httpx2.HTTPError."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        async with httpx2.AsyncClient(timeout=30) as http:
            return (await http.post(self.node, json=body)).json()["result"]

    def end(self) -> None:
        """End all processes."""
        for part in reversed(self.parts.values()):
            part.end()


@asynccontextmanager
async def _end_parts(stack: Stack) -> AsyncIterator[None]:
    try:
        yield
    finally:
        stack.end()


@asynccontextmanager
async def open_alto_stack(folder: Path, *, wallet: WalletPart = wallet_part) -> AsyncIterator[Stack]:
    """Start anvil, Alto, Redis and two replicas, with proxies between them."""
    program = await asyncio.to_thread(install)
    node, bundler, redis = (free_port() for _ in range(3))
    stack = Stack("alto", folder, f"http://127.0.0.1:{node}", [], {}, {})
    parts = stack.parts
    parts["node"] = rpc_part("node", anvil_command(load_genesis(), CHAIN, folder, node), stack.node, folder)
    at = f"http://127.0.0.1:{bundler}"
    parts["bundler"] = rpc_part(
        "bundler", alto_command(program, stack.node, bundler, bundle_milliseconds=BUNDLE_MILLISECONDS), at, folder
    )
    parts["redis"] = redis_part(redis, folder)
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(_end_parts(stack))
        for name in ("node", "bundler", "redis"):
            await parts[name].restart()
        await stack.ask("evm_setIntervalMining", BLOCK_SECONDS)
        await _add_replicas(stack, opened, (stack.node, at, redis), wallet)
        yield stack


@asynccontextmanager
async def open_embedded_stack(folder: Path) -> AsyncIterator[Stack]:
    """Start `wallet-rpc dev`, Redis, and two replicas in front of its chain, with proxies between them."""
    dev, redis = free_port(), free_port()
    chain = f"http://127.0.0.1:{dev}/chain/{CHAIN}"
    stack = Stack("embedded", folder, chain, [], {}, {})
    stack.parts["dev"] = wallet_part("dev", "dev", port=dev, folder=folder)
    stack.parts["redis"] = redis_part(redis, folder)
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(_end_parts(stack))
        for part in list(stack.parts.values()):
            await part.restart()
        await _add_replicas(stack, opened, (chain, chain, redis), wallet_part)
        yield stack


@asynccontextmanager
async def open_dev_stack(folder: Path) -> AsyncIterator[Stack]:
    """Start `wallet-rpc dev` alone, with its own chain and Redis."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    stack = Stack("dev", folder, f"{url}/chain/{CHAIN}", [url], {}, {})
    stack.parts["dev"] = wallet_part("dev", "dev", port=port, folder=folder)
    async with _end_parts(stack):
        await stack.parts["dev"].restart()
        yield stack


async def _add_replicas(
    stack: Stack, opened: AsyncExitStack, upstreams: tuple[str, str, int], wallet: WalletPart
) -> None:
    """Open the proxies in front of node, bundler and Redis, and start two replicas behind them."""
    node, bundler, redis = upstreams
    stack.proxies |= {
        "node": HttpProxy(node, free_port()),
        "bundler": HttpProxy(bundler, free_port()),
        "redis": RedisProxy(redis, free_port()),
    }
    for name, proxy in stack.proxies.items():
        await opened.enter_async_context(proxy.serve())
        stack.switches[name] = proxy.switch
    for number in (1, 2):
        port = free_port()
        part = wallet(f"server-{number}", "serve", port=port, folder=stack.folder, **serve_settings(stack))
        stack.parts[part.name] = part
        stack.urls.append(f"http://127.0.0.1:{port}")
        part.start()
    await asyncio.gather(*(part.wait_until_up() for part in stack.servers))


def serve_settings(stack: Stack) -> dict[str, str]:
    """Return the settings of a replica behind the stack's proxies."""
    confirmations = 1 if stack.name == "embedded" else CONFIRMATIONS
    file = stack.folder / "chains.toml"
    file.write_text(
        f'[[chain]]\nid = {CHAIN}\nnode = ["{stack.proxies["node"].url}"]\n'
        f'bundler = "{stack.proxies["bundler"].url}"\nconfirmations = {confirmations}\n'
    )
    return {"CHAINS": str(file), "REDIS_URL": stack.proxies["redis"].url, "OPEN": "yes", "LOG": "human"}
