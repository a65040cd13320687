"""Clients that do not read their responses, and many idle ones: what they hold is bounded, and others are served."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from tests.edge.raw_http import Address, Raw, head, post
from tests.edge.sample import dispatcher
from tests.edge.test_connections import LARGE, until
from tests.support.thread_context import run_in_thread
from wallet_rpc.edge.accepting import Acceptor
from wallet_rpc.edge.bounded_http import BoundedHttpProtocol
from wallet_rpc.edge.connections import ConnectionLimits, Connections, Wait, raise_open_file_limit
from wallet_rpc.edge.drain import Drain
from wallet_rpc.edge.http import build_app, wallet_handlers

GET_LARGE = head(verb=b"GET", target=b"/large")
IDLE = 1000


class Body(bytearray):
    """A body that can be referenced weakly."""


class LargeApp:
    """The sample application, with a large response to `GET /large`."""

    def __init__(self) -> None:
        self._inner = build_app(wallet_handlers(dispatcher().dispatch))
        self.bodies: list[Callable[[], Body | None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/large":
            await self._inner(scope, receive, send)
            return
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LARGE)]},
        )
        body = Body(LARGE)
        self.bodies.append(weakref.ref(body))
        await send({"type": "http.response.body", "body": body})

    def has_sent(self, number: int) -> bool:
        """Return True when this number of large responses was sent."""
        return len(self.bodies) == number

    @property
    def kept(self) -> list[bool]:
        """For each body, whether it is in memory."""
        gc.collect()
        return [body() is not None for body in self.bodies]


@asynccontextmanager
async def _accept(app: ASGIApp, at: socket.socket, limits: ConnectionLimits) -> AsyncIterator[Connections]:
    """Serve as the listener does, and yield the connections."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    config.load()
    state, drain, loop = ServerState(), Drain(), asyncio.get_running_loop()
    connections = Connections(state.connections, limits, loop.time)
    acceptor = Acceptor(
        at, lambda: BoundedHttpProtocol(config, state, connections=connections, drain=drain), connections
    )
    acceptor.start()

    async def expire() -> None:
        while True:
            connections.expire()
            await asyncio.sleep(0.01)

    expiring = asyncio.create_task(expire())
    try:
        yield connections
    finally:
        expiring.cancel()
        with suppress(asyncio.CancelledError):
            await expiring
        acceptor.close()
        for each in list(state.connections):
            each.transport.abort()
        await asyncio.sleep(0)  # the connections are lost


@contextmanager
def accept(app: ASGIApp, limits: ConnectionLimits) -> Iterator[tuple[Address, Connections]]:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=2048) as at,
        run_in_thread(_accept(app, at, limits), loop_factory=uvloop.new_event_loop) as connections,
    ):
        yield at.getsockname(), connections


def limits(*, unsent: int = 1 << 40, **seconds: float) -> ConnectionLimits:
    named = {Wait[name]: value for name, value in seconds.items()}
    return ConnectionLimits(unsent_bytes=unsent, seconds={**dict.fromkeys(Wait, 3600.0), **named})


def test_what_a_client_does_not_read_is_freed_when_it_is_disconnected() -> None:
    app = LargeApp()
    with accept(app, limits(READING=1.0)) as (at, connections), Raw(at) as raw:
        raw.send(GET_LARGE)
        until(lambda: connections.unsent_bytes > LARGE // 2)
        assert app.kept == [True]

        until(lambda: connections.unsent_bytes == 0)

        until(lambda: app.kept == [False])
        assert len(raw.rest()) < LARGE


def test_the_slowest_readers_are_disconnected_when_too_many_bytes_wait() -> None:
    app = LargeApp()
    with accept(app, limits(unsent=2 * LARGE)) as (at, connections), ExitStack() as clients:
        readers = []
        for number in range(6):
            readers.append(clients.enter_context(Raw(at)).send(GET_LARGE))
            until(partial(app.has_sent, number + 1))
            with Raw(at) as other:
                assert other.send(post()).answer().status == 200
            assert connections.unsent_bytes <= 2 * LARGE + LARGE

        until(lambda: app.kept[0] is False)
        assert app.kept[-1] is True
        assert len(readers[0].rest()) < LARGE
        assert len(readers[-1].answer().body) == LARGE


def test_one_response_may_be_larger_than_all_that_may_wait() -> None:
    with accept(LargeApp(), limits(unsent=1000)) as (at, connections), Raw(at) as raw:
        raw.send(GET_LARGE)
        until(lambda: connections.unsent_bytes > 1000)

        assert len(raw.answer().body) == LARGE


def test_requests_are_answered_while_a_thousand_connections_are_idle() -> None:
    raise_open_file_limit()
    with accept(LargeApp(), limits()) as (at, _), ExitStack() as clients:
        idle = [clients.enter_context(Raw(at)) for _ in range(IDLE)]
        for each in idle[::2]:  # every other one has had an answer
            assert each.send(post()).answer().status == 200

        with Raw(at) as user:
            assert [user.send(post()).answer().status for _ in range(100)] == [200] * 100
        assert [each.send(post()).answer().status for each in idle] == [200] * IDLE
