"""Port of the rate limiter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wallet_rpc.domain.access import Caller
from wallet_rpc.primitives import UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitResult:
    """The result of a rate limit check: the state of the window with the fewest requests left."""

    limit: int
    """The number of requests in a window."""
    remaining: int
    retry_after_seconds: int | None = None
    """The time until a retry may pass; None if the request exceeds a whole window's limit and never passes."""
    rejection: str | None = None
    """The error message that names the exceeded window; None if the request was counted and may pass."""


class Limiter(Protocol):
    """A rate limiter that all replicas of the server share."""

    async def take(self, caller: Caller, cost: int, *, now: UnixSeconds) -> RateLimitResult:
        """Count a body as `cost` requests, or count nothing and return a `rejection`. Raises: Unavailable."""
