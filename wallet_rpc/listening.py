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

from wallet_rpc.settings import Settings, WrongSetting, variable


def bound(settings: Settings) -> socket.socket:
    """A socket on the settings' host and port. Raises: WrongSetting that says why there is none."""
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
        raise WrongSetting(
            f"{variable('port')}: cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        ) from None
    return made


def _not_of_this_machine(settings: Settings) -> WrongSetting:
    return WrongSetting(f"{variable('host')}: {settings.host!r} is not an address of this machine")


def url_of(listening: socket.socket) -> str:
    """Where clients on this machine reach the socket."""
    return at_host(*listening.getsockname()[:2])


def at_host(host: str, port: int) -> str:
    """The URL of a port of this machine, listening at `host`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # the other way round: to a host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Silent (the app itself writes the one log line a request has), and without handlers of its own for signals.

    uvicorn 0.54 raises a signal that ended it once more, which would end the process before its parts are put away.
    """

    def __init__(self, app: ASGIApp, tell: Callable[[], None] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,  # who calls is who connects
                timeout_graceful_shutdown=5,
                timeout_keep_alive=75,
            )
        )
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        await super().startup(sockets)
        gc.freeze()  # what start-up made lives as long as the process: the collector need not look at it again
        self._tell()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve_until_told(
    opening: AbstractAsyncContextManager[ASGIApp], at: socket.socket, *, tell: Callable[[], None] = lambda: None
) -> None:
    """Open the app, serve it, and put everything away when SIGINT or SIGTERM comes, however early that is.

    Requests that run are finished first; a second signal does not wait for them. `tell` is called when it listens.
    """
    whole, server, signals = asyncio.current_task(), None, 0

    def told() -> None:
        nonlocal signals
        signals += 1
        if server is not None:
            server.should_exit, server.force_exit = True, signals > 1
        elif whole is not None and signals == 1:
            whole.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told)
    try:
        async with opening as app:
            server = _Server(app, tell)
            await server.serve(sockets=[at])
    except asyncio.CancelledError:
        if signals == 0:
            raise


@asynccontextmanager
async def listening(app: ASGIApp, at: socket.socket) -> AsyncIterator[str]:
    """Serve in the background while the block runs; gives the URL."""
    server = _Server(app)
    serving = asyncio.create_task(server.serve(sockets=[at]))
    while not server.started:
        if serving.done():
            await serving
            raise WrongSetting(f"{variable('port')}: the server ended before it listened")
        await asyncio.sleep(0.01)
    try:
        yield url_of(at)
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving
