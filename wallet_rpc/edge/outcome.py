"""Deadlines, result encoding and error conversion of operations, for the JSON-RPC and REST handlers.

An exception that is not a `WalletError` becomes an incident.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar

from wallet_rpc import wire
from wallet_rpc.edge import observe
from wallet_rpc.edge.drain import CUT_TEXT, current_drain
from wallet_rpc.errors import ShuttingDown, Unavailable, WalletError
from wallet_rpc.operations.operation import Operation
from wallet_rpc.time_budget import BUDGET_SECONDS, limit_time
from wallet_rpc.worker_threads import compute

_T = TypeVar("_T")

DEADLINE_SECONDS = 30.0
"""The maximum duration of a request, with all its entries."""


async def run_until(work: Awaitable[_T], until: float) -> _T:
    """Await `work`, one operation with its time budget, and return its result.

    Raises: Unavailable (deadline) after the loop time `until`; ShuttingDown when the server's drain cuts the work.
    """
    operations = current_drain().operations
    limit = operations.limit(until)
    try:
        with limit, limit_time(BUDGET_SECONDS):
            return await work
    except TimeoutError:
        if not limit.has_expired:
            raise  # a timeout within the work itself
        if operations.have_ended:
            raise ShuttingDown(CUT_TEXT) from None
        text = "the request took longer than this server allows; it may still take effect"
        raise Unavailable(text, reason="deadline") from None


async def encode_result(operation: Operation[Any, Any, Any], answer: Any) -> bytes:
    """Convert the result of an operation to JSON text."""
    if operation.is_long is not None and operation.is_long(answer):
        return await compute(partial(wire.dump_json, operation.answer, answer))
    return wire.dump_json(operation.answer, answer)


def to_wallet_error(raised: Exception, method: str) -> WalletError:
    """Return a WalletError itself, the first one of a group, or an incident for any other exception."""
    if isinstance(raised, WalletError):
        return raised
    if isinstance(raised, ExceptionGroup):  # raised by a TaskGroup
        wallet_errors, others = raised.split(WalletError)
        if wallet_errors is not None and others is None:
            return _first(wallet_errors)
    return observe.log_incident(raised, method=method)


def _first(group: ExceptionGroup[WalletError]) -> WalletError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
