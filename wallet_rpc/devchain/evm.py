"""Runs of py-evm's Prague machine over a journal: a message that is only looked at, or a signed transaction.

The rule: nothing here knows blocks or keeps anything. A run answers an `Outcome`; its changes stay in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from eth._utils.address import generate_contract_address
from eth.abc import AccountDatabaseAPI, ComputationAPI, ExecutionContextAPI, SignedTransactionAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.exceptions import InsufficientFunds, OutOfGas, Revert, VMError
from eth.typing import JournalDBCheckpoint
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.forks.prague.state import PragueState, PragueTransactionExecutor
from eth.vm.message import Message
from eth_typing import Address, Hash32
from eth_utils.logging import ExtendedDebugLogger, get_extended_debug_logger

from wallet_rpc.devchain.computation import Computation
from wallet_rpc.devchain.journal import Journal

_LOGGER = get_extended_debug_logger("wallet_rpc.devchain.evm")
_NO_ROOT = Hash32(bytes(32))
_BASE_GAS, _CREATE_GAS, _INITCODE_WORD_GAS = 21_000, 32_000, 2
_ZERO_BYTE_GAS, _BYTE_GAS, _FLOOR_PER_TOKEN = 4, 16, 10
_ACCESS_ADDRESS_GAS, _ACCESS_SLOT_GAS = 2_400, 1_900
_STIPEND = 2_300
AUTHORIZATION_GAS = 25_000
"""What one EIP-7702 authorization costs up front; half comes back when the account existed."""


class State(PragueState):
    """py-evm's state over our journal: checkpoints are integers, and transient storage is in the same journal."""

    computation_class = Computation

    def __init__(self, journal: Journal, context: ExecutionContextAPI) -> None:
        self.journal = journal
        self.execution_context = context
        self._account_db = cast("AccountDatabaseAPI", journal)

    @property
    def logger(self) -> ExtendedDebugLogger:
        """One logger: py-evm would look one up at every use."""
        return _LOGGER

    def snapshot(self) -> tuple[Hash32, JournalDBCheckpoint]:
        """A point to come back to."""
        return _NO_ROOT, JournalDBCheckpoint(self.journal.mark())

    def revert(self, snapshot: tuple[Hash32, JournalDBCheckpoint]) -> None:
        """Undo what came after."""
        self.journal.back_to(snapshot[1])

    def commit(self, snapshot: tuple[Hash32, JournalDBCheckpoint]) -> None:
        """Keep what came after: nothing to do."""

    def get_transient_storage(self, address: Address, slot: int) -> bytes:
        """EIP-1153."""
        return self.journal.get_transient(address, slot)

    def set_transient_storage(self, address: Address, slot: int, value: bytes) -> None:
        """EIP-1153."""
        self.journal.set_transient(address, slot, value)

    def clear_transient_storage(self) -> None:
        """A journal lives for one transaction; there is nothing to clear."""


@dataclass(frozen=True, slots=True)
class Log:
    """One event; topics are 32 bytes each."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


class Frame:
    """One call inside a run, as it was made and as it ended."""

    def __init__(self, computation: ComputationAPI) -> None:
        self._computation = computation
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
        self.burned = computation.should_burn_gas
        self.spent_before = max(0, getattr(computation, "spent_before", 0))

    @cached_property
    def data(self) -> bytes:
        """The call data."""
        return bytes(self._computation.msg.data)

    @cached_property
    def error(self) -> str | None:
        """Why it failed, in a node's usual words."""
        return None if self.success else error_text(self._computation.error)

    @property
    def ran_out_of_gas(self) -> bool:
        """Whether this very frame ended for want of gas."""
        return not self.success and isinstance(self._computation.error, OutOfGas)

    @cached_property
    def children(self) -> list[Frame]:
        """The calls this call made, in order."""
        return [Frame(child) for child in self._computation.children]

    @cached_property
    def needed_gas(self) -> int:
        """The least gas with which this call runs the same: a call may pass on 63/64 of what is left (EIP-150).

        What a callee burned that failed is not counted: nobody knows how much of it was needed.
        """
        needed = 0 if self.burned else self.gas_used
        for child in self.children:
            passed = child.needed_gas - (_STIPEND if child.value else 0)
            needed = max(needed, child.spent_before + (passed * 64 + 62) // 63)
        return needed

    def walk(self) -> Iterator[Frame]:
        """This frame and everything below, callers first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `output` is the raw answer, or the raw revert data when it failed."""

    success: bool
    output: bytes
    gas_used: int
    gas_refunded: int
    logs: tuple[Log, ...]
    error: str | None
    created: bytes | None
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A message to look at: who calls whom with what. The sender pays no gas; `to` None creates a contract."""

    sender: bytes
    to: bytes | None
    data: bytes = b""
    value: int = 0
    gas: int
    gas_price: int = 0
    access_list: Sequence[tuple[bytes, Sequence[int]]] = ()
    delegations: Mapping[bytes, bytes] = field(default_factory=dict)
    """Accounts that an authorization of the message lets run another's code: account to code address."""
    authorizations: int = 0
    """How many authorizations the message carries, for its intrinsic gas."""


def error_text(error: VMError) -> str:
    """A machine error in the words nodes use."""
    if isinstance(error, Revert):
        return "execution reverted"
    if isinstance(error, OutOfGas):
        return "out of gas"
    words = "".join(" " + letter.lower() if letter.isupper() else letter for letter in type(error).__name__)
    return words.strip()


def data_tokens(data: bytes) -> int:
    """EIP-7623's measure of call data: a zero byte is one, any other four."""
    return 4 * len(data) - 3 * data.count(0)


def intrinsic_gas(call: Call) -> int:
    """What a transaction of this message costs before any code runs."""
    gas = _BASE_GAS + _ZERO_BYTE_GAS * data_tokens(call.data) + AUTHORIZATION_GAS * call.authorizations
    if call.to is None:
        gas += _CREATE_GAS + _INITCODE_WORD_GAS * ((len(call.data) + 31) // 32)
    return gas + sum(_ACCESS_ADDRESS_GAS + _ACCESS_SLOT_GAS * len(slots) for _, slots in call.access_list)


def floor_gas(data: bytes) -> int:
    """The least a transaction with this call data pays (EIP-7623)."""
    return _BASE_GAS + _FLOOR_PER_TOKEN * data_tokens(data)


def run_call(
    journal: Journal, context: ExecutionContextAPI, call: Call, machine: type[Computation] = Computation
) -> Outcome:
    """Run `call` as a transaction would, but unsigned and without a fee; on another `machine` when given.

    Raises: OutOfGas when `call.gas` is below the intrinsic cost, InsufficientFunds when the value is not covered.
    """
    # py-evm charges a created contract's init code words in the run itself
    initcode = _INITCODE_WORD_GAS * ((len(call.data) + 31) // 32) if call.to is None else 0
    gas = call.gas - intrinsic_gas(call) + initcode
    if gas < initcode:
        raise OutOfGas("intrinsic gas too low")
    state = State(journal, context)
    sender = Address(bytes(call.sender))
    for address, code_address in call.delegations.items():
        journal.set_code(Address(bytes(address)), b"\xef\x01\x00" + code_address)
        journal.increment_nonce(Address(bytes(address)))
    message = _message(state, sender, call, gas)
    for address in (sender, message.storage_address):
        journal.mark_address_warm(address)
    for address, slots in call.access_list:
        journal.mark_address_warm(Address(address))
        for slot in slots:
            journal.mark_storage_warm(Address(address), slot)
    if journal.get_balance(sender) < call.value:
        raise InsufficientFunds("insufficient funds for transfer")
    made = CancunTransactionContext(gas_price=call.gas_price, origin=sender)
    apply: Any = machine.apply_create_message if call.to is None else machine.apply_message
    computation: ComputationAPI = apply(state, message, made)
    spent = call.gas - computation.get_gas_remaining()
    refund = min(computation.get_gas_refund(), spent // 5)
    return _outcome(computation, max(spent - refund, floor_gas(call.data)), refund)


def _message(state: State, sender: Address, call: Call, gas: int) -> Message:
    executor = PragueTransactionExecutor(state)
    if call.to is None:
        nonce = state.get_nonce(sender)
        created = generate_contract_address(sender, nonce)
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
    code, delegation = executor.get_code_at_address(to)
    return Message(
        gas=gas,
        to=to,
        sender=sender,
        value=call.value,
        data=bytes(call.data),
        code=code,
        is_delegation=delegation is not None,
    )


def run_transaction(journal: Journal, context: ExecutionContextAPI, transaction: SignedTransactionAPI) -> Outcome:
    """Run a signed transaction, fees and all. Its facts (nonce, funds, fee) have been checked by the caller."""
    state = State(journal, context)
    executor = PragueTransactionExecutor(state)
    message = executor.build_evm_message(transaction)
    computation = executor.build_computation(message, transaction)
    spent = transaction.gas - computation.get_gas_remaining()
    refund = executor.calculate_gas_refund(computation, spent)
    executor.finalize_computation(transaction, computation)
    return _outcome(computation, spent - refund + computation.data_floor_gas, refund)


def _outcome(computation: ComputationAPI, gas_used: int, refund: int) -> Outcome:
    message = computation.msg
    created = bytes(message.storage_address) if message.is_create and computation.is_success else None
    return Outcome(
        success=computation.is_success,
        output=bytes(computation.output),
        gas_used=gas_used,
        gas_refunded=refund,
        logs=tuple(
            Log(bytes(address), tuple(topic.to_bytes(32) for topic in topics), bytes(data))
            for address, topics, data in computation.get_log_entries()
        ),
        error=None if computation.is_success else error_text(computation.error),
        created=created,
        frame=Frame(computation),
    )
