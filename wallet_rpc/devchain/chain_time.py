"""A chain's time: the real clock and a shift that tests move; or, once, exactly what was asked for."""

from __future__ import annotations

from collections.abc import Callable

from wallet_rpc.errors import InvalidParams

_LAST = (1 << 48) - 1
"""The last second that accounts and modules can store."""


class ChainTime:
    """When the next block is mined. Never before the newest; blocks of the same second share it."""

    def __init__(self, clock: Callable[[], float], offset: int = 0) -> None:
        self._clock = clock
        self._chosen: int | None = None
        self.offset = offset
        """How far the chain is ahead of the real clock, in seconds."""

    def next(self, newest: int, interval: int = 0) -> int:
        """The next block's time after one of time `newest`, in Unix seconds; `interval` later when it is not chosen."""
        return max(newest, int(self._clock()) + self.offset) + interval if self._chosen is None else self._chosen

    def set_next(self, timestamp: int) -> None:
        """Let the next block have that time."""
        self._chosen = timestamp

    def resume_from(self, timestamp: int) -> None:
        """Let time go on from there."""
        self.offset = timestamp - int(self._clock())

    def reset(self, offset: int) -> None:
        """Back to a shift of before."""
        self.offset, self._chosen = offset, None

    def record_block(self, timestamp: int, *, was_chosen: bool) -> None:
        """A block was mined at `timestamp`."""
        if was_chosen or self._chosen is not None:
            self.resume_from(timestamp)
        self._chosen = None


def check_timestamp(timestamp: int, newest: int) -> int:
    """`timestamp`. Raises: InvalidParams when it is before the newest block's, or more than contracts can store."""
    if timestamp > _LAST:
        raise InvalidParams(f"timestamp: expected at most {_LAST}, got {timestamp}", reason="timestamp_too_late")
    if timestamp < newest:
        text = f"timestamp {timestamp} is before the newest block's, {newest}"
        raise InvalidParams(text, reason="timestamp_in_the_past")
    return timestamp
