"""The bound on the time that code runs for one request, and the ticks at which other requests are answered.

A timer of this process's CPU time (`setitimer`, SIGPROF) interrupts the main thread in the middle of a run, in pure
Python and in the integer arithmetic of precompiles alike. Each tick either ends the run or calls `on_tick`. No state is
changed during a run, so `on_tick` reads the last committed state.

The rule: only runs are interrupted. Commits, writes to disk and requests to a forked chain's node are not.
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

T = TypeVar("T")

FIRST_TICK_SECONDS = 0.1
"""The CPU time of a run before others are answered during it; shorter runs keep the order of requests."""
_TICK_SECONDS = 0.02
_AGAIN_SECONDS = 0.25
"""The CPU time after which a run that swallowed the end is ended again."""
_WEAK_REFERENCES = {module.__file__ for module in (weakref, _weakrefset)}
"""The files of the callbacks that run when a weakly referenced value dies."""


class _EndOfRun(BaseException):
    """Raised in the middle of a run. Not an Exception: py-evm swallows those while it applies authorizations."""


class RunLimit:
    """The CPU time of one request's runs. Outside of the main thread, where no signal arrives, it does not bound."""

    def __init__(self, seconds: float = RUN_SECONDS) -> None:
        self.seconds = seconds
        self.on_tick: Callable[[], None] = _do_nothing
        """Called at each tick of a run. It may read the chain; it must not run code or change anything."""
        self._left: float | None = None
        self._ends: float | None = None
        self._is_shielded = False

    def share(self, action: Callable[[], T]) -> T:
        """The result of `action`, one request, whose runs have the time together."""
        if self._left is not None:
            return action()
        self._left = self.seconds
        try:
            return action()
        finally:
            self._left = None

    def run(self, action: Callable[[], T]) -> T:
        """The result of `action`, which changes nothing that others see. Raises: ExecutionTimeout."""
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
            self._stop()  # the end may have come in the middle of the one above
            if self._left is not None:
                self._left = 0.0
            raise ExecutionTimeout(self.seconds) from None

    def shield(self, action: Callable[[], T]) -> T:
        """The result of `action`, which must not be interrupted in the middle of a run."""
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
            self._ends += time.thread_time() - now  # the time of others is not the run's


def _is_finalizing(frame: FrameType | None) -> bool:
    """True when the interpreter runs a destructor or a callback of the collector, where an exception would be lost."""
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename in _WEAK_REFERENCES or code in callbacks:
            return True
        frame = frame.f_back
    return False


def _do_nothing() -> None:
    """The default for `on_tick`."""
