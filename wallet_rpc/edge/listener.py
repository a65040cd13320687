"""Listener: binds the socket, before anything is started, so that a port in use fails early; then runs the server."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.domain.secret_text import format_received
from wallet_rpc.edge.accepting import Acceptor, WorkerShare
from wallet_rpc.edge.bounded_http import BoundedHttpProtocol
from wallet_rpc.edge.bounded_websocket import BoundedWebSocketProtocol
from wallet_rpc.edge.connections import ConnectionLimits, Connections, connection_limit
from wallet_rpc.edge.drain import DRAIN_SECONDS, Drain, set_current_drain
from wallet_rpc.edge.guard import MAX_BODY_BYTES
from wallet_rpc.edge.observe import log


def bind_socket(settings: Settings, prefix: Literal["", "metrics_"] = "") -> socket.socket:
    """Bind a socket to the address of two settings: `host` and `port` after a prefix.

    Raises: SettingError when that is not possible.
    """
    host, port = f"{prefix}host", f"{prefix}port"
    name, number = getattr(settings, host), getattr(settings, port)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            name, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):  # UnicodeError: not a valid name, found before any look-up
        raise _foreign_host(host, name) from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise _foreign_host(host, name) from None
        raise SettingError(f"{variable(port)}: cannot listen on {name} port {number}: {error.strerror}") from None
    return listener


def _foreign_host(setting: str, name: str) -> SettingError:
    return SettingError(f"{variable(setting)}: expected an address of this machine{format_received(name)}")


def listener_url(listener: socket.socket) -> str:
    """Return the URL at which clients on this machine reach the socket."""
    return host_url(*listener.getsockname()[:2])


def host_url(host: str, port: int) -> str:
    """Return the URL at which clients on this machine reach a port bound to `host`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # nothing is bound here
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


_NEW_OBJECTS = 50_000
"""The number of new containers that triggers the garbage collector: as many as a request may hold."""


def tune_collector() -> None:
    """Exclude the objects of start-up, which live as long as the process, from garbage collection, and run it rarely.

    With Python's default of 700 new containers, it would scan the objects of a large request many times.
    """
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)


_ARRIVAL_SECONDS = 0.1
"""The time in which requests that the kernel has received are read, before idle connections are closed."""
_CUT_SECONDS = 0.5
"""The maximum time for each of the last steps: error responses of operations, those of requests, their sending."""
_TICK_SECONDS = 0.02


class _Server(uvicorn.Server):
    """A uvicorn server without access log (the app logs requests) and without signal handlers.

    uvicorn 0.54 raises a received signal again after shutdown, which would end the process before it closes its
    resources. `Acceptor` and `Connections` replace its handling of connections.
    """

    def __init__(
        self,
        app: ASGIApp,
        drain: Drain,
        *,
        drain_seconds: float = DRAIN_SECONDS,
        on_ready: Callable[[], None] = lambda: None,
        limits: ConnectionLimits | None = None,
        share: WorkerShare | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,  # the caller's address is that of the connection
                ws=BoundedWebSocketProtocol,
                ws_max_size=MAX_BODY_BYTES,
                ws_per_message_deflate=False,  # a short message could become a very long one
            )
        )
        self._drain = drain
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._limits = ConnectionLimits(connections=connection_limit()) if limits is None else limits
        self._share = share

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then call `on_ready`."""
        clock = asyncio.get_running_loop().time
        self._connections = Connections(self.server_state.connections, self._limits, clock)
        self.servers: list[Acceptor] = []  # type: ignore[assignment]  # uvicorn closes them as its own servers
        for listener in sockets or ():
            acceptor = Acceptor(listener, self._protocol, self._connections, self._share)
            acceptor.start()
            self.servers.append(acceptor)
        self.started = True
        tune_collector()
        self._on_ready()

    def _protocol(self) -> BoundedHttpProtocol:
        return BoundedHttpProtocol(self.config, self.server_state, connections=self._connections, drain=self._drain)

    async def on_tick(self, counter: int) -> bool:
        """End waits that took too long; uvicorn calls this ten times a second."""
        self._connections.expire()
        for acceptor in self.servers:
            acceptor.record_connections()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, finish the running requests within the drain's time, and cut the rest.

        With `force_exit`, set at any time, the rest is cut immediately.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._drain_seconds
        self._drain.begin(until)
        for acceptor in self.servers:
            acceptor.close()
        for listener in sockets or ():
            listener.close()
        await asyncio.sleep(_ARRIVAL_SECONDS)
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if not await self._is_idle(until):
            await self._cut()

    async def _is_idle(self, until: float) -> bool:
        """Wait for the end of all requests and connections until the loop time `until`; False when some are left."""
        state, loop = self.server_state, asyncio.get_running_loop()
        while state.tasks or state.connections:
            if self.force_exit or loop.time() >= until:
                return False
            self._connections.expire()
            await asyncio.sleep(_TICK_SECONDS)
        return True

    async def _cut(self) -> None:
        """Cut what still runs: operations, then requests, each with a response; at last connections and tasks."""
        state, loop = self.server_state, asyncio.get_running_loop()
        if state.tasks:
            log.warning("requests_cut", requests=len(state.tasks), seconds=self._drain_seconds)
        for limits in (self._drain.operations, self._drain.requests):
            limits.end(loop.time())
            if state.tasks:
                await asyncio.wait(state.tasks, timeout=_CUT_SECONDS)
        await asyncio.sleep(_TICK_SECONDS)  # the responses are sent
        await self._is_idle(loop.time() + _CUT_SECONDS)
        for connection in list(state.connections):
            connection.transport.abort()
        for task in state.tasks:
            task.cancel()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_CUT_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
        yield


class Shutdown:
    """The end of a server, while it starts or runs."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._starting = asyncio.current_task()
        self._server: _Server | None = None
        self.is_begun = False

    def begin(self) -> None:
        """Drain the server, or cancel its start."""
        if self._server is not None:
            self._server.should_exit = True
        elif self._starting is not None and not self.is_begun:
            self._starting.cancel()
        self.is_begun = True

    def cut(self) -> None:
        """Cut what still runs, once the shutdown has begun."""
        if self._server is not None:
            self._server.force_exit = True
            self._drain.background.end(asyncio.get_running_loop().time())

    def attach(self, server: _Server) -> None:
        """Set the server once its start is over."""
        self._server = server


def end_on_signals(shutdown: Shutdown) -> None:
    """Begin the shutdown at the first SIGINT or SIGTERM, and cut at the second."""

    def handle_signal(number: signal.Signals) -> None:
        if shutdown.is_begun:
            shutdown.cut()
        else:
            log.info("server_stopping", reason=number.name)
            shutdown.begin()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, handle_signal, number)


async def serve_until_shutdown(
    app_context: AbstractAsyncContextManager[ASGIApp],
    at: socket.socket,
    *,
    drain_seconds: float = DRAIN_SECONDS,
    on_ready: Callable[[], None] = lambda: None,
    watch: Callable[[Shutdown], None] = end_on_signals,
    share: WorkerShare | None = None,
) -> None:
    """Open the app and serve it until the shutdown begins, also during start-up, then close it.

    Running requests, then work in the background of the app, have `drain_seconds` together to finish. `on_ready` is
    called when the server listens. `watch` is called first; it arranges for the shutdown.
    """
    drain = Drain()
    set_current_drain(drain)
    shutdown = Shutdown(drain)
    watch(shutdown)
    try:
        async with app_context as app:
            server = _Server(app, drain, drain_seconds=drain_seconds, on_ready=on_ready, share=share)
            shutdown.attach(server)
            await server.serve(sockets=[at])
    except asyncio.CancelledError:
        if not shutdown.is_begun:
            raise


@asynccontextmanager
async def serve_in_background(
    app: ASGIApp,
    at: socket.socket,
    *,
    limits: ConnectionLimits | None = None,
    drain_seconds: float = DRAIN_SECONDS,
) -> AsyncIterator[str]:
    """Serve in the background while the block runs, and yield the URL; `limits` default to the open file limit."""
    server = _Server(app, Drain(), drain_seconds=drain_seconds, limits=limits)
    serving = asyncio.create_task(server.serve(sockets=[at]))
    while not server.started:
        if serving.done():
            await serving
            raise SettingError(f"{variable('port')}: the server ended before it listened")
        await asyncio.sleep(0.01)
    try:
        yield listener_url(at)
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving
