"""Request latency in the JSON-RPC dispatcher and over HTTP. Not a test. Run: python tests/bench/dispatcher.py"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import uvicorn
import uvloop

from tests.edge.sample import ADDRESS, browser, dispatcher, request
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.http import build_app, wallet_handlers

BODIES = {
    "sum [1, 2]": request("sum", [1, 2], id=1),
    "send, 3 calls": request("send", [{"calls": [{"to": ADDRESS, "value": "0x5"}] * 3}], id=1),
    "unknown method": request("nope", id=1),
    "bad parameters": request("send", [{"calls": [{"to": "0x1"}]}], id=1),
    "batch of 10 sums": [request("sum", [1, 2], id=number) for number in range(10)],
}


async def _best(call: Callable[[], Awaitable[object]], times: int) -> float:
    """Return the microseconds per call in the best of five rounds."""
    rounds = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(times):
            await call()
        rounds.append((time.perf_counter() - started) / times * 1e6)
    return min(rounds)


async def _in_process() -> None:
    target = dispatcher()
    for name, value in BODIES.items():
        body = json.dumps(value).encode()
        print(f"dispatcher       {name:18} {await _best(partial(target.dispatch, body), 2000):8.1f} µs")
    async with browser() as client:
        duration = await _best(lambda: client.post("/", json=BODIES["sum [1, 2]"]), 300)
        print(f"ASGI with client {'sum [1, 2]':18} {duration:8.1f} µs")


def _serve(listening: socket.socket) -> None:
    """Run the server in its own process; its log lines are formatted and discarded."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # until the process ends
    log_lines.configure(json=True)
    config = uvicorn.Config(
        build_app(wallet_handlers(dispatcher().dispatch)), log_config=None, access_log=False, lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[listening])


async def _over_http(address: tuple[str, int]) -> None:
    body = json.dumps(BODIES["sum [1, 2]"]).encode()
    head = f"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"

    async def client(times: int) -> float:
        reader, writer = await asyncio.open_connection(*address)

        async def exchange() -> None:
            writer.write(head.encode() + body)
            await reader.readuntil(b'"id":1}')

        duration = await _best(exchange, times)
        writer.close()
        return duration

    await client(50)
    print(f"HTTP, keep-alive {'sum [1, 2]':18} {await client(500):8.1f} µs")
    started = time.perf_counter()
    await asyncio.gather(*(client(100) for _ in range(16)))
    rate = 16 * 5 * 100 / (time.perf_counter() - started)
    print(f"HTTP, 16 clients {'sum [1, 2]':18} {rate:8.0f} requests a second, one process")


def main() -> None:
    """Run the measurements and print every number."""
    with contextlib.redirect_stderr(io.StringIO()):
        log_lines.configure(json=True)
        asyncio.run(_in_process())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = multiprocessing.get_context("fork").Process(target=_serve, args=(listening,))
        serving.start()
        uvloop.run(_over_http(listening.getsockname()))
        serving.terminate()
        serving.join()


if __name__ == "__main__":
    main()
