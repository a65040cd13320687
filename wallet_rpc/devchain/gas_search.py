"""Search of gas limits for a user operation whose code reads its remaining gas.

The limits that one run suggests are enough for code that does not depend on its gas. Code that reads its gas may behave
differently with less. Such limits are therefore tried: every call must end as it did with plenty of gas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from wallet_rpc.devchain.evm import CallFrame
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import GasEstimate

GAS_MARGIN_PERCENT = 10
"""The margin of a limit above the measured gas, in percent."""
MIN_MARGIN = 3_000
"""The minimum margin, in gas."""
_CLOSE = 64
"""The precision of a search: it ends within this fraction (1/64) of the limit."""
_LIMITS = (
    "verification_gas_limit",
    "paymaster_verification_gas_limit",
    "call_gas_limit",
    "paymaster_post_op_gas_limit",
)
"""The limits to search, in the order in which the entry point spends them."""


CallResults: TypeAlias = tuple[tuple[bytes, bool], ...]
"""The calls of a run in order: code address and success."""
Trial: TypeAlias = Callable[[GasEstimate], CallResults | None]
"""A run of the operation with the given limits; returns None when the operation fails."""


def depends_on_gas(root: CallFrame) -> bool:
    """Return True when code other than the entry point's reads its remaining gas, and so may depend on it."""
    return any(frame.reads_gas for frame in root.walk() if frame.code_address != ENTRY_POINT)


def call_results(root: CallFrame) -> CallResults:
    """Return the result of each call of a run."""
    return tuple((frame.code_address, frame.success) for frame in root.walk())


def search_limits(found: GasEstimate, *, wide: GasEstimate, expected: CallResults, trial: Trial) -> GasEstimate:
    """Return `found` if the operation then runs as `expected`, else larger limits, at most the sufficient `wide`."""
    if trial(found) == expected:
        return found
    limits = wide
    for name in _LIMITS:
        if getattr(found, name) is not None:
            limits = _narrow_limit(limits, name, getattr(found, name), expected=expected, trial=trial)
    return limits


def add_margin(gas: int) -> int:
    """Add the margin to a gas limit."""
    return gas + gas * GAS_MARGIN_PERCENT // 100 + MIN_MARGIN


def _narrow_limit(limits: GasEstimate, name: str, least: int, *, expected: CallResults, trial: Trial) -> GasEstimate:
    """Lower the named limit to near the least that works, not below `least`; add the margin if the result works too."""
    most: int = getattr(limits, name)

    def works(gas: int) -> bool:
        return trial(replace(limits, **{name: gas})) == expected

    low, high = min(least, most), most
    if low == high or works(low):
        return replace(limits, **{name: low})
    while (high - low) * _CLOSE > high:
        middle = min((low + high) // 2, 2 * low + MIN_MARGIN)
        low, high = (low, middle) if works(middle) else (middle, high)
    with_margin = min(add_margin(high), most)
    return replace(limits, **{name: with_margin if works(with_margin) else high})
