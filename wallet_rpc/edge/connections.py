"""The connections of a server: how many there may be, and how long each may wait for its client.

The rule: a connection waits for its client or the server works for it. One that waits has a time limit and is the first
to be closed where there is no room for another; one that the server works for ends by the deadlines of the work.
"""

from __future__ import annotations

import enum
import resource
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

MAX_CONNECTIONS = 4096
"""How many connections there may be, whatever the limit on open files."""
SPARE_CONNECTIONS = 32
"""How many there may be beyond, while all others are being worked for: they serve `/health` alone."""
_RESERVED_FILES = 256
"""How many open files are kept for Redis, nodes, bundlers and the process itself."""


class Wait(enum.IntEnum):
    """What a connection waits for; a number, since it is looked up several times a request."""

    HEAD = 0
    """The head of the first request, or the rest of a later one's."""
    BODY = 1
    """The body of a request."""
    REST = 2
    """The end of a body that was answered unread."""
    NEXT = 3
    """The next request."""
    READING = 4
    """The client, which does not read."""
    CLOSE = 5
    """The client, which has to close."""


WAIT_SECONDS: Mapping[Wait, float] = {
    Wait.HEAD: 10.0,
    Wait.BODY: 60.0,  # the application gives up first, and says why (`guard.BODY_SECONDS`)
    Wait.REST: 10.0,
    Wait.NEXT: 75.0,
    Wait.READING: 30.0,
    Wait.CLOSE: 3.0,
}
"""How long a connection may wait. A head's time begins with the connection, or with the first byte of a later one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """The bounds of all connections together, and of the waiting of each."""

    connections: int = MAX_CONNECTIONS
    spare: int = SPARE_CONNECTIONS
    seconds: Mapping[Wait, float] = field(default_factory=lambda: WAIT_SECONDS)


class Connection(Protocol):
    """A connection, as `Connections` sees it."""

    wait: Wait | None
    """What it waits for, as last noted; None: for nothing, the server works for it."""
    is_spare: bool
    """True: it was opened beyond the bound, and serves `/health` alone."""

    def expire(self) -> None:
        """End a wait that took too long."""

    def abort(self) -> None:
        """Close at once."""


class Connections:
    """Notes what each connection waits for, and closes those that wait too long or for which there is no room."""

    def __init__(self, opened: set[Any], limits: ConnectionLimits, clock: Callable[[], float]) -> None:
        self._opened = opened
        self._limits = limits
        self._clock = clock
        self._waiting: list[OrderedDict[Connection, float]] = [OrderedDict() for _ in Wait]

    def make_room(self) -> bool:
        """Make room for a connection that was just opened and is counted already.

        False: it is a spare one, since all others are being worked for; with `is_full`, there is no place even for it.
        """
        most = self._limits.connections
        if len(self._opened) > most and not self._close_longest_waiting(is_spare=False) and self.is_full:
            self._close_longest_waiting(is_spare=True)
        return len(self._opened) <= most

    @property
    def is_full(self) -> bool:
        """True when there are more connections than even the spare ones make up for."""
        return len(self._opened) > self._limits.connections + self._limits.spare

    def note(self, connection: Connection, wait: Wait | None) -> None:
        """Note what a connection waits for from now on; None: for nothing, or it is gone."""
        if wait is connection.wait:
            return
        if connection.wait is not None:
            del self._waiting[connection.wait][connection]
        connection.wait = wait
        if wait is not None:
            self._waiting[wait][connection] = self._clock()

    def close_longest_waiting(self) -> None:
        """Close the connection that has waited for its client longest, if one waits."""
        if not self._close_longest_waiting(is_spare=False):
            self._close_longest_waiting(is_spare=True)

    def _close_longest_waiting(self, *, is_spare: bool) -> bool:
        found = [
            next(((since, each) for each, since in queue.items() if each.is_spare is is_spare), None)
            for queue in self._waiting
        ]
        waiting = [each for each in found if each is not None]
        if not waiting:
            return False
        _, connection = min(waiting, key=lambda each: each[0])
        self.note(connection, None)
        self._opened.discard(connection)  # it is on its way out, and counts no more
        connection.abort()
        return True

    def expire(self) -> None:
        """End every wait that took too long."""
        now = self._clock()
        for wait in Wait:
            queue, ends = self._waiting[wait], now - self._limits.seconds[wait]
            while queue and next(iter(queue.values())) <= ends:
                connection = next(iter(queue))
                self.note(connection, None)
                connection.expire()


def raise_open_file_limit() -> None:
    """Raise the limit on open files to the highest that this process may set."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        return  # macOS names a hard limit that it does not grant: the soft one stays


def connection_limit() -> int:
    """The number of connections that the limit on open files has room for, beside what the server itself opens."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files - min(_RESERVED_FILES, files * 3 // 4) - SPARE_CONNECTIONS))
