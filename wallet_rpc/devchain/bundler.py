"""The development bundler (ERC-7769): sends each operation at once, alone in its transaction.

Each send is one run of a `handleOps` transaction on the newest state. When it reverts, its changes are dropped and the
entry point's revert becomes the error. Mined operations are looked up from the entry point's events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from wallet_rpc.devchain import estimation
from wallet_rpc.devchain.accounts import DevelopmentAccount
from wallet_rpc.devchain.chain import PENDING_BLOCK, Blockchain
from wallet_rpc.devchain.execution import Execution, Override
from wallet_rpc.devchain.handle_ops import (
    deposit_slot_number,
    read_handle_ops,
    with_authorization,
)
from wallet_rpc.devchain.held_operations import HeldOperation, HeldOperations
from wallet_rpc.devchain.ledger import Block, Inclusion
from wallet_rpc.devchain.node_errors import ExecutionTimeout
from wallet_rpc.devchain.refusal import build_validation_error
from wallet_rpc.devchain.signing import GasFees, UnsignedTransaction
from wallet_rpc.devchain.waiting_operations import WaitingOperations
from wallet_rpc.domain.authorization import Authorization
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.fault import FaultKind
from wallet_rpc.domain.gas import GasEstimate, floor_gas, max_cost, pre_verification_gas
from wallet_rpc.domain.operation_events import OperationEvent
from wallet_rpc.domain.user_operation import UserOperation, handle_ops_call_data, user_operation_hash
from wallet_rpc.errors import ExecutionReverted, Rejected, WalletError
from wallet_rpc.primitives import Address, Hash32

MAX_VERIFICATION_GAS = 15_000_000
"""The maximum verificationGasLimit of an operation."""
MAX_TOTAL_GAS = 45_000_000
"""The maximum sum of all gas limits of an operation."""
_OPERATION_FAULTS = (FaultKind.DROP_OPERATIONS, FaultKind.DELAY_OPERATIONS, FaultKind.REORDER_OPERATIONS)
_ENTRY_POINT_GAS = 150_000
"""The transaction's gas beyond the limits of its operation."""


@dataclass(frozen=True, slots=True)
class MinedOperation:
    """An operation's event, with the block and transaction that include it."""

    block: Block
    inclusion: Inclusion
    event: OperationEvent


class DevBundler:
    """Bundler for EntryPoint v0.7 on one chain; its account pays for the transactions."""

    def __init__(self, chain: Blockchain, account: DevelopmentAccount) -> None:
        self._chain = chain
        self._account = account
        self.held = HeldOperations()
        """The operations that a test has the bundler keep back."""
        self._waiting = WaitingOperations(chain.mempool, chain.config.chain_id)

    def estimate(self, op: UserOperation, overrides: Mapping[bytes, Override] | None = None) -> GasEstimate:
        """Estimate limits with which `op` succeeds.

        Raises: ValidationReverted and its kinds, ExecutionReverted, Rejected.
        """
        if op.authorization is not None:
            self._check_authorization(op.sender, op.authorization)
        with _timeout_as_revert():
            return estimation.estimate_operation_gas(
                self._chain, op, bundler=self._account.address, overrides=overrides
            )

    def send(self, op: UserOperation) -> Hash32:
        """Send `op` and return its hash; with automatic mining it is mined then, unless a test has asked for a fault.

        Raises: ValidationReverted and its kinds; Rejected when a precheck fails, and for an operation that is pending.
        """
        identity = user_operation_hash(op, self._chain.config.chain_id, ENTRY_POINT)
        if self.find_pending(identity) is not None:
            raise Rejected("already known", reason="already_known")
        execution = self._run(op)
        self.held.forget(op)
        fault = self._chain.faults.take(lambda one: one.kind in _OPERATION_FAULTS)
        if fault is None:
            self._chain.include(execution)
        elif fault.kind is not FaultKind.DROP_OPERATIONS:
            self.held.add(op, identity, fault)
            if fault.kind is FaultKind.REORDER_OPERATIONS and fault.remaining == 0:
                self.include(self.held.take_of(fault.id))
        return identity

    def release(self) -> None:
        """Include the operations whose time has come; it ends the fault that collects them, too."""
        ended = self.held.take_ended()
        for one in ended:
            if one.fault.kind is FaultKind.REORDER_OPERATIONS:
                self._chain.faults.clear(one.fault.id)
        self.include(ended)

    def include(self, operations: Iterable[HeldOperation]) -> None:
        """Include operations that were held; one that is no longer valid is dropped."""
        for one in operations:
            with suppress(WalletError):
                self._chain.include(self._run(one.operation))

    def _run(self, op: UserOperation) -> Execution:
        """Check `op` and run its bundle without storing it. Raises: as `send`."""
        self._precheck(op)
        with _timeout_as_revert():
            execution = self._chain.execute(self._transaction(op))
        if not execution.result.success:
            is_deployed = self._chain.code(op.sender) != b"" or op.authorization is not None
            raise build_validation_error(execution.result.output, is_deployed=is_deployed)
        return execution

    def find(self, operation_hash: bytes) -> MinedOperation | None:
        """Find a mined operation, whichever bundler sent it; None when it was not mined."""
        found = self._chain.blocks.find_by_operation(bytes(operation_hash))
        return None if found is None else MinedOperation(*found)

    def find_pending(self, operation_hash: bytes) -> UserOperation | None:
        """Find an operation that is held, or waits in the chain's mempool; None for any other."""
        return self.held.find(operation_hash) or self._waiting.find(operation_hash)

    def read_operation(self, mined: MinedOperation) -> UserOperation | None:
        """Read the operation from its transaction; None when the transaction is not a direct `handleOps` call."""
        signed = mined.inclusion.transaction
        authorizations: Any = signed.authorization_list if mined.inclusion.kind == 4 else ()
        for op in read_handle_ops(signed.data):
            if user_operation_hash(op, self._chain.config.chain_id, ENTRY_POINT) == mined.event.operation_hash:
                return with_authorization(op, authorizations)
        return None

    def _transaction(self, op: UserOperation) -> bytes:
        chain, account = self._chain, self._account
        paymaster = op.paymaster
        later = op.call_gas_limit + (0 if paymaster is None else paymaster.post_op_gas_limit)
        first = op.verification_gas_limit + (0 if paymaster is None else paymaster.verification_gas_limit)
        data = handle_ops_call_data([op], account.address)
        passed_on = later * 64**2 // 63**2  # to the entry point's call to itself, then to the account's (EIP-150)
        gas = op.pre_verification_gas + first + passed_on + _ENTRY_POINT_GAS + floor_gas(data)
        return UnsignedTransaction(
            chain_id=chain.config.chain_id,
            nonce=chain.nonce(account.address, PENDING_BLOCK),
            fees=GasFees(chain.base_fee, 0),
            gas=min(gas, chain.gas_limit),
            to=ENTRY_POINT,
            data=data,
            authorizations=() if op.authorization is None else (op.authorization,),
        ).sign(account.key)

    def _precheck(self, op: UserOperation) -> None:
        """Run the checks that bundlers make before any execution, with the error messages of hosted bundlers."""
        _check_at_least("maxFeePerGas", op.max_fee_per_gas, self._chain.base_fee)
        if op.max_priority_fee_per_gas > op.max_fee_per_gas:
            text = f"maxPriorityFeePerGas is {op.max_priority_fee_per_gas} but must be at most {op.max_fee_per_gas}"
            raise Rejected(f"precheck failed: {text}", reason="fee_too_low")
        _check_at_least("preVerificationGas", op.pre_verification_gas, pre_verification_gas(op))
        _check_at_least("callGasLimit", op.call_gas_limit, estimation.MIN_CALL_GAS)
        _check_at_most("verificationGasLimit", op.verification_gas_limit, MAX_VERIFICATION_GAS)
        paymaster = op.paymaster
        total = op.pre_verification_gas + op.verification_gas_limit + op.call_gas_limit
        total += 0 if paymaster is None else paymaster.verification_gas_limit + paymaster.post_op_gas_limit
        _check_at_most("total gas limit", total, MAX_TOTAL_GAS)
        if op.authorization is not None:
            if op.authorization.authority != op.sender:
                raise Rejected("EIP-7702 authorization signature is invalid", reason="authorization_invalid")
            self._check_authorization(op.sender, op.authorization)
        if paymaster is None:
            chain = self._chain
            funds = chain.balance(op.sender) + chain.storage(ENTRY_POINT, deposit_slot_number(op.sender))
            if funds < max_cost(op):
                text = f"sender balance and deposit together is {funds} but must be at least {max_cost(op)}"
                raise Rejected(f"precheck failed: {text} to pay for this operation", reason="insufficient_funds")

    def _check_authorization(self, sender: Address, authorization: Authorization) -> None:
        """Check chain id and nonce, but not the signer: in an estimation the authorization is not signed yet."""
        if authorization.chain_id not in (0, self._chain.config.chain_id):
            raise Rejected("EIP-7702 authorization signature is invalid", reason="authorization_invalid")
        actual = self._chain.nonce(sender)
        if authorization.nonce != actual:
            text = f"EIP-7702 nonce mismatch. Expected: {actual}, Actual: {authorization.nonce}"
            raise Rejected(text, reason="authorization_nonce")


@contextmanager
def _timeout_as_revert() -> Iterator[None]:
    """Raise ExecutionReverted when an operation runs too long, because sending it again would not help."""
    try:
        yield
    except ExecutionTimeout as error:
        raise ExecutionReverted(error.message, reason=error.reason) from error


def _check_at_least(name: str, given: int, least: int) -> None:
    if given < least:
        raise Rejected(f"precheck failed: {name} is {given} but must be at least {least}", reason="too_low")


def _check_at_most(name: str, given: int, most: int) -> None:
    if given > most:
        raise Rejected(f"precheck failed: {name} is {given} but must be at most {most}", reason="too_high")
