"""Acceptor of connections: a few in one turn of the event loop, on a listening socket that stays open.

uvloop 0.23 closes a listening socket permanently when `accept` fails, for example while too many files are open. It
also accepts the whole backlog in one turn of the loop, before any connection can be closed to make room.

Where several worker processes accept on one socket, a worker with more connections than another lets that one go first.
Without it, the first to wake accepts all connections that open at once, such as those of a proxy, and keeps them.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
from collections.abc import Callable

from wallet_rpc.edge.connections import Connections
from wallet_rpc.edge.observe import log

_AT_ONCE = 16
"""The maximum number of connections that are accepted in one turn of the event loop."""
_BACKLOG = 2048
"""The number of connections that the kernel queues until they are accepted, as in uvicorn."""
_PAUSE_SECONDS = 0.1
"""The pause after a failed `accept`."""
_TURN_SECONDS = 0.005
"""The time in which workers with fewer connections may accept one, before a worker with more does."""
_NO_WORKER = 2**31 - 1


class WorkerShare:
    """The share of one worker in its server's connections, by numbers in memory that all workers share."""

    def __init__(self, counts: memoryview, place: int) -> None:
        self._counts = counts
        self._place = place

    def record(self, connections: int) -> None:
        """Record the number of the worker's connections."""
        self._counts[self._place] = connections

    def retire(self) -> None:
        """Record that the worker accepts no connections."""
        self._counts[self._place] = _NO_WORKER

    @property
    def is_ahead(self) -> bool:
        """True if another worker has fewer connections."""
        return bool(self._counts[self._place] > min(self._counts))


def create_shares(workers: int) -> list[WorkerShare]:
    """Create the shares of workers that are forked later, and that do not accept yet."""
    counts = memoryview(mmap.mmap(-1, 4 * workers)).cast("i")
    shares = [WorkerShare(counts, place) for place in range(workers)]
    for share in shares:
        share.retire()
    return shares


class Acceptor:
    """An acceptor of one socket's connections; it closes the connection that waits longest when files run out."""

    def __init__(
        self,
        at: socket.socket,
        make: Callable[[], asyncio.Protocol],
        connections: Connections,
        share: WorkerShare | None = None,
    ) -> None:
        self._at = at
        self._make = make
        self._connections = connections
        self._share = share
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._is_failing = False

    def start(self) -> None:
        """Start to listen."""
        self._at.setblocking(False)
        self._at.listen(_BACKLOG)
        self.record_connections()
        self._loop.add_reader(self._at, self._accept)

    def close(self) -> None:
        """Accept the connections that the kernel has queued, then stop accepting."""
        for _ in range(_BACKLOG):
            if not self._accept_one():
                break
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._at)
        if self._share is not None:
            self._share.retire()

    async def wait_closed(self) -> None:
        """Wait until the accepted connections are open."""
        await asyncio.gather(*self._connecting)

    def record_connections(self) -> None:
        """Record the number of connections for the other workers."""
        if self._share is not None:
            self._share.record(self._connections.count + len(self._connecting))

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            self.record_connections()
            if self._share is not None and self._share.is_ahead:
                self._loop.remove_reader(self._at)
                self._pause = self._loop.call_later(_TURN_SECONDS, self._take_turn)
                return
            if not self._accept_one():
                return

    def _take_turn(self) -> None:
        """Accept one connection that workers with fewer connections left."""
        self._loop.add_reader(self._at, self._accept)
        self._accept_one()

    def _accept_one(self) -> bool:
        """Accept one connection; False when there is none."""
        try:
            accepted, _ = self._at.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            self._fail(error)
            return False
        self._is_failing = False
        task = self._loop.create_task(self._open(accepted))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return True

    async def _open(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, accepted)
        except OSError:
            accepted.close()  # the client has disconnected

    def _fail(self, error: OSError) -> None:
        """Close a connection to free a file, and retry later; new connections stay in the kernel's backlog."""
        if not self._is_failing:
            log.warning("cannot_accept", why=error.strerror)
        self._is_failing = True
        self._connections.close_longest_waiting()
        self._loop.remove_reader(self._at)
        self._pause = self._loop.call_later(_PAUSE_SECONDS, self._loop.add_reader, self._at, self._accept)
