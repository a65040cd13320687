"""Machine that records, for tracers, the calls, logs and destructions of each frame in their order.

It runs code as `Computation` does, but without shared programs: transactions are traced one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth.abc import ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI
from eth.exceptions import Halt
from eth.vm import opcode_values as opcode
from eth.vm.opcode import as_opcode
from eth_typing import Address

from wallet_rpc.devchain.chain_state import Value
from wallet_rpc.devchain.computation import OPCODES, Computation
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.program import Program

_CALL_KINDS = {
    opcode.CALL: "CALL",
    opcode.CALLCODE: "CALLCODE",
    opcode.DELEGATECALL: "DELEGATECALL",
    opcode.STATICCALL: "STATICCALL",
}
_CREATE_KINDS = {opcode.CREATE: "CREATE", opcode.CREATE2: "CREATE2"}
_LOW_160 = (1 << 160) - 1


@dataclass(frozen=True, slots=True)
class TracedLog:
    """A log that a frame emitted."""

    address: bytes
    topics: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that ran no code: its depth or its value was too high."""

    kind: str
    sender: bytes
    to: bytes
    value: int
    gas: int
    data: bytes
    error: str


@dataclass(frozen=True, slots=True)
class Destruction:
    """A SELFDESTRUCT, which sends the balance to a beneficiary."""

    address: bytes
    beneficiary: bytes
    value: int


class TracedComputation(Computation):
    """One call frame, with its events."""

    kind = "CALL"
    """The instruction that made the frame; CALL or CREATE for the outermost one."""
    caller = b""
    """The account whose code made the call."""
    callee = b""
    """The account that was called; its code may be delegated."""
    _calling: tuple[str, bytes] = ("CALL", b"")

    def __init__(self, state: StateAPI, message: MessageAPI, transaction_context: TransactionContextAPI) -> None:
        super().__init__(state, message, transaction_context)
        self.program = Program(message.code, TRACED_OPCODES)
        self.events: list[TracedComputation | TracedLog | FailedCall | Destruction] = []
        self.kind = "CREATE" if message.is_create else "CALL"
        self.caller, self.callee = bytes(message.sender), bytes(message.storage_address)

    def apply_child_computation(self, child_msg: MessageAPI) -> ComputationAPI:
        """Apply a child message, and record it as an event."""
        kind, callee = self._calling
        child: Any = super().apply_child_computation(child_msg)
        child.kind, child.caller = kind, bytes(self.msg.storage_address)
        child.callee = callee or bytes(child_msg.storage_address)
        self.events.append(child)
        computation: ComputationAPI = child
        return computation

    def record_failed_call(self, message: Any) -> None:
        """Record a call that runs no code."""
        kind, callee = self._calling
        is_too_deep = message.depth > _MAX_DEPTH
        error = "max call depth exceeded" if is_too_deep else "insufficient balance for transfer"
        sender = bytes(self.msg.storage_address)
        self.events.append(FailedCall(kind, sender, callee, message.value, message.gas, message.data, error))

    def add_log_entry(self, account: Address, topics: tuple[int, ...], data: bytes) -> None:
        """Add a log, and record it as an event."""
        super().add_log_entry(account, topics, data)
        self.events.append(TracedLog(bytes(account), topics, bytes(data)))


_MAX_DEPTH = 1024


def _as_call(value: int, kind: str) -> Callable[[Any], None]:
    run = OPCODES[value]

    def call(computation: Any) -> None:
        stack = computation._stack.values
        computation._calling = (kind, (stack[-2] & _LOW_160).to_bytes(20) if len(stack) > 1 else b"")
        run(computation=computation)

    return call


def _as_create(value: int, kind: str) -> Callable[[Any], None]:
    run = OPCODES[value]

    def create(computation: Any) -> None:
        computation._calling = (kind, b"")
        run(computation=computation)

    return create


def _destroy(computation: Any) -> None:
    """Execute SELFDESTRUCT, and record it as an event when it does not fail."""
    stack, address = computation._stack.values, computation.msg.storage_address
    beneficiary = (stack[-1] & _LOW_160).to_bytes(20) if stack else b""
    balance = computation.state.get_balance(address)
    try:
        OPCODES[opcode.SELFDESTRUCT](computation=computation)
    except Halt:
        computation.events.append(Destruction(bytes(address), beneficiary, balance))
        raise


TRACED_OPCODES = {
    **OPCODES,
    **{value: as_opcode(_as_call(value, kind), mnemonic=kind, gas_cost=0) for value, kind in _CALL_KINDS.items()},
    **{value: as_opcode(_as_create(value, kind), mnemonic=kind, gas_cost=0) for value, kind in _CREATE_KINDS.items()},
    opcode.SELFDESTRUCT: as_opcode(_destroy, mnemonic="SELFDESTRUCT", gas_cost=0),
}
"""The opcodes of traced frames."""


class TracingJournal(Journal):
    """A journal that records which accounts and words code accessed, also in frames that were reverted."""

    def __init__(self, state: Any, version: int, overlay: dict[bytes, Value] | None = None) -> None:
        super().__init__(state, version, overlay)
        self.accessed: dict[bytes, dict[int, None]] = {}
        """The accessed accounts with their accessed storage words, in order."""

    def record_access(self, address: bytes) -> dict[int, None]:
        """Record an access of an account."""
        return self.accessed.setdefault(bytes(address), {})

    def is_address_warm(self, address: Address) -> bool:
        """Return True when the account was accessed in this run, and record the access."""
        self.record_access(address)
        return super().is_address_warm(address)

    def is_storage_warm(self, address: Address, slot: int) -> bool:
        """Return True when the word was accessed in this run, and record the access."""
        self.record_access(address)[slot] = None
        return super().is_storage_warm(address, slot)
