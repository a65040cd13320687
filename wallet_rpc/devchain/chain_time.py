"""The clock of a chain: the real clock plus an offset that tests move, or an explicit time for one block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wallet_rpc.errors import InvalidParams

_LAST = (1 << 48) - 1
"""The largest timestamp that accounts and modules can store."""


@dataclass(frozen=True, slots=True)
class NextTime:
    """The rule for the next block's time, which holds until a block or a control changes it."""

    newest: int
    """The newest block's time, in Unix seconds."""
    offset: int
    """The difference between the chain's clock and the real clock, in seconds."""
    chosen: int | None = None
    """The next block's time if it was set explicitly."""
    every: int | None = None
    """The difference between the times of two blocks, in seconds, if it is fixed."""

    def at(self, real: float, interval: int = 0) -> int:
        """Return the next block's Unix time at a time of the real clock: `interval` seconds later unless explicit."""
        if self.chosen is not None:
            return self.chosen
        base = max(self.newest, int(real) + self.offset) if self.every is None else self.newest + self.every
        return base + interval


class ChainTime:
    """The time of the next block, never before the newest block's time. Blocks of one second have the same time."""

    def __init__(self, clock: Callable[[], float], offset: int = 0) -> None:
        self._clock = clock
        self._chosen: int | None = None
        self.offset = offset
        """The difference between the chain's clock and the real clock, in seconds."""

    def rule(self, newest: int, every: int | None = None) -> NextTime:
        """Return the rule for the block after one at `newest`."""
        return NextTime(newest, self.offset, self._chosen, every)

    def next(self, newest: int, interval: int = 0, *, every: int | None = None) -> int:
        """Return the Unix time of the block after one at `newest`: `interval` seconds later unless set explicitly."""
        return self.rule(newest, every).at(self._clock(), interval)

    def set_next(self, timestamp: int) -> None:
        """Set the next block's time."""
        self._chosen = timestamp

    def resume_from(self, timestamp: int) -> None:
        """Move the clock so that it continues from `timestamp`."""
        self.offset = timestamp - int(self._clock())

    def reset(self, offset: int) -> None:
        """Restore an earlier offset, and drop an explicit time."""
        self.offset, self._chosen = offset, None

    def record_block(self, timestamp: int, *, was_chosen: bool) -> None:
        """Record that a block was mined at `timestamp`."""
        if was_chosen or self._chosen is not None:
            self.resume_from(timestamp)
        self._chosen = None


def check_timestamp(timestamp: int, newest: int) -> int:
    """Return `timestamp` after checking it.

    Raises: InvalidParams when it is before the newest block's, or more than contracts can store.
    """
    if timestamp > _LAST:
        raise InvalidParams(f"timestamp: expected at most {_LAST}, got {timestamp}", reason="timestamp_too_late")
    if timestamp < newest:
        text = f"timestamp {timestamp} is before the newest block's, {newest}"
        raise InvalidParams(text, reason="timestamp_in_the_past")
    return timestamp
