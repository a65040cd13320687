"""Clocks under a test's control."""

from __future__ import annotations

from wallet_rpc.adapters.system import SystemClock
from wallet_rpc.primitives import UnixSeconds


class FixedClock:
    """`ports.Clock` with a fixed time, which changes only by assignment."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def now(self) -> int:
        return self.seconds


class ShiftedClock(SystemClock):
    """The system clock, shifted ahead by a number of seconds."""

    ahead_seconds = 0

    def now(self) -> UnixSeconds:
        return super().now() + self.ahead_seconds


class StoppedClock(SystemClock):
    """A clock that stops at its start, by default the present, and is set forward by a test."""

    def __init__(self, start: int | None = None) -> None:
        self._start = super().now() if start is None else start
        self.ahead_seconds = 0

    def now(self) -> UnixSeconds:
        return self._start + self.ahead_seconds
