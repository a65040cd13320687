"""WebSockets within the limits of all connections: slow readers are closed, and what waits for them is bounded."""

from __future__ import annotations

import socket
import threading

from starlette.types import Receive, Scope, Send

from tests.support.thread_context import run_in_thread
from wallet_rpc.edge.connections import WAIT_SECONDS, ConnectionLimits, Wait
from wallet_rpc.edge.listener import serve_in_background

HANDSHAKE = [
    b"GET / HTTP/1.1",
    b"host: 127.0.0.1",
    b"connection: upgrade",
    b"upgrade: websocket",
    b"sec-websocket-version: 13",
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    b"",
    b"",
]
MESSAGE = "x" * (64 << 10)


class Sender:
    """An application that sends messages as fast as its client reads them."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": MESSAGE})
                self.sent += 1
        finally:
            self.ended.set()


def test_a_client_that_reads_nothing_is_closed_and_little_waits_for_it() -> None:
    limits = ConnectionLimits(seconds={**WAIT_SECONDS, Wait.READING: 0.3})
    app = Sender()
    with socket.create_server(("127.0.0.1", 0)) as at:
        address = at.getsockname()
        with (
            run_in_thread(serve_in_background(app, at, limits=limits)),
            socket.create_connection(address, timeout=30) as client,
        ):
            client.sendall(b"\r\n".join(HANDSHAKE))
            assert app.ended.wait(60)
    assert 0 < app.sent < 500, "no more than the kernel's buffers hold"
