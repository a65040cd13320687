"""Measurement of event loop pauses: between two polls of the selector, no other event is served.

Pauses are measured in processor time of the whole process. A busy machine and waiting do not count; a thread that holds
the GIL does.
"""

from __future__ import annotations

import asyncio
import selectors
import time


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


def reference_seconds() -> float:
    """Return the processor time of a fixed piece of work: about 1/30 second on the original machine."""
    best = 9.0
    for _ in range(3):
        started = time.thread_time()
        sum(number for number in range(1_000_000))
        best = min(best, time.thread_time() - started)
    return best
