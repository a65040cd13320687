"""The gas limits of a user operation whose code looks at the gas it has: tried, and searched for when they fail.

The limits that one run suggests are enough for code that does not depend on its gas. Code that reads its gas may behave
differently with less. So its limits are tried: every call must end as it did with plenty of gas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from wallet_rpc.devchain.evm import CallFrame
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.primitives import Gas
from wallet_rpc.wire import shape

GAS_MARGIN_PERCENT = 10
"""The margin of a limit above the need."""
MIN_MARGIN = 3_000
"""The least margin, in gas."""
_CLOSE = 64
"""A search ends within this part of the limit."""
_LIMITS = (
    "verification_gas_limit",
    "paymaster_verification_gas_limit",
    "call_gas_limit",
    "paymaster_post_op_gas_limit",
)
"""The limits that are searched for, in the order in which the entry point spends them."""


@shape
class GasLimits:
    """Limits with which the operation lands; the paymaster's only when it has one."""

    pre_verification_gas: Gas
    verification_gas_limit: Gas
    call_gas_limit: Gas
    paymaster_verification_gas_limit: Gas | None = None
    paymaster_post_op_gas_limit: Gas | None = None


CallResults: TypeAlias = tuple[tuple[bytes, bool], ...]
"""The calls of a run in order: whom, and whether it succeeded."""
Trial: TypeAlias = Callable[[GasLimits], CallResults | None]
"""Runs the operation with these limits; None when it does not land."""


def depends_on_gas(root: CallFrame) -> bool:
    """True when code looks at its gas and may do otherwise with less; the entry point's own checks are known."""
    return any(frame.reads_gas for frame in root.walk() if frame.code_address != ENTRY_POINT)


def call_results(root: CallFrame) -> CallResults:
    """The outcome of each call of a run."""
    return tuple((frame.code_address, frame.success) for frame in root.walk())


def search_limits(found: GasLimits, *, wide: GasLimits, expected: CallResults, trial: Trial) -> GasLimits:
    """`found` when the operation goes with it as `wanted`, else limits with which it does; `wide` are known to do."""
    if trial(found) == expected:
        return found
    limits = wide
    for name in _LIMITS:
        if getattr(found, name) is not None:
            limits = _narrow_limit(limits, name, getattr(found, name), expected=expected, trial=trial)
    return limits


def add_margin(gas: int) -> int:
    """`gas` with the margin."""
    return gas + gas * GAS_MARGIN_PERCENT // 100 + MIN_MARGIN


def _narrow_limit(limits: GasLimits, name: str, least: int, *, expected: CallResults, trial: Trial) -> GasLimits:
    """`limits` with the named one near the least that does, from `least` up; with the margin where that does too."""
    most: int = getattr(limits, name)

    def works(gas: int) -> bool:
        return trial(replace(limits, **{name: gas})) == expected

    low, high = min(least, most), most
    if low == high or works(low):
        return replace(limits, **{name: low})
    while (high - low) * _CLOSE > high:
        middle = min((low + high) // 2, 2 * low + MIN_MARGIN)
        low, high = (low, middle) if works(middle) else (middle, high)
    roomy = min(add_margin(high), most)
    return replace(limits, **{name: roomy if works(roomy) else high})
