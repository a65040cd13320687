"""Time limits of awaited work, with one timer of the event loop for all of them.

`asyncio.timeout` starts and stops a timer for every block, which costs a request more than its work in the block.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any, Self


class TimeLimit:
    """Limit on a block of awaited work, as `asyncio.timeout_at`: `with TimeLimit(until):`.

    At the loop time `until` (None: never) it cancels the task that runs the block, and the block raises TimeoutError.
    """

    __slots__ = ("_cancellations", "_limits", "_task", "has_expired", "until")

    def __init__(self, until: float | None) -> None:
        self.until = until
        self.has_expired = False
        """True once the limit has cancelled the task."""

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Return a limit that expires `seconds` from now."""
        return cls(asyncio.get_running_loop().time() + seconds)

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = asyncio.current_task(loop)
        if self._task is None:
            raise RuntimeError("a time limit needs a task to cancel")
        self._cancellations = self._task.cancelling()
        limits = _of_thread.limits
        if limits is None or limits.loop is not loop:
            limits = _of_thread.limits = _LoopLimits(loop)
        self._limits = limits
        limits.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limits.running.discard(self)
        task, self._task = self._task, None
        is_last = self.has_expired and task is not None and task.uncancel() <= self._cancellations
        if is_last and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error  # the block was cancelled by this limit only

    def end(self, at: float) -> None:
        """Let the limit expire at the loop time `at` at the latest."""
        self.until = at if self.until is None else min(self.until, at)
        if self._task is not None:
            self._limits.add(self)

    def expire(self) -> None:
        """Cancel the task, once."""
        if self._task is not None and not self.has_expired:
            self.has_expired = True
            self._task.cancel()


class _LoopLimits:
    """The time limits of one event loop; its timer runs until the earliest of them, or of earlier ones."""

    __slots__ = ("_timer", "_timer_ends_at", "loop", "running")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.running: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ends_at = float("inf")

    def add(self, limit: TimeLimit) -> None:
        self.running.add(limit)
        if limit.until is not None and limit.until < self._timer_ends_at:
            self._start_timer(limit.until)

    def _start_timer(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ends_at = until
        self._timer = self.loop.call_at(until, self._expire)

    def _expire(self) -> None:
        now = self.loop.time()
        self._timer = None
        self._timer_ends_at = float("inf")
        pending = [limit for limit in self.running if limit.until is not None and not limit.has_expired]
        for limit in pending:
            if limit.until is not None and limit.until <= now:
                limit.expire()
        left = [limit.until for limit in pending if limit.until is not None and not limit.has_expired]
        if left:
            self._start_timer(min(left))


class _ThreadLimits(threading.local):
    """The time limits of the loop that a thread ran last; a server has one loop, and tests have one after another."""

    limits: _LoopLimits | None = None


_of_thread = _ThreadLimits()
