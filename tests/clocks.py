"""Clocks under a test's control."""

from __future__ import annotations


class FixedClock:
    """`ports.Clock` with a fixed time, which changes only by assignment or by `sleep`."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def now(self) -> int:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += int(seconds) + 1
