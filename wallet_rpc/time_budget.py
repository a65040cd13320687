"""Time budget of one request: the total time that it may wait for nodes, bundlers, paymasters and Redis.

The budget belongs to the asyncio task of the request and to the tasks that it starts. A task that outlives its request
starts in an `unlimited_context`.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar, Token, copy_context

from wallet_rpc.errors import Unavailable

BUDGET_SECONDS = 8.0
"""Budget of one request object or REST request, in seconds; the official clients time out after 10 s."""
STORE_SECONDS = 1.0
"""End of the budget that is left to Redis: a request whose upstream does not respond can still record that."""
BUDGET_USED = "deadline"
"""Reason of the error for a request to a dependency that was not sent, since the budget was used up before."""

_ends_at: ContextVar[float | None] = ContextVar("budget_ends_at", default=None)


class limit_time:  # noqa: N801  # used as a function
    """Give the block a budget of `seconds` from now, or the rest of the enclosing budget if that is shorter."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        ends_at = asyncio.get_running_loop().time() + remaining_seconds(self._seconds)
        self._token: Token[float | None] = _ends_at.set(ends_at)

    def __exit__(self, *_: object) -> None:
        _ends_at.reset(self._token)


def remaining_seconds(longest: float) -> float:
    """Return `longest`, or the rest of the budget if that is shorter; 0 when the budget is used up."""
    ends_at = _ends_at.get()
    return longest if ends_at is None else max(0.0, min(longest, ends_at - asyncio.get_running_loop().time()))


def require_time(longest: float, *, part: str, reserve: float = 0.0) -> float:
    """Return the loop time until which a request to the dependency `part` may last.

    That is `longest` seconds from now, or `reserve` seconds before the end of the budget if that comes first.
    Raises: Unavailable (deadline) when no time is left.
    """
    now = asyncio.get_running_loop().time()
    until = now + longest
    ends_at = _ends_at.get()
    if ends_at is not None and ends_at - reserve < until:
        until = ends_at - reserve
        if until <= now:
            text = f"the {part} got no request: other dependencies took the {BUDGET_SECONDS:g} s of this request"
            raise Unavailable(text, reason=BUDGET_USED, part=part)
    return until


def unlimited_context() -> Context:
    """Return a copy of the current context without a budget, for a task that outlives its request."""
    context = copy_context()
    context.run(_ends_at.set, None)
    return context
