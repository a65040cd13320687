"""Measurement of event loop pauses: between two polls of the selector, no other event is served.

Pauses are measured in processor time of the whole process. A busy machine and waiting do not count; a thread that holds
the GIL does.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import time
from collections.abc import Callable


class _Selector(selectors.DefaultSelector):
    """Selector that records the longest processor time between two polls."""

    def __init__(self) -> None:
        super().__init__()
        self.longest_seconds = 0.0
        self._since: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._since is not None:
            self.longest_seconds = max(self.longest_seconds, time.process_time() - self._since)
        found = super().select(timeout)
        self._since = time.process_time()
        return found


class Watch:
    """Pause measurement for one event loop, which it creates."""

    def __init__(self) -> None:
        self._selector = _Selector()

    def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(self._selector)

    def restart(self) -> None:
        """Reset the longest pause to zero."""
        self._selector.longest_seconds = 0.0

    @property
    def longest_seconds(self) -> float:
        """Longest pause since the last `restart`, in seconds of processor time."""
        return self._selector.longest_seconds


MAX_RATIO = 3.0
"""Maximum pause, as a multiple of the reference."""
TRIES = 20
"""Maximum attempts: a garbage collection of the test itself may lengthen one pause."""
_MEMBERS = json.dumps({str(number): [number] for number in range(20_000)})


def _reference_seconds() -> float:
    """Return the processor time of a fixed piece of work, half arithmetic and half memory: about 1/30 second."""
    started = time.thread_time()
    sum(number for number in range(500_000))
    json.loads(_MEMBERS)
    return time.thread_time() - started


def assert_short(measure: Callable[[], float]) -> None:
    """Assert that at least one pause that `measure` returns, in seconds, is short.

    The reference is measured before and after each attempt, since the speed of a shared machine changes meanwhile.
    """
    ratios: list[float] = []
    before = _reference_seconds()
    while len(ratios) < TRIES and (not ratios or min(ratios) > MAX_RATIO):
        pause = measure()
        after = _reference_seconds()
        ratios.append(pause / max(before, after))
        before = after
    assert min(ratios) <= MAX_RATIO
