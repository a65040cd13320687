"""Clock and random number generator of the operating system."""

from __future__ import annotations

import secrets
import time

from wallet_rpc.primitives import UnixSeconds


class SystemClock:
    """`ports.Clock` over the system clock."""

    def now(self) -> UnixSeconds:
        """Return the seconds since 1970-01-01 UTC."""
        return int(time.time())


class SystemEntropy:
    """`ports.Entropy` over the operating system's generator."""

    def random_bytes(self, size: int) -> bytes:
        """Return `size` random bytes."""
        return secrets.token_bytes(size)
