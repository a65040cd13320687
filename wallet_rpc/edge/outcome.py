"""How an operation's work ends: in time or not, and with which of the errors that a caller may see.

The rule: every door tells a failure by these; what is not meant for callers becomes an incident.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar

from wallet_rpc import wire
from wallet_rpc.edge import observe
from wallet_rpc.errors import Unavailable, WalletError
from wallet_rpc.operations.operation import Operation
from wallet_rpc.worker_threads import compute

T = TypeVar("T")

DEADLINE_SECONDS = 30.0
"""How long one request may take, all its entries together; the official clients hang up after 10 s."""


async def run_until(work: Awaitable[T], until: float) -> T:
    """What the work gives. Raises: Unavailable (deadline) when it is not done by `until` (of the loop's time)."""
    deadline = asyncio.timeout_at(until)
    try:
        async with deadline:
            return await work
    except TimeoutError:
        if not deadline.expired():
            raise  # the work's own
        text = "the request took longer than this server allows; it may still take effect"
        raise Unavailable(text, reason="deadline") from None


async def encode_result(operation: Operation[Any, Any, Any], answer: Any) -> Any:
    """An operation's answer as JSON values."""
    if operation.has_long_answers:
        return await compute(partial(wire.encode, operation.answer, answer))
    return wire.encode(operation.answer, answer)


def to_wallet_error(raised: Exception, method: str) -> WalletError:
    """The error the caller sees: itself when it is a WalletError, the first of a group of them, else an incident."""
    if isinstance(raised, WalletError):
        return raised
    if isinstance(raised, ExceptionGroup):  # what a TaskGroup makes of the errors of its tasks
        meant, rest = raised.split(WalletError)
        if meant is not None and rest is None:
            return _first(meant)
    return observe.log_incident(raised, method=method)


def _first(group: ExceptionGroup[WalletError]) -> WalletError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
