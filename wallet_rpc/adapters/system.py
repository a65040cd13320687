"""The machine's own clock and randomness."""

from __future__ import annotations

import asyncio
import secrets
import time

from wallet_rpc.primitives import UnixSeconds


class SystemClock:
    """`ports.Clock` by the machine's clock."""

    def now(self) -> UnixSeconds:
        """Seconds since 1970-01-01 UTC."""
        return int(time.time())

    async def sleep(self, seconds: float) -> None:
        """Let others work for so long."""
        await asyncio.sleep(seconds)


class SystemEntropy:
    """`ports.Entropy` by the operating system's generator."""

    def random_bytes(self, size: int) -> bytes:
        """`size` random bytes."""
        return secrets.token_bytes(size)
