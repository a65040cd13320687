"""Listening: a socket first, so that a port in use is said before anything is started; then the server on it."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.domain.secret_text import format_received
from wallet_rpc.edge.accepting import Acceptor
from wallet_rpc.edge.bounded_http import BoundedHttpProtocol
from wallet_rpc.edge.connections import ConnectionLimits, Connections, connection_limit


def bind_socket(settings: Settings) -> socket.socket:
    """A socket on the settings' host and port. Raises: SettingError that says why there is none."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):  # a name that is no name is not even looked up
        raise _not_of_this_machine(settings) from None
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise _not_of_this_machine(settings) from None
        raise SettingError(
            f"{variable('port')}: cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        ) from None
    return made


def _not_of_this_machine(settings: Settings) -> SettingError:
    return SettingError(f"{variable('host')}: expected an address of this machine{format_received(settings.host)}")


def listener_url(listener: socket.socket) -> str:
    """Where clients on this machine reach the socket."""
    return host_url(*listener.getsockname()[:2])


def host_url(host: str, port: int) -> str:
    """The URL of a port of this machine, listening at `host`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # the other way round: to a host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


_NEW_OBJECTS = 50_000
"""How many new containers make the garbage collector look: as many as a request may hold."""


def tune_collector() -> None:
    """Have the garbage collector pass over what start-up made, which lives as long as the process, and look seldom.

    After Python's 700 new containers each it would look through all that a large request holds while that is made.
    """
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)


class _Server(uvicorn.Server):
    """Silent (the app itself writes the one log line a request has), and without handlers of its own for signals.

    uvicorn 0.54 raises a signal that ended it once more, which would end the process before its parts are put away.
    Connections are accepted, bounded and timed by our own code.
    """

    def __init__(
        self, app: ASGIApp, on_ready: Callable[[], None] = lambda: None, limits: ConnectionLimits | None = None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,  # who calls is who connects
                timeout_graceful_shutdown=5,
            )
        )
        self._on_ready = on_ready
        self._limits = ConnectionLimits(connections=connection_limit()) if limits is None else limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        opened, clock = self.server_state.connections, asyncio.get_running_loop().time
        self._connections = Connections(opened, self._limits, clock)
        self.servers: list[Acceptor] = []  # type: ignore[assignment]  # closed and waited for as uvicorn's are
        for at in sockets or ():
            self.servers.append(Acceptor(at, self._protocol, self._connections))
            self.servers[-1].start()
        self.started = True
        tune_collector()
        self._on_ready()

    def _protocol(self) -> BoundedHttpProtocol:
        return BoundedHttpProtocol(self.config, self.server_state, {}, connections=self._connections)

    async def on_tick(self, counter: int) -> bool:
        """End waits that took too long, ten times a second."""
        self._connections.expire()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve_until_signal(
    app_context: AbstractAsyncContextManager[ASGIApp], at: socket.socket, *, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Open the app, serve it, and put everything away when SIGINT or SIGTERM comes, however early that is.

    Requests that run are finished first; a second signal does not wait for them. `tell` is called when it listens.
    """
    whole, server, signals = asyncio.current_task(), None, 0

    def handle_signal() -> None:
        nonlocal signals
        signals += 1
        if server is not None:
            server.should_exit, server.force_exit = True, signals > 1
        elif whole is not None and signals == 1:
            whole.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, handle_signal)
    try:
        async with app_context as app:
            server = _Server(app, on_ready)
            await server.serve(sockets=[at])
    except asyncio.CancelledError:
        if signals == 0:
            raise


@asynccontextmanager
async def serve_in_background(
    app: ASGIApp, at: socket.socket, *, limits: ConnectionLimits | None = None
) -> AsyncIterator[str]:
    """Serve in the background while the block runs; gives the URL. Without limits, those of open files hold."""
    server = _Server(app, limits=limits)
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
