"""Fees and gas limits of a user operation. All integer arithmetic; fees in wei for one unit of gas."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from wallet_rpc.domain.capabilities import GasParamsOverride, Multiplier
from wallet_rpc.domain.user_operation import UserOperation, handle_ops_call_data
from wallet_rpc.errors import InvalidParams

REPLACEMENT_PERCENT = 10
"""How much more a replacement must pay than the operation it replaces, on both fees. Source: ERC-4337 bundler rules."""

GAS_BITS = 120
"""The entry point takes gas limits and fees below 2^120 only (AA94). Source: EntryPoint v0.7, `_validatePrepayment`."""

TRANSACTION_GAS = 21_000
"""The base cost of a transaction."""
TOKEN_GAS, FLOOR_TOKEN_GAS = 4, 10
"""The price of a token of call data, and its floor price for transactions that execute little (EIP-7623)."""
AUTHORIZATION_GAS = 25_000
"""The upfront cost of one EIP-7702 authorization; half is refunded when the account existed."""
_OPERATION_GAS, _WORD_GAS = 19_400, 10
"""The unmetered cost of an operation in the entry point, and of each word of it that is copied."""
_PENALTY_PERCENT = 10
"""The share of its unused execution gas that an operation pays for. Source: EntryPoint v0.7."""


def call_data_tokens(data: bytes) -> int:
    """EIP-7623's measure of call data: a zero byte is one token, any other four."""
    return 4 * len(data) - 3 * data.count(0)


def floor_gas(data: bytes) -> int:
    """The least gas that a transaction with this call data pays for (EIP-7623)."""
    return TRANSACTION_GAS + FLOOR_TOKEN_GAS * call_data_tokens(data)


def pre_verification_gas(op: UserOperation) -> int:
    """The gas of a bundle of `op` alone that the entry point does not meter, and `op` has to pay for.

    The bundle pays for its call data by the token and for what runs, or the floor of EIP-7623 when that is more. Of
    the gas that is metered only the penalty is sure: a tenth of the execution limits, used or not.
    """
    data = handle_ops_call_data([op], op.sender)
    encoded = data[100:]  # without selector, offsets and beneficiary, which are in the price of an operation
    unmetered = _OPERATION_GAS + TOKEN_GAS * call_data_tokens(encoded) + _WORD_GAS * ((len(encoded) + 31) // 32)
    if op.authorization is not None:
        unmetered += AUTHORIZATION_GAS
    later = op.call_gas_limit + (0 if op.paymaster is None else op.paymaster.post_op_gas_limit)
    metered = later * _PENALTY_PERCENT // 100
    return max(TRANSACTION_GAS + unmetered, floor_gas(data) - metered)


def max_fee(base_fee: int, priority_fee: int) -> int:
    """A fee that stays valid while the base fee rises for about three full blocks: 1.5 base fees and the priority."""
    return base_fee + base_fee // 2 + priority_fee


def replacement_fee(fee: int) -> int:
    """The least fee that replaces an operation paying `fee`; rounded up."""
    return fee + (fee * REPLACEMENT_PERCENT + 99) // 100


def resolve_override(override: int | Multiplier | None, estimate: int, *, field: str) -> int:
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


def apply_gas_overrides(op: UserOperation, overrides: GasParamsOverride | None) -> UserOperation:
    """`op` with the caller's gas limits and fees in place of the estimates."""
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
    """The most that `op` can cost, in wei: every gas limit at the maximum fee; what the entry point asks up front."""
    gas = op.pre_verification_gas + op.verification_gas_limit + op.call_gas_limit
    if op.paymaster is not None:
        gas += op.paymaster.verification_gas_limit + op.paymaster.post_op_gas_limit
    return gas * op.max_fee_per_gas
