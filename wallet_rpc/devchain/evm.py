"""Runs of py-evm's Prague machine over a journal: an unsigned message call, or a signed transaction.

This module knows no blocks and stores nothing. A run returns an `ExecutionResult`; its changes stay in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any, cast

from eth._utils.address import generate_contract_address
from eth.abc import AccountDatabaseAPI, ComputationAPI, ExecutionContextAPI, SignedTransactionAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.exceptions import InsufficientFunds, OutOfGas
from eth.typing import JournalDBCheckpoint
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.forks.prague.state import PragueState, PragueTransactionExecutor
from eth.vm.message import Message
from eth_typing import Address, Hash32
from eth_utils.logging import ExtendedDebugLogger, get_extended_debug_logger

from wallet_rpc.devchain.authorizations import to_evm_authorization
from wallet_rpc.devchain.computation import MAX_BALANCE_WEI, Computation
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.machine_errors import error_text
from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.domain.gas import AUTHORIZATION_GAS, TOKEN_GAS, TRANSACTION_GAS, call_data_tokens, floor_gas

_LOGGER = get_extended_debug_logger("wallet_rpc.devchain.evm")
_NO_ROOT = Hash32(bytes(32))
_CREATE_GAS, _INITCODE_WORD_GAS = 32_000, 2
_ACCESS_ADDRESS_GAS, _ACCESS_SLOT_GAS = 2_400, 1_900
_STIPEND = 2_300


class State(PragueState):
    """py-evm's state over the `Journal`: checkpoints are integers, and transient storage is in the same journal."""

    computation_class = Computation

    def __init__(self, journal: Journal, context: ExecutionContextAPI) -> None:
        self.journal = journal
        self.execution_context = context
        self._account_db = cast("AccountDatabaseAPI", journal)

    @property
    def logger(self) -> ExtendedDebugLogger:
        """The shared logger: py-evm would look one up at every use."""
        return _LOGGER

    def snapshot(self) -> tuple[Hash32, JournalDBCheckpoint]:
        """Return a checkpoint to revert to."""
        return _NO_ROOT, JournalDBCheckpoint(self.journal.checkpoint())

    def revert(self, snapshot: tuple[Hash32, JournalDBCheckpoint]) -> None:
        """Undo all changes after the checkpoint."""
        self.journal.rollback_to(snapshot[1])

    def commit(self, snapshot: tuple[Hash32, JournalDBCheckpoint]) -> None:
        """Do nothing: the journal already has the changes."""

    def delta_balance(self, address: Address, delta: int) -> None:
        """Add to a balance, up to the maximum, which only fees can reach; the excess is dropped, as in nodes."""
        self.set_balance(address, min(self.get_balance(address) + delta, MAX_BALANCE_WEI))

    def get_transient_storage(self, address: Address, slot: int) -> bytes:
        """Read a word of transient storage (EIP-1153)."""
        return self.journal.get_transient(address, slot)

    def set_transient_storage(self, address: Address, slot: int, value: bytes) -> None:
        """Write a word of transient storage (EIP-1153)."""
        self.journal.set_transient(address, slot, value)

    def clear_transient_storage(self) -> None:
        """Do nothing: a journal lives for one transaction."""


@dataclass(frozen=True, slots=True)
class EventLog:
    """One event log; topics are 32 bytes each."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


class CallFrame:
    """One call inside a run: its input and its result."""

    def __init__(self, computation: ComputationAPI) -> None:
        self.computation = computation
        """The machine's frame."""
        message = computation.msg
        self.to = bytes(message.storage_address)
        self.code_address = bytes(message.code_address)
        self.sender = bytes(message.sender)
        self.value = message.value
        self.depth = message.depth
        self.gas = message.gas
        self.gas_used = computation.get_gas_used()
        self.success = computation.is_success
        self.output = bytes(computation.output)
        self.has_burned_gas = computation.should_burn_gas
        self.reads_gas = getattr(computation, "reads_gas", False)
        self.least_gas = getattr(computation, "least_gas", 0)
        self.spent_before = max(0, getattr(computation, "spent_before", 0))

    @cached_property
    def data(self) -> bytes:
        """The call data."""
        return bytes(self.computation.msg.data)

    @cached_property
    def error(self) -> str | None:
        """The error of a failed call, in the usual wording of nodes."""
        return None if self.success else error_text(self.computation.error)

    @property
    def ran_out_of_gas(self) -> bool:
        """True if this frame itself, not a callee, ran out of gas."""
        return not self.success and isinstance(self.computation.error, OutOfGas)

    @cached_property
    def children(self) -> list[CallFrame]:
        """The calls made by this call, in order."""
        return [CallFrame(child) for child in self.computation.children]

    @cached_property
    def needed_gas(self) -> int:
        """The least gas with which this call runs the same: a call may pass on 63/64 of the remaining gas (EIP-150).

        Gas burned by a failed callee is not counted, because the part that it needed is unknown.
        """
        needed = 0 if self.has_burned_gas else max(self.gas_used, self.least_gas)
        for child in self.children:
            passed = child.needed_gas - (_STIPEND if child.value else 0)
            needed = max(needed, child.spent_before + (passed * 64 + 62) // 63)
        return needed

    def walk(self) -> Iterator[CallFrame]:
        """Iterate over this frame and all frames below it, callers first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """The result of a run. `output` is the raw return data, or the raw revert data of a failed run."""

    success: bool
    output: bytes
    gas_used: int
    gas_refunded: int
    logs: tuple[EventLog, ...]
    error: str | None
    frame: CallFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCall:
    """An unsigned message call; `to` is None for the creation of a contract."""

    sender: bytes
    to: bytes | None
    data: bytes = b""
    value: int = 0
    gas: int
    gas_price: int = 0
    """The price in wei per gas that code sees; it is not charged."""
    access_list: Sequence[tuple[bytes, Sequence[int]]] = ()
    authorizations: Sequence[SignedAuthorization] = ()
    """The message's EIP-7702 authorizations, each applied or skipped as in a transaction."""
    delegations: Mapping[bytes, bytes] = field(default_factory=dict)
    """Delegations to apply without a signature: account to code address."""


def intrinsic_gas(call: MessageCall) -> int:
    """Return the intrinsic gas of a transaction with this message."""
    gas = TRANSACTION_GAS + TOKEN_GAS * call_data_tokens(call.data)
    gas += AUTHORIZATION_GAS * (len(call.authorizations) + len(call.delegations))
    if call.to is None:
        gas += _CREATE_GAS + _INITCODE_WORD_GAS * ((len(call.data) + 31) // 32)
    return gas + sum(_ACCESS_ADDRESS_GAS + _ACCESS_SLOT_GAS * len(slots) for _, slots in call.access_list)


def run_call(
    journal: Journal, context: ExecutionContextAPI, call: MessageCall, machine: type[Computation] = Computation
) -> ExecutionResult:
    """Run an unsigned `call` like a transaction, on the given `machine` if any.

    Raises: OutOfGas when `call.gas` is below the intrinsic cost, InsufficientFunds when the value is not covered.
    """
    # py-evm charges a created contract's init code words in the run itself
    initcode = _INITCODE_WORD_GAS * ((len(call.data) + 31) // 32) if call.to is None else 0
    gas = call.gas - intrinsic_gas(call) + initcode
    if gas < initcode:
        raise OutOfGas("intrinsic gas too low")
    state = State(journal, context)
    sender = Address(bytes(call.sender))
    if journal.get_balance(sender) < call.value:
        raise InsufficientFunds("insufficient funds for transfer")
    authorized = _apply_authorizations(state, call)
    message = _message(state, sender, call, gas)
    for address in (sender, message.storage_address):
        journal.mark_address_warm(address)
    for account, slots in call.access_list:
        journal.mark_address_warm(Address(account))
        for slot in slots:
            journal.mark_storage_warm(Address(account), slot)
    apply: Any = machine.apply_create_message if call.to is None else machine.apply_message
    transaction_context = CancunTransactionContext(gas_price=call.gas_price, origin=sender)
    computation: ComputationAPI = apply(state, message, transaction_context)
    spent = call.gas - computation.get_gas_remaining()
    refund = min(computation.get_gas_refund() + authorized, spent // 5)
    return _build_result(computation, max(spent - refund, floor_gas(call.data)), refund)


def _apply_authorizations(state: State, call: MessageCall) -> int:
    """Apply the message's delegations and authorizations, and return their gas refund."""
    for account, code_address in call.delegations.items():
        state.set_code(Address(bytes(account)), b"\xef\x01\x00" + code_address)
        state.increment_nonce(Address(bytes(account)))
    for one in call.authorizations:
        if one.authority is not None:
            state.journal.account_is_empty(Address(bytes(one.authority)))  # read now: a fork's node may fail here
    transaction = SimpleNamespace(authorization_list=[to_evm_authorization(one) for one in call.authorizations])
    return state.process_set_code_authorizations(cast("SignedTransactionAPI", transaction))


def _message(state: State, sender: Address, call: MessageCall, gas: int) -> Message:
    if call.to is None:
        created = generate_contract_address(sender, state.get_nonce(sender))
        state.increment_nonce(sender)
        return Message(
            gas=gas,
            to=CREATE_CONTRACT_ADDRESS,
            sender=sender,
            value=call.value,
            data=b"",
            code=call.data,
            create_address=created,
        )
    to = Address(bytes(call.to))
    code, delegation = PragueTransactionExecutor(state).get_code_at_address(to)
    return Message(
        gas=gas,
        to=to,
        sender=sender,
        value=call.value,
        data=bytes(call.data),
        code=code,
        is_delegation=delegation is not None,
    )


def run_transaction(
    journal: Journal,
    context: ExecutionContextAPI,
    transaction: SignedTransactionAPI,
    machine: type[Computation] = Computation,
) -> ExecutionResult:
    """Run a signed transaction, including fees. The caller has checked nonce, funds and fee."""
    state = State(journal, context)
    state.computation_class = machine
    executor = PragueTransactionExecutor(state)
    message = executor.build_evm_message(transaction)
    computation = executor.build_computation(message, transaction)
    spent = transaction.gas - computation.get_gas_remaining()
    refund = executor.calculate_gas_refund(computation, spent)
    executor.finalize_computation(transaction, computation)
    return _build_result(computation, spent - refund + computation.data_floor_gas, refund)


def _build_result(computation: ComputationAPI, gas_used: int, refund: int) -> ExecutionResult:
    return ExecutionResult(
        success=computation.is_success,
        output=bytes(computation.output),
        gas_used=gas_used,
        gas_refunded=refund,
        logs=tuple(
            EventLog(bytes(address), tuple(topic.to_bytes(32) for topic in topics), bytes(data))
            for address, topics, data in computation.get_log_entries()
        ),
        error=None if computation.is_success else error_text(computation.error),
        frame=CallFrame(computation),
    )
