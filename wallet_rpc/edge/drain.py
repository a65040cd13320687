"""Drain of a server that is asked to end: running work may finish within some time, and the rest is cut.

The listener begins the drain and cuts the work. Requests, and work in the background of the application, run within
time limits of the drain of their server, which `current_drain` returns.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from wallet_rpc.time_limits import TimeLimit

CUT_TEXT = "the server shuts down and has cut this request, which may still take effect; send it again"
"""The message of `ShuttingDown`."""
DRAIN_SECONDS = 8.0
"""The default time for running work to finish; `docker stop` kills a container after 10 s."""


class DrainLimit(TimeLimit):
    """A time limit that the end of its `TimeLimits` ends."""

    __slots__ = ("_running",)

    def __init__(self, until: float | None, running: set[DrainLimit]) -> None:
        super().__init__(until)
        self._running = running

    def __enter__(self) -> Self:
        self._running.add(self)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.discard(self)
        super().__exit__(kind, error, trace)

    def release(self) -> None:
        """Let the work within this limit finish when the limits end."""
        self._running.discard(self)


class TimeLimits:
    """The time limits of running work of one kind, which can all be ended early."""

    def __init__(self) -> None:
        self._running: set[DrainLimit] = set()
        self._ends_at: float | None = None

    def limit(self, until: float | None = None) -> DrainLimit:
        """Return a limit that expires at the loop time `until`, or when the limits end."""
        return DrainLimit(until if self._ends_at is None else _earliest(until, self._ends_at), self._running)

    def end(self, at: float) -> None:
        """End all limits at the loop time `at`, unless they end earlier; also those of work that starts later."""
        self._ends_at = _earliest(self._ends_at, at)
        for limit in self._running:
            limit.end(at)

    @property
    def have_ended(self) -> bool:
        """True once the limits have ended for all work."""
        return self._ends_at is not None and asyncio.get_running_loop().time() >= self._ends_at


class Drain:
    """The drain of one server, which begins with its first signal and ends with its process."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        """Set when the server is asked to end; work in the background should then take nothing new."""
        self.operations = TimeLimits()
        """The limits of operations; each that is cut gets its own error response."""
        self.requests = TimeLimits()
        """The limits of whole requests, up to the start of their response."""
        self.background = TimeLimits()
        """The limits of work in the background, which ends with the time of the drain, or with a second signal.

        The context of the application is closed after the requests are done, and then finishes such work:
        `with current_drain().background.limit(): await workers.finish()`.
        """

    @property
    def is_draining(self) -> bool:
        """True once the drain has begun."""
        return self.begun.is_set()

    def begin(self, until: float) -> None:
        """Begin the drain, which has time until the loop time `until`."""
        self.begun.set()
        self.background.end(until)


def _earliest(*times: float | None) -> float | None:
    return min((each for each in times if each is not None), default=None)


_drain: ContextVar[Drain | None] = ContextVar("drain", default=None)


def current_drain() -> Drain:
    """Return the drain of the server that runs this request or this application; without a server, a new one."""
    drain = _drain.get()
    return Drain() if drain is None else drain


def set_current_drain(drain: Drain) -> None:
    """Set the drain of the server for this task, and for those that it starts."""
    _drain.set(drain)
