"""Clock and random number generator of the operating system."""

from __future__ import annotations

import secrets
import time

from wallet_rpc.ports import Clock, RandomSources
from wallet_rpc.primitives import UnixSeconds


class SystemClock:
    """`ports.Clock` over the system clock."""

    def now(self) -> UnixSeconds:
        """Return the seconds since 1970-01-01 UTC."""
        return int(time.time())


class UnmovedClock:
    """`ports.ChainClock` of a chain that goes by a server's clock, whatever the time of its blocks."""

    moves = 0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> UnixSeconds:
        """Return the server's time."""
        return self._clock.now()


class SystemEntropy:
    """`ports.Entropy` over the operating system's generator."""

    def random_bytes(self, size: int) -> bytes:
        """Return `size` random bytes."""
        return secrets.token_bytes(size)


SYSTEM_RANDOM = RandomSources(SystemEntropy, SystemEntropy(), SystemEntropy())
"""Random bytes of the operating system."""
