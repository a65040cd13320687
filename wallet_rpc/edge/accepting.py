"""Accepting connections: a few at a time, and on a socket that is never given up.

uvloop 0.23 closes a listening socket for good when accepting fails, as it does while too many files are open, and
accepts the whole backlog in one turn of the loop, before any connection could be closed to make room.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from wallet_rpc.edge.connections import Connections
from wallet_rpc.edge.observe import log

_AT_ONCE = 16
"""How many connections are accepted in one turn of the event loop."""
_BACKLOG = 2048
"""How many connections the kernel keeps until they are accepted; as uvicorn has it."""
_PAUSE_SECONDS = 0.1
"""How long nothing is accepted when accepting has failed."""


class Acceptor:
    """Accepts connections of one socket, each for a new protocol; closes the longest waiting where files run out."""

    def __init__(self, at: socket.socket, make: Callable[[], asyncio.Protocol], connections: Connections) -> None:
        self._at = at
        self._make = make
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._is_failing = False

    def start(self) -> None:
        """Listen."""
        self._at.setblocking(False)
        self._at.listen(_BACKLOG)
        self._loop.add_reader(self._at, self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._at)

    async def wait_closed(self) -> None:
        """Wait for the connections that are being opened."""
        await asyncio.gather(*self._opening)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = self._at.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._fail(error)
                return
            self._is_failing = False
            task = self._loop.create_task(self._open(accepted))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, accepted)
        except OSError:
            accepted.close()  # the client is gone already

    def _fail(self, error: OSError) -> None:
        """Free a file, and try again later: the connection stays in the kernel's backlog."""
        if not self._is_failing:
            log.warning("cannot_accept", why=error.strerror)
        self._is_failing = True
        self._connections.close_longest_waiting()
        self._loop.remove_reader(self._at)
        self._pause = self._loop.call_later(_PAUSE_SECONDS, self._loop.add_reader, self._at, self._accept)
