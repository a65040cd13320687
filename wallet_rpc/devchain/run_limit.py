"""Limit on the run time of one request's code, and ticks during a run at which other requests are answered.

A timer of this process's CPU time (`setitimer`, SIGPROF) interrupts the main thread in the middle of a run. It
interrupts pure Python and the integer arithmetic of precompiles alike. Each tick either ends the run or calls
`on_tick`. Runs do not change the chain state, so `on_tick` reads the last committed state.

Only runs are interrupted, not commits, writes to disk or requests to a forked chain's node.
"""

from __future__ import annotations

import _weakrefset
import gc
import signal
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from wallet_rpc.devchain.config import RUN_SECONDS
from wallet_rpc.devchain.node_errors import ExecutionTimeout

_T = TypeVar("_T")

FIRST_TICK_SECONDS = 0.1
"""The CPU time of a run before other requests are answered during it; shorter runs keep the order of requests."""
_TICK_SECONDS = 0.02
_AGAIN_SECONDS = 0.25
"""The CPU time after which a run that swallowed the interruption is interrupted again."""
_WEAK_REFERENCES = {module.__file__ for module in (weakref, _weakrefset)}
"""The files with the callbacks that run when a weakly referenced value is collected."""


class _EndOfRun(BaseException):
    """Interruption of a run. Not an Exception: py-evm swallows those while it applies authorizations."""


class RunLimit:
    """Limit on the CPU time of one request's runs, without effect outside the main thread, where no signal arrives."""

    def __init__(self, seconds: float = RUN_SECONDS) -> None:
        self.seconds = seconds
        self.on_tick: Callable[[], None] = _do_nothing
        """The callback at each tick of a run. It may read the chain; it must not run code or change anything."""
        self._left: float | None = None
        self._ends: float | None = None
        self._is_shielded = False

    def share(self, action: Callable[[], _T]) -> _T:
        """Run `action`, one request, and return its result; all runs within it share the time limit."""
        if self._left is not None:
            return action()
        self._left = self.seconds
        try:
            return action()
        finally:
            self._left = None

    def run(self, action: Callable[[], _T]) -> _T:
        """Run `action`, which must not change shared state, and return its result. Raises: ExecutionTimeout."""
        if self._ends is not None or threading.current_thread() is not threading.main_thread():
            return action()
        left = self.seconds if self._left is None else self._left
        if left <= 0:
            raise ExecutionTimeout(self.seconds)
        try:
            try:
                self._start(left)
                return action()
            finally:
                self._stop()
        except _EndOfRun:
            self._stop()  # the interruption may have come in the middle of the `_stop` above
            if self._left is not None:
                self._left = 0.0
            raise ExecutionTimeout(self.seconds) from None

    def shield(self, action: Callable[[], _T]) -> _T:
        """Run `action` without interruptions in the middle of a run, and return its result."""
        before, self._is_shielded = self._is_shielded, True
        try:
            return action()
        finally:
            self._is_shielded = before

    def _start(self, seconds: float) -> None:
        self._ends = time.thread_time() + seconds
        signal.signal(signal.SIGPROF, self._tick)
        signal.setitimer(signal.ITIMER_PROF, min(FIRST_TICK_SECONDS, seconds), _TICK_SECONDS)

    def _stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        ends, self._ends = self._ends, None
        if ends is not None and self._left is not None:
            self._left = ends - time.thread_time()

    def _tick(self, _number: int, frame: FrameType | None) -> None:
        if self._is_shielded or self._ends is None or _is_finalizing(frame):
            return
        now = time.thread_time()
        if now >= self._ends:
            self._ends = now + _AGAIN_SECONDS
            raise _EndOfRun
        self.shield(self.on_tick)
        if self._ends is not None:
            self._ends += time.thread_time() - now  # exclude the time of other requests


def _is_finalizing(frame: FrameType | None) -> bool:
    """Return True in a destructor or a garbage collector callback, where an exception would be lost."""
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename in _WEAK_REFERENCES or code in callbacks:
            return True
        frame = frame.f_back
    return False


def _do_nothing() -> None:
    """Do nothing: the default of `on_tick`."""
