"""Clocks that tests set."""

from __future__ import annotations


class FixedClock:
    """`ports.Clock` that shows one second until it is set to another."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def now(self) -> int:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += int(seconds) + 1
