"""Limits on the connections of a server: their number, and the time that each may wait for its client.

Responses that clients do not read are limited too: in the time that they may wait, and in the sum of their bytes.

A connection either waits for its client or is busy with a request. A waiting one has a time limit and is closed first
when there is no room for another. A busy one ends by the deadline of its request.
"""

from __future__ import annotations

import enum
import resource
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

MAX_CONNECTIONS = 4096
"""The maximum number of connections, whatever the limit on open files."""
SPARE_CONNECTIONS = 32
"""The number of further connections while all others are busy; they serve only `/health`."""
UNSENT_BYTES = 64 << 20
"""The maximum sum of the bytes that wait for clients to read them, besides those of the newest such client."""
BUFFER_BYTES = 16 << 10
"""The number of unsent bytes of a connection from which its client counts as reading too slowly."""
_RESERVED_FILES = 256
"""The number of open files reserved for Redis, nodes, bundlers and the process itself."""


class ConnectionCut(BaseException):
    """The application closes the connection of a request without a response; no handler of errors catches it."""


class Wait(enum.IntEnum):
    """The event for which a connection waits; an integer, since it is looked up several times a request."""

    HEAD = 0
    """The head of the first request, or the rest of a later request's head."""
    BODY = 1
    """The body of a request."""
    REST = 2
    """The end of a body whose request was answered before it was read."""
    NEXT = 3
    """The next request."""
    READING = 4
    """The client's read of the responses that were sent to it."""
    CLOSE = 5
    """The end of the connection, which the client must close."""


WAIT_SECONDS: Mapping[Wait, float] = {
    Wait.HEAD: 10.0,
    Wait.BODY: 10.0,
    Wait.REST: 10.0,
    Wait.NEXT: 75.0,
    Wait.READING: 30.0,
    Wait.CLOSE: 3.0,
}
"""The maximum wait in seconds. The wait for a head begins with the connection or with a later head's first byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """The limits on the number of connections and on the wait of each."""

    connections: int = MAX_CONNECTIONS
    spare: int = SPARE_CONNECTIONS
    unsent_bytes: int = UNSENT_BYTES
    seconds: Mapping[Wait, float] = field(default_factory=lambda: WAIT_SECONDS)


class Connection(Protocol):
    """A connection that `Connections` manages."""

    wait: Wait | None
    """The current wait; None if the connection is busy."""
    is_spare: bool
    """True if it was opened beyond the limit and serves only `/health`."""

    @property
    def unsent_bytes(self) -> int:
        """The number of bytes of responses that are not sent yet."""

    def expire(self) -> None:
        """End a wait that took too long."""

    def abort(self) -> None:
        """Close the connection immediately."""


class Connections:
    """The open connections with their waits; closes those that wait too long or for which there is no room."""

    def __init__(self, opened: set[Any], limits: ConnectionLimits, clock: Callable[[], float]) -> None:
        self._opened = opened
        self._limits = limits
        self._clock = clock
        self._waiting: list[OrderedDict[Connection, float]] = [OrderedDict() for _ in Wait]

    @property
    def count(self) -> int:
        """The number of open connections."""
        return len(self._opened)

    def make_room(self) -> bool:
        """Make room for a connection that was just opened and is counted already.

        False makes it a spare one, since all others are busy. If `is_full` is also True, there is no room at all.
        """
        limit = self._limits.connections
        if len(self._opened) > limit and not self._close_longest_waiting(is_spare=False) and self.is_full:
            self._close_longest_waiting(is_spare=True)
        return len(self._opened) <= limit

    @property
    def is_full(self) -> bool:
        """True if there are more connections than the limit and the spare ones together."""
        return len(self._opened) > self._limits.connections + self._limits.spare

    def note(self, connection: Connection, wait: Wait | None) -> None:
        """Record the wait of a connection from now on; None if it is busy or closed."""
        if wait is connection.wait:
            return
        if connection.wait is not None:
            del self._waiting[connection.wait][connection]
        connection.wait = wait
        if wait is not None:
            self._waiting[wait][connection] = self._clock()
        if wait is Wait.READING:
            self._limit_unsent_bytes()

    @property
    def unsent_bytes(self) -> int:
        """The number of bytes that wait for clients that read too slowly."""
        return sum(each.unsent_bytes for each in self._waiting[Wait.READING])

    def _limit_unsent_bytes(self) -> None:
        """Close the connections whose clients have read too slowly for longest, if too many bytes wait for them."""
        unsent = self.unsent_bytes
        *readers, _newest = self._waiting[Wait.READING]
        for each in readers:
            if unsent <= self._limits.unsent_bytes:
                break
            unsent -= each.unsent_bytes
            self._abort(each)

    def close_longest_waiting(self) -> None:
        """Close the connection that has waited for its client longest, if any waits."""
        if not self._close_longest_waiting(is_spare=False):
            self._close_longest_waiting(is_spare=True)

    def _close_longest_waiting(self, *, is_spare: bool) -> bool:
        oldest = [
            next(((since, each) for each, since in queue.items() if each.is_spare is is_spare), None)
            for queue in self._waiting
        ]
        candidates = [each for each in oldest if each is not None]
        if not candidates:
            return False
        _, connection = min(candidates, key=lambda each: each[0])
        self._abort(connection)
        return True

    def _abort(self, connection: Connection) -> None:
        self.note(connection, None)
        self._opened.discard(connection)  # it is closing and no longer counts
        connection.abort()

    def expire(self) -> None:
        """End every wait that took too long."""
        now = self._clock()
        for wait in Wait:
            queue = self._waiting[wait]
            latest_start = now - self._limits.seconds[wait]
            while queue and next(iter(queue.values())) <= latest_start:
                connection = next(iter(queue))
                self.note(connection, None)
                connection.expire()


def raise_open_file_limit() -> None:
    """Raise the limit on open files to the maximum that this process may set."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        return  # macOS reports a hard limit that it does not grant; the soft limit stays


def connection_limit() -> int:
    """Return the number of connections that the limit on open files allows, less the files of the server itself."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files - min(_RESERVED_FILES, files * 3 // 4) - SPARE_CONNECTIONS))
