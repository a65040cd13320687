"""Unit costs of sessions and operations besides CPU time: Redis, requests to node and bundler, gas."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx2
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.bench.holders import Inclusion, SignedOperation, make_holders, sign_operations, wait_until_confirmed
from tests.bench.load import Connection, send_all
from tests.bench.parts import Parts, call
from tests.bench.record import Costs
from tests.bench.requests import CHAIN, encode_request, session_requests
from tests.stack.running import serve_app
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.primitives import ChainId, Hash32

_SESSIONS = 1_000
_OPERATIONS = 120
_ACCOUNTS = 15
_IDLE_SECONDS = 5.0
_TABLE_BYTES = 80
"""Redis's tables of keys and of expiry times, for one key; measured as the difference of MEMORY STATS."""


@dataclass
class CountingProxy:
    """HTTP proxy in front of a node or bundler that counts requests, and JSON-RPC calls by method."""

    url: str
    requests: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[str]:
        async with httpx2.AsyncClient(timeout=60) as client:

            async def forward(request: Request) -> Response:
                body = await request.body()
                self.requests += 1
                parsed = json.loads(body)
                self.calls.update(one["method"] for one in (parsed if isinstance(parsed, list) else [parsed]))
                answer = await client.post(self.url, content=body, headers={"content-type": "application/json"})
                return Response(answer.content, answer.status_code, media_type="application/json")

            async with serve_app(Starlette(routes=[Route("/", forward, methods=["POST"])])) as url:
                yield url


@dataclass(frozen=True, slots=True)
class _Meter:
    """Reads the totals of a server's Redis and of the proxies in front of its node and bundler."""

    redis: Redis
    node: CountingProxy
    bundler: CountingProxy

    async def read(self) -> dict[str, float]:
        info: dict[str, Any] = await self.redis.info()
        return {
            "seconds": time.monotonic(),
            "redis_cpu": 1e6 * (info["used_cpu_user"] + info["used_cpu_sys"]),
            "redis_disk": info["aof_current_size"],
            "node_requests": self.node.requests,
            "node_calls": self.node.calls.total(),
            "bundler_requests": self.bundler.requests,
        }

    async def measure(self, work: Callable[[], Awaitable[object]], count: int, idle: Mapping[str, float]) -> Costs:
        """Return the costs of one of `count` units of the work, without those that an idle server has in the time."""
        sizes_before, before = await self.read_sizes(), await self.read()
        await work()
        after, sizes = await self.read(), await self.read_sizes()
        seconds = after["seconds"] - before["seconds"]
        found = {name: (after[name] - before[name] - idle[name] * seconds) / count for name in before}
        del found["seconds"]
        sizes.subtract(sizes_before)
        memory = {kind: size / count for kind, size in sorted(sizes.items()) if size > count}
        return Costs(redis_memory=memory, **found)

    async def read_sizes(self) -> Counter[str]:
        """Return the bytes of all keys by the first word of their hash tags."""
        sizes: Counter[str] = Counter()
        async for key in self.redis.scan_iter(count=1000):
            tag = re.search(rb"{(\w+)", key)
            size = int(await self.redis.memory_usage(key, samples=0) or 0)
            sizes[tag[1].decode() if tag else "other"] += size + _TABLE_BYTES
        return sizes

    async def measure_idle(self) -> dict[str, float]:
        """Return the costs of a second without requests."""
        before = await self.read()
        await asyncio.sleep(_IDLE_SECONDS)
        after = await self.read()
        seconds = after["seconds"] - before["seconds"]
        return {name: (after[name] - before[name]) / seconds for name in before}


async def measure_units(parts: Parts) -> tuple[dict[str, Costs], int]:
    """Measure on a `serve` with its own Redis, whose node and bundler are behind the proxies.

    Return the costs, and an operation's gas.
    """
    anvil, alto = parts.anvil(), parts.alto()
    node, bundler = CountingProxy(anvil.url), CountingProxy(alto.url)
    async with (
        node.run() as node_url,
        bundler.run() as bundler_url,
        RedisServer(parts.folder / "counted") as server,
        Redis(unix_socket_path=str(server.socket)) as redis,
    ):
        chains = f"{CHAIN}={node_url},{bundler_url}"
        served = await asyncio.to_thread(parts.serve_on, server.url, chains, name="counted")  # the proxies run here
        meter = _Meter(redis, node, bundler)
        holders = await make_holders(served.url, anvil.url, _ACCOUNTS)
        bodies = session_requests("root", 2 * _SESSIONS)
        await send_all(served.url, bodies[:_SESSIONS], connections=16)  # the first make Redis allocate its tables
        idle = await meter.measure_idle()
        preparations = [encode_request("wallet_prepareCalls", holder.preparation()) for holder in holders]
        operations = sign_operations(holders, _OPERATIONS)

        async def send() -> None:
            inclusion = await Inclusion.begin(anvil.url)
            await send_all(served.url, [each.for_wallet for each in operations], connections=8)
            await inclusion.wait_for(operations)
            connection = await Connection.open(served.url)
            for each in operations:
                await wait_until_confirmed(connection, call_id_of(each))
            connection.close()

        units = {
            "session": await meter.measure(
                partial(send_all, served.url, bodies[_SESSIONS:], connections=16), _SESSIONS, idle
            ),
            "prepare": await meter.measure(
                partial(send_all, served.url, preparations * (_OPERATIONS // _ACCOUNTS), connections=8),
                _OPERATIONS,
                idle,
            ),
            "send": await meter.measure(send, _OPERATIONS, idle),
        }
        receipt = await call(alto.url, "eth_getUserOperationReceipt", operations[-1].hash)
        return units, int(receipt["actualGasUsed"], 16)


def call_id_of(operation: SignedOperation) -> str:
    """Return the id that wallet-rpc gives to the operation's call."""
    return format_call_id(ChainId(CHAIN), Hash32.parse(operation.hash)).hex0x()
