"""Servers that are measured, started when a row of the table first needs them and ended together."""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis.asyncio import Redis

from tests.bench.holders import Holder, make_holders
from tests.bench.load import Connection
from tests.bench.processes import Served, children_of, find_process, run_server
from tests.bench.requests import CHAIN
from tests.stack.installing import install
from tests.stack.parts import RELAYER, alto, anvil, private_key
from tests.support.api_keys import issue_api_key
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.devchain.genesis import load_genesis
from wallet_rpc.domain.access import OrganizationId

HERE = Path(__file__).parent
_ROOT = HERE.parents[1]
_WALLET_URL = r"Wallet API: +(\S+)"
_UNLIMITED = 1_000_000_000
_PATIENCE_SECONDS = 30.0
"""Patience with dependencies, which a measurement keeps busy."""


@dataclass
class Parts:
    """Servers of one run; each method starts its server at the first call."""

    stack: AsyncExitStack
    folder: Path
    part: float = 1.0
    """Size of a measured round; 1: full."""
    api_key: str = ""
    """Key of both servers that authenticate, without a rate limit that matters."""
    started: dict[str, Any] = field(default_factory=dict)

    async def redis(self) -> RedisServer:
        """Start a Redis that writes to disk before each reply, as `dev` does; every server of the run uses it."""
        if "redis" not in self.started:
            self.started["redis"] = server = await self.stack.enter_async_context(RedisServer(self.folder / "redis"))
            self.api_key, record = issue_api_key(
                organization=OrganizationId("org_of_the_measurement"), requests_per_minute=_UNLIMITED
            )
            async with RedisStore.open(server.url) as store:
                await store.directory.add_key(record)
            async with Redis(unix_socket_path=str(server.socket)) as redis:
                text = f'{{"id":"{record.id}","digest":"{record.digest}"}}'
                await redis.hset(f"node:{{key:{record.digest}}}", "record", text)
        found: RedisServer = self.started["redis"]
        return found

    async def echo(self) -> Served:
        return self._run("echo", [sys.executable, "-m", "tests.bench.echo"], announces=r"(http://\S+)")

    async def node_server(self) -> Served:
        """Start the node, viem and ioredis server that creates sessions."""
        socket = (await self.redis()).socket
        node = install(HERE, "viem and ioredis")
        return self._run("node", [node.node, HERE / "create_session.mjs", socket], announces=r"(http://\S+)")

    async def python_server(self) -> Served:
        """Start the server that creates sessions with Starlette, jsonrpcserver, eth-account and redis-py."""
        socket = (await self.redis()).socket
        return self._run(
            "python", [sys.executable, "-m", "tests.bench.python_server", socket], announces=r"(http://\S+)"
        )

    def anvil(self) -> Served:
        """Start anvil with one block for each transaction."""
        if "anvil" not in self.started:
            install()
            url = self.stack.enter_context(anvil(load_genesis(), CHAIN, self.folder))
            self.started["anvil"] = Served(url, find_process(url))
        found: Served = self.started["anvil"]
        return found

    def alto(self) -> Served:
        """Start Alto in front of anvil."""
        if "alto" not in self.started:
            url = self.stack.enter_context(alto(install(), self.anvil().url, self.folder, "bench"))
            self.started["alto"] = Served(url, find_process(url), (self.anvil().process_id,))
        found: Served = self.started["alto"]
        return found

    async def serve(self) -> Served:
        """Start `wallet-rpc serve` in front of anvil and Alto."""
        return self.serve_on((await self.redis()).url, f"{CHAIN}={self.anvil().url},{self.alto().url}")

    def serve_on(self, redis_url: str, chains: str, *, name: str = "serve") -> Served:
        """Start `wallet-rpc serve` with this Redis in front of these URLs of anvil and Alto."""
        settings = {
            "CHAINS": chains,
            "REDIS_URL": redis_url,
            "RELAYER_KEY": private_key(RELAYER),
            "TOKEN_SECRETS": secrets.token_hex(32),
            "OPEN": "yes",
        }
        served = self._run(name, [sys.executable, "-m", "wallet_rpc", "serve"], **settings)
        return replace(served, partners=(self.anvil().process_id, self.alto().process_id))

    async def dev(self, *, has_metrics: bool = False, patience_seconds: float = _PATIENCE_SECONDS) -> Served:
        """Start `wallet-rpc dev` with the embedded chain, which stores everything on disk."""
        name = "dev-with-metrics" if has_metrics else "dev"
        settings = {"DATA_DIR": str(self.folder / name), "REDIS_URL": (await self.redis()).url, "LOG": "json"}
        settings["PATIENCE_SECONDS"] = str(patience_seconds)
        if has_metrics:
            settings["METRICS_PORT"] = "0"
        served = self._run(name, [sys.executable, "-m", "wallet_rpc", "dev"], **settings)
        return replace(served, partners=children_of(served.process_id))

    def servers(self) -> dict[str, Served]:
        """Return the started servers by name."""
        return {name: one for name, one in self.started.items() if isinstance(one, Served)}

    async def redis_version(self) -> str:
        async with Redis(unix_socket_path=str((await self.redis()).socket)) as redis:
            return str((await redis.info("server"))["redis_version"])

    async def embedded_holders(self, number: int) -> list[Holder]:
        """Return accounts with an installed session on `dev`'s embedded chain."""
        url = (await self.dev()).url
        return await self._holders("embedded_holders", url, url, number)

    async def anvil_holders(self, number: int) -> list[Holder]:
        """Return accounts with an installed session on anvil."""
        return await self._holders("anvil_holders", (await self.serve()).url, self.anvil().url, number)

    async def _holders(self, name: str, url: str, node: str, number: int) -> list[Holder]:
        found: list[Holder] = self.started.setdefault(name, [])
        found += await make_holders(url, node, number - len(found))
        return found[:number]

    def _run(self, name: str, command: list[str | Path], *, announces: str = _WALLET_URL, **settings: str) -> Served:
        if name not in self.started:
            chosen = {
                "PORT": "0",
                "UNSIGNED_SESSIONS": str(_UNLIMITED),
                "PATIENCE_SECONDS": str(_PATIENCE_SECONDS),
                **settings,
            }
            environ = {f"WALLET_RPC_{setting}": text for setting, text in chosen.items()}
            environ["PYTHONPATH"] = str(_ROOT)
            running = run_server(command, folder=self.folder, name=name, environ=environ, announces=announces)
            self.started[name] = self.stack.enter_context(running)
        found: Served = self.started[name]
        return found


@asynccontextmanager
async def open_parts(part: float = 1.0) -> AsyncIterator[Parts]:
    """Yield the parts of one run with rounds of this size; their files are in a temporary folder."""
    with TemporaryDirectory(prefix="wallet-rpc-bench-") as folder:
        async with AsyncExitStack() as stack:
            yield Parts(stack, Path(folder), part)


async def call(url: str, method: str, *params: Any) -> Any:
    """Call a JSON-RPC method once, over a connection of its own."""
    connection = await Connection.open(url)
    try:
        return await connection.rpc(method, *params)
    finally:
        connection.close()


async def post(url: str, body: bytes) -> bytes:
    """Send a body once, over a connection of its own."""
    connection = await Connection.open(url)
    try:
        return await connection.post(body)
    finally:
        connection.close()
