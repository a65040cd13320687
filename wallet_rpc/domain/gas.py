"""Fees and gas limits of a user operation. All integer arithmetic; fees in wei for one unit of gas."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from wallet_rpc.domain.capabilities import GasParamsOverride, Multiplier
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import InvalidParams

REPLACEMENT_PERCENT = 10
"""How much more a replacement must pay than the operation it replaces, on both fees. Source: ERC-4337 bundler rules."""

GAS_BITS = 120
"""The entry point takes gas limits and fees below 2^120 only (AA94). Source: EntryPoint v0.7, `_validatePrepayment`."""


def max_fee(base_fee: int, priority_fee: int) -> int:
    """A fee that stays valid while the base fee rises for about three full blocks: 1.5 base fees and the priority."""
    return base_fee + base_fee // 2 + priority_fee


def replacement_fee(fee: int) -> int:
    """The least fee that replaces an operation paying `fee`; rounded up."""
    return fee + (fee * REPLACEMENT_PERCENT + 99) // 100


def chosen(override: int | Multiplier | None, estimate: int, *, field: str) -> int:
    """The caller's amount, or the caller's factor on the estimate (rounded up), or the estimate.

    Raises: InvalidParams when the amount, or what a factor leads to, is not below 2^120.
    """
    match override:
        case None:
            return estimate
        case Multiplier(multiplier=factor):
            exact = Fraction(repr(factor))  # as it was written: 1.1 is eleven tenths, not the float nearest to it
            amount = -(-estimate * exact.numerator // exact.denominator)
        case _:
            amount = override
    if amount >= 1 << GAS_BITS:
        at = f"params.capabilities.gasParamsOverride.{field}"
        raise InvalidParams(f"{at}: expected an amount below 2^{GAS_BITS}, got {amount}", field=at)
    return amount


def with_overrides(op: UserOperation, overrides: GasParamsOverride | None) -> UserOperation:
    """`op` with the caller's gas limits and fees in place of the estimates."""
    if overrides is None:
        return op
    paymaster = op.paymaster
    if paymaster is not None:
        paymaster = replace(
            paymaster,
            verification_gas_limit=chosen(
                overrides.paymaster_verification_gas_limit,
                paymaster.verification_gas_limit,
                field="paymasterVerificationGasLimit",
            ),
            post_op_gas_limit=chosen(
                overrides.paymaster_post_op_gas_limit, paymaster.post_op_gas_limit, field="paymasterPostOpGasLimit"
            ),
        )
    return replace(
        op,
        paymaster=paymaster,
        pre_verification_gas=chosen(
            overrides.pre_verification_gas, op.pre_verification_gas, field="preVerificationGas"
        ),
        verification_gas_limit=chosen(
            overrides.verification_gas_limit, op.verification_gas_limit, field="verificationGasLimit"
        ),
        call_gas_limit=chosen(overrides.call_gas_limit, op.call_gas_limit, field="callGasLimit"),
        max_fee_per_gas=chosen(overrides.max_fee_per_gas, op.max_fee_per_gas, field="maxFeePerGas"),
        max_priority_fee_per_gas=chosen(
            overrides.max_priority_fee_per_gas, op.max_priority_fee_per_gas, field="maxPriorityFeePerGas"
        ),
    )


def max_cost(op: UserOperation) -> int:
    """The most that `op` can cost, in wei: every gas limit at the maximum fee; what the entry point asks up front."""
    gas = op.pre_verification_gas + op.verification_gas_limit + op.call_gas_limit
    if op.paymaster is not None:
        gas += op.paymaster.verification_gas_limit + op.paymaster.post_op_gas_limit
    return gas * op.max_fee_per_gas
