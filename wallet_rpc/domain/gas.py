"""Fees and gas limits of a user operation, in integer arithmetic; fees are in wei per gas."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from wallet_rpc.domain.capabilities import GasParamsOverride, Multiplier
from wallet_rpc.domain.user_operation import UserOperation, handle_ops_call_data
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Gas
from wallet_rpc.wire import shape

REPLACEMENT_PERCENT = 10
"""The minimum increase of both fees, in percent, to replace a pending operation. Source: ERC-4337 bundler rules."""

GAS_BITS = 120
"""The size of gas limits and fees in bits; larger ones fail (AA94). Source: EntryPoint v0.7, `_validatePrepayment`."""

TRANSACTION_GAS = 21_000
"""The base cost of a transaction, in gas."""
TOKEN_GAS, FLOOR_TOKEN_GAS = 4, 10
"""The price of a token of call data, and its floor price for transactions that execute little (EIP-7623)."""
AUTHORIZATION_GAS = 25_000
"""The upfront cost of one EIP-7702 authorization; half is refunded when the account existed."""
_OPERATION_GAS, _WORD_GAS = 19_400, 10
"""The unmetered gas of the entry point: for each operation, and for each word of an operation that it copies."""
_PENALTY_PERCENT = 10
"""The share of its unused execution gas that an operation pays for. Source: EntryPoint v0.7."""


@shape
class GasEstimate:
    """Gas limits with which an operation succeeds, in gas; the paymaster's only when it has one. Source: ERC-7769."""

    pre_verification_gas: Gas
    verification_gas_limit: Gas
    call_gas_limit: Gas
    paymaster_verification_gas_limit: Gas | None = None
    paymaster_post_op_gas_limit: Gas | None = None


def call_data_tokens(data: bytes) -> int:
    """Count the tokens of call data (EIP-7623): one for a zero byte, four for any other byte."""
    return 4 * len(data) - 3 * data.count(0)


def floor_gas(data: bytes) -> int:
    """Return the minimum gas of a transaction with this call data (EIP-7623)."""
    return TRANSACTION_GAS + FLOOR_TOKEN_GAS * call_data_tokens(data)


def pre_verification_gas(op: UserOperation) -> int:
    """Compute the gas that the entry point does not meter and `op` has to pay for, in a bundle of `op` alone.

    A bundle pays for its call data and execution, or the EIP-7623 floor if that is higher. Execution may use little of
    its gas limits. So only the penalty, a tenth of the execution limits, is deducted from the floor as metered gas.
    """
    data = handle_ops_call_data([op], op.sender)
    encoded = data[100:]  # _OPERATION_GAS includes the selector, offsets and beneficiary before it
    unmetered = _OPERATION_GAS + TOKEN_GAS * call_data_tokens(encoded) + _WORD_GAS * ((len(encoded) + 31) // 32)
    if op.authorization is not None:
        unmetered += AUTHORIZATION_GAS
    execution_limits = op.call_gas_limit + (0 if op.paymaster is None else op.paymaster.post_op_gas_limit)
    metered = execution_limits * _PENALTY_PERCENT // 100
    return max(TRANSACTION_GAS + unmetered, floor_gas(data) - metered)


def max_fee(base_fee: int, priority_fee: int) -> int:
    """Return a fee that stays valid while the base fee rises for about three full blocks: 1.5 base fees + priority."""
    return base_fee + base_fee // 2 + priority_fee


def replacement_fee(fee: int) -> int:
    """Return the minimum fee to replace an operation that pays `fee`; rounded up."""
    return fee + (fee * REPLACEMENT_PERCENT + 99) // 100


def resolve_override(override: int | Multiplier | None, estimate: int, *, field: str) -> int:
    """Return the caller's amount, or the estimate times the caller's factor (rounded up), or the estimate.

    Raises: InvalidParams when the amount, given or computed, is not below 2^120.
    """
    match override:
        case None:
            return estimate
        case Multiplier(multiplier=factor):
            exact = Fraction(repr(factor))  # the decimal as written: 1.1 is 11/10, not the nearest float
            amount = -(-estimate * exact.numerator // exact.denominator)
        case _:
            amount = override
    if amount >= 1 << GAS_BITS:
        at = f"params.capabilities.gasParamsOverride.{field}"
        raise InvalidParams(f"expected an amount below 2^{GAS_BITS}, got {amount}", field=at)
    return amount


def apply_gas_estimate(op: UserOperation, estimate: GasEstimate) -> UserOperation:
    """Replace the gas limits of `op`; a paymaster's limits that the estimate omits stay unchanged."""
    paymaster = op.paymaster
    if paymaster is not None:
        verification = estimate.paymaster_verification_gas_limit
        post_op = estimate.paymaster_post_op_gas_limit
        paymaster = replace(
            paymaster,
            verification_gas_limit=paymaster.verification_gas_limit if verification is None else verification,
            post_op_gas_limit=paymaster.post_op_gas_limit if post_op is None else post_op,
        )
    return replace(
        op,
        paymaster=paymaster,
        pre_verification_gas=estimate.pre_verification_gas,
        verification_gas_limit=estimate.verification_gas_limit,
        call_gas_limit=estimate.call_gas_limit,
    )


def apply_gas_overrides(op: UserOperation, overrides: GasParamsOverride | None) -> UserOperation:
    """Replace the estimates in `op` with the caller's gas limits and fees."""
    if overrides is None:
        return op
    paymaster = op.paymaster
    if paymaster is not None:
        paymaster = replace(
            paymaster,
            verification_gas_limit=resolve_override(
                overrides.paymaster_verification_gas_limit,
                paymaster.verification_gas_limit,
                field="paymasterVerificationGasLimit",
            ),
            post_op_gas_limit=resolve_override(
                overrides.paymaster_post_op_gas_limit, paymaster.post_op_gas_limit, field="paymasterPostOpGasLimit"
            ),
        )
    return replace(
        op,
        paymaster=paymaster,
        pre_verification_gas=resolve_override(
            overrides.pre_verification_gas, op.pre_verification_gas, field="preVerificationGas"
        ),
        verification_gas_limit=resolve_override(
            overrides.verification_gas_limit, op.verification_gas_limit, field="verificationGasLimit"
        ),
        call_gas_limit=resolve_override(overrides.call_gas_limit, op.call_gas_limit, field="callGasLimit"),
        max_fee_per_gas=resolve_override(overrides.max_fee_per_gas, op.max_fee_per_gas, field="maxFeePerGas"),
        max_priority_fee_per_gas=resolve_override(
            overrides.max_priority_fee_per_gas, op.max_priority_fee_per_gas, field="maxPriorityFeePerGas"
        ),
    )


def max_cost(op: UserOperation) -> int:
    """Return the prepayment of `op` to the entry point, its maximum cost in wei: all gas limits at the maximum fee."""
    gas = op.pre_verification_gas + op.verification_gas_limit + op.call_gas_limit
    if op.paymaster is not None:
        gas += op.paymaster.verification_gas_limit + op.paymaster.post_op_gas_limit
    return gas * op.max_fee_per_gas
