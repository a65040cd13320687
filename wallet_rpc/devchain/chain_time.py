"""The clock of a chain: the real clock plus an offset that tests move, or an explicit time for one block."""

from __future__ import annotations

from collections.abc import Callable

from wallet_rpc.errors import InvalidParams

_LAST = (1 << 48) - 1
"""The largest timestamp that accounts and modules can store."""


class ChainTime:
    """The time of the next block, never before the newest block's time. Blocks of one second have the same time."""

    def __init__(self, clock: Callable[[], float], offset: int = 0) -> None:
        self._clock = clock
        self._chosen: int | None = None
        self.offset = offset
        """The difference between the chain's clock and the real clock, in seconds."""

    def next(self, newest: int, interval: int = 0) -> int:
        """Return the Unix time of the block after one at `newest`: `interval` seconds later unless set explicitly."""
        return max(newest, int(self._clock()) + self.offset) + interval if self._chosen is None else self._chosen

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
