"""Estimation of a user operation's gas limits from runs of the real entry point.

The first run is `handleOps` with the operation as it is, except for wide limits, a fee of 1 wei and a tolerant machine.
That machine turns a "signature failed" result of account or paymaster into success, so that a dummy signature works.
The limits are then read off the calls the entry point made, including the 63/64 rule, and widened by a tenth.

An operation whose code may behave differently with less gas is run again with those limits. When the outcome differs,
larger limits are searched. An operation whose session has a gas budget is run once more with the limits and the real
fee: the budget check depends on both. The estimation does not check whether sender or paymaster can pay the real
fee; sending does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from eth.abc import ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI

from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.computation import Computation
from wallet_rpc.devchain.evm import CallFrame, MessageCall
from wallet_rpc.devchain.execution import Override
from wallet_rpc.devchain.gas_search import (
    MIN_MARGIN,
    CallResults,
    add_margin,
    call_results,
    depends_on_gas,
    search_limits,
)
from wallet_rpc.devchain.refusal import build_execution_error, build_validation_error
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT, NATIVE_TOKEN_LIMIT_MODULE
from wallet_rpc.domain.gas import GasEstimate, apply_gas_estimate, max_cost, pre_verification_gas
from wallet_rpc.domain.operation_events import execution_revert_data, operation_events
from wallet_rpc.domain.user_operation import UserOperation, handle_ops_call_data
from wallet_rpc.errors import ExecutionReverted, InvalidParams, ValidationReverted
from wallet_rpc.primitives import Address

MIN_CALL_GAS = 9_100
"""The minimum callGasLimit of the bundler: the cost of a call with value before the callee runs."""
_WIDE = 12_000_000
_WIDE_POST_OP = 3_000_000
_DEPOSIT_GAS = 8_000
"""The gas that the entry point spends on the paymaster's deposit before the call to the paymaster."""
_VALIDATE_PAYMASTER = bytes.fromhex("52b7512c")
_LOW_160 = (1 << 160) - 1
_HALF_FEE = (1 << 40) - 1
"""A placeholder fee with all bytes set, for the price of call data."""


class SignatureTolerantComputation(Computation):
    """A machine that accepts every signature: results of 1, "signature failed", to the entry point become 0."""

    @classmethod
    def apply_message(
        cls,
        state: StateAPI,
        message: MessageAPI,
        transaction_context: TransactionContextAPI,
        parent_computation: ComputationAPI | None = None,
    ) -> ComputationAPI:
        """Apply a message as the base class does, then correct the validation data it returned."""
        made = super().apply_message(state, message, transaction_context, parent_computation)
        if message.depth == 1 and bytes(message.sender) == ENTRY_POINT and made.is_success:
            selector = bytes(message.data[:4])
            if selector == abi.VALIDATE_USER_OP:
                made.output = _mark_signature_valid(made.output, 0)
            elif selector == _VALIDATE_PAYMASTER:
                made.output = _mark_signature_valid(made.output, 32)
        return made


def _mark_signature_valid(output: bytes, at: int) -> bytes:
    """Replace "signature failed" in the validation data at byte `at` of `output`; keep its time range."""
    word = int.from_bytes(output[at : at + 32])
    if len(output) < at + 32 or word & _LOW_160 != 1:
        return output
    return output[:at] + (word - 1).to_bytes(32) + output[at + 32 :]


def estimate_operation_gas(
    chain: Blockchain, op: UserOperation, *, bundler: Address, overrides: Mapping[bytes, Override] | None = None
) -> GasEstimate:
    """Estimate the gas limits of an operation.

    Raises: ValidationReverted and its kinds, ExecutionReverted; InvalidParams for an override of the entry point's
    code, because the limits are read off the entry point's calls.
    """
    given = overrides or {}
    if given.get(bytes(ENTRY_POINT), Override()).code is not None:
        at = f"params.overrides.{ENTRY_POINT}.code"
        raise InvalidParams("expected no override, as the entry point's own code is run; remove it", field=at)
    wide = _wide_limits(op)
    root = _run(chain, _with_limits(op, wide, fee=1), bundler, given)
    limits = _read(op, root)
    if depends_on_gas(root):
        trial = partial(_trial, chain, op, bundler, given)
        limits = _with_pre_verification_gas(
            op, search_limits(limits, wide=wide, expected=call_results(root), trial=trial)
        )
    if op.max_fee_per_gas > 0 and _counts_gas(root):
        _run(chain, _with_limits(op, limits), bundler, given)
    return limits


def _wide_limits(op: UserOperation) -> GasEstimate:
    """Return limits that suffice for nearly every operation."""
    limits = GasEstimate(pre_verification_gas=0, verification_gas_limit=_WIDE, call_gas_limit=_WIDE)
    if op.paymaster is None:
        return limits
    return replace(limits, paymaster_verification_gas_limit=_WIDE, paymaster_post_op_gas_limit=_WIDE_POST_OP)


def _with_limits(op: UserOperation, limits: GasEstimate, *, fee: int | None = None) -> UserOperation:
    """Return the operation with these limits, and with both fees set to `fee` when given."""
    limited = apply_gas_estimate(op, limits)
    return limited if fee is None else replace(limited, max_fee_per_gas=fee, max_priority_fee_per_gas=fee)


def _trial(
    chain: Blockchain, op: UserOperation, bundler: Address, overrides: Mapping[bytes, Override], limits: GasEstimate
) -> CallResults | None:
    """Run the operation with these limits; return the results of its calls, or None when it fails."""
    try:
        return call_results(_run(chain, _with_limits(op, limits, fee=1), bundler, overrides))
    except (ValidationReverted, ExecutionReverted):
        return None


def _run(chain: Blockchain, op: UserOperation, bundler: Address, overrides: Mapping[bytes, Override]) -> CallFrame:
    """Run the operation and return the outermost call. Raises: the error of its validation or its execution."""
    sender = bytes(op.sender)
    given = overrides.get(sender, Override())
    balance = chain.balance(sender) if given.balance is None else given.balance
    richer = replace(given, balance=balance + max_cost(op))  # an account may be funded after the estimation
    call = MessageCall(
        sender=bytes(bundler),
        to=bytes(ENTRY_POINT),
        data=handle_ops_call_data([op], bundler),
        gas=chain.gas_limit,
        delegations={} if op.authorization is None else {sender: bytes(op.authorization.address)},
    )
    funded = overrides if op.paymaster is not None else {**overrides, sender: richer}
    outcome = chain.call(call, overrides=funded, machine=SignatureTolerantComputation)
    if not outcome.success:
        raise build_validation_error(
            outcome.output, is_deployed=chain.code(op.sender) != b"" or op.authorization is not None
        )
    ended = operation_events(outcome.logs)[-1]
    if not ended.success:
        executed = _find_execution_call(op, _find_inner_call(outcome.frame))
        # a failing postOp reverts the event with the calls' revert reason
        undone = b"" if executed is None or executed.success else executed.output
        raise build_execution_error(execution_revert_data(outcome.logs, ended.operation_hash) or undone)
    return outcome.frame


def _find_inner_call(root: CallFrame) -> CallFrame:
    """Find the entry point's call to itself, in which the account's calls and postOp run."""
    return next(frame for frame in root.children if frame.to == ENTRY_POINT)


def _find_execution_call(op: UserOperation, inner: CallFrame) -> CallFrame | None:
    """Find the call that runs the account's calls; None when there is none."""
    return next((frame for frame in inner.children if frame.to == op.sender), None)


def _counts_gas(root: CallFrame) -> bool:
    """Return True when a validation hook called the module that limits the operation's cost."""
    validations = [frame for frame in root.children if frame.data[:4] == abi.VALIDATE_USER_OP]
    return any(inner.to == NATIVE_TOKEN_LIMIT_MODULE for frame in validations for inner in frame.walk())


def _read(op: UserOperation, root: CallFrame) -> GasEstimate:
    """Read the limits off the entry point's calls: to factory, account, paymaster, itself, beneficiary."""
    paymaster = next((frame for frame in root.children if frame.data[:4] == _VALIDATE_PAYMASTER), None)
    inner = _find_inner_call(root)
    first = inner if paymaster is None else paymaster
    before = [frame for frame in root.children if frame.spent_before < first.spent_before]
    verification = max(first.spent_before, *(frame.needed_gas for frame in before))
    executed = _find_execution_call(op, inner)
    call_gas = 0 if executed is None else executed.needed_gas
    limits = GasEstimate(
        pre_verification_gas=0,
        verification_gas_limit=add_margin(verification),
        call_gas_limit=max(add_margin(call_gas), MIN_CALL_GAS),
    )
    if paymaster is not None and op.paymaster is not None:
        post_op = next((frame for frame in inner.children if frame.to == op.paymaster.address), None)
        spent = max(inner.spent_before - paymaster.spent_before, paymaster.needed_gas)
        limits = replace(
            limits,
            paymaster_verification_gas_limit=add_margin(spent + _DEPOSIT_GAS),
            paymaster_post_op_gas_limit=0 if post_op is None else add_margin(post_op.needed_gas),
        )
    return _with_pre_verification_gas(op, limits)


def _with_pre_verification_gas(op: UserOperation, limits: GasEstimate) -> GasEstimate:
    """Add the preVerificationGas of the operation as it will be sent, assuming its signature does not get longer."""
    filled = replace(
        _with_limits(op, limits),
        pre_verification_gas=(1 << 24) - 1,
        max_fee_per_gas=max(op.max_fee_per_gas, _HALF_FEE),
        max_priority_fee_per_gas=max(op.max_priority_fee_per_gas, _HALF_FEE),
    )
    return replace(limits, pre_verification_gas=add_margin(pre_verification_gas(filled)) - MIN_MARGIN)
