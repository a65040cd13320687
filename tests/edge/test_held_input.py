"""The limit on pending requests that arrive in one read."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from tests.edge.raw_http import head, pieces_of, post
from wallet_rpc.edge.bounded_http import PIPELINED_REQUESTS, BoundedHttpProtocol
from wallet_rpc.edge.connections import ConnectionLimits, Connections
from wallet_rpc.edge.drain import Drain

READ = 1 << 18
"""The maximum number of bytes of one read of the event loop."""


class Pipe(asyncio.Transport):
    """A transport with a client that has much input, which is read when the protocol resumes reading."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: Any) -> None:
        """Drop the response, which no test reads."""

    def write_eof(self) -> None:
        pass


async def count_input(sent: bytes) -> tuple[int, int]:
    """Return the bytes read and the requests started while the first request is pending."""
    started, finished = 0, asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal started
        started += 1
        with suppress(asyncio.CancelledError):
            for _ in range(3):
                await receive()  # it makes the server resume reading
        finished.set()

    config = uvicorn.Config(app, log_config=None, lifespan="off", proxy_headers=False)
    config.load()
    state, pipe = ServerState(), Pipe()
    connections = Connections(state.connections, ConnectionLimits(), asyncio.get_running_loop().time)
    protocol = BoundedHttpProtocol(config, state, connections=connections, drain=Drain())
    protocol.connection_made(pipe)
    read = 0
    for piece in pieces_of(sent, READ):
        if not pipe.reads:
            break
        protocol.data_received(piece)
        read += len(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    for task in state.tasks:
        task.cancel()
    await finished.wait()
    assert started == 1
    return read, len(protocol.pipeline) + 1


async def test_input_after_a_running_request_is_bounded() -> None:
    large = post(body=b"x" * 100_000)

    first = await count_input(post() + large * 50)
    whole = await count_input(head(verb=b"GET") * 200_000)

    assert first[0] <= 2 * READ
    assert whole[0] <= 2 * READ
    assert first[1] <= 5
    assert whole[1] == PIPELINED_REQUESTS + 1
