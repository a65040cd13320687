"""How long an event loop pauses: between two looks for what has come in, nothing else is served.

Counted is the processor's time of the whole process, so that neither a busy machine nor waiting counts, but a thread
that keeps Python from the loop does.
"""

from __future__ import annotations

import asyncio
import selectors
import time


class _Selector(selectors.DefaultSelector):
    """Looks for what has come in, and notes how long ago it did so last."""

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
    """Of one loop, which it makes."""

    def __init__(self) -> None:
        self._selector = _Selector()

    def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(self._selector)

    def restart(self) -> None:
        """Forget what was seen."""
        self._selector.longest_seconds = 0.0

    @property
    def longest_seconds(self) -> float:
        """Of the pauses since the last restart."""
        return self._selector.longest_seconds


def reference_seconds() -> float:
    """The processor's time for a fixed piece of work: a third of a tenth of a second where this was written."""
    best = 9.0
    for _ in range(3):
        started = time.thread_time()
        sum(number for number in range(1_000_000))
        best = min(best, time.thread_time() - started)
    return best
