"""py-evm's Prague machine with decoded code (`program.py`), limits, and records for gas estimation.

The estimation needs, for each frame, the gas that the caller had spent before the call. The gas that the frame must be
given depends on that amount.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from eth.abc import ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI
from eth.exceptions import OutOfGas, VMError
from eth.vm.code_stream import CodeStream
from eth.vm.forks.prague.computation import PRAGUE_PRECOMPILES, PragueComputation
from eth.vm.memory import Memory
from eth.vm.opcode import as_opcode
from eth.vm.opcode_values import SSTORE
from eth.vm.stack import Stack
from eth_typing import Address

from wallet_rpc.devchain.call_instructions import CALL_INSTRUCTIONS
from wallet_rpc.devchain.precompiles import MODEXP, modexp
from wallet_rpc.devchain.program import Program

MAX_CODE_BYTES = 24_576
"""The maximum size of code that a creation may deploy, in bytes (EIP-170)."""
MAX_INIT_CODE_BYTES = 49_152
"""The maximum size of a creation's init code, in bytes (EIP-3860)."""
MAX_BALANCE_WEI = (1 << 256) - 1
"""The maximum balance of an account, in wei."""
_MEMORY_GAS = 3
_STORE_GAS = 2_301
"""The gas that must remain before an SSTORE (EIP-2200), independent of its own cost."""
_PLAIN_STORE = PragueComputation.opcodes[SSTORE]


class CodeTooLong(VMError):
    """A creation returns more code than EIP-170 allows."""


class BalanceOverflow(VMError):
    """A transfer would exceed the maximum balance; only a control method makes an account that rich."""


class _IntegerStack(Stack):
    """A stack of integers only; py-evm's own also holds bytes."""

    def push_bytes(self, value: bytes) -> None:
        self.push_int(int.from_bytes(value))

    def pop_ints(self, num_items: int) -> tuple[int, ...]:
        return self.pop_any(num_items)  # type: ignore[return-value]  # only integers are pushed


class _WholeCode(CodeStream):
    """Code as one instruction, which runs all of its segments."""

    def __iter__(self) -> Iterator[int]:
        yield _RUN


def _store(computation: Any) -> None:
    """Execute SSTORE, and record the gas that must remain before it."""
    needed = computation.msg.gas - computation.get_gas_remaining() + _STORE_GAS
    computation.least_gas = max(computation.least_gas, needed)
    _PLAIN_STORE(computation)


def _run(computation: Any) -> None:
    """Run the frame's code, segment by segment."""
    stack, meter, program = computation._stack.values, computation._gas_meter, computation.program
    position: int | None = 0
    while position is not None:
        gas, least, most, steps, end, operand = program[position]
        if gas > meter.gas_remaining or not least <= len(stack) <= most:
            return _run_opcodes(computation, position)
        meter.gas_remaining -= gas
        for step, constant in steps:
            step(stack, computation, constant)
        position = operand[1 if stack.pop() else 0] if end is None else end(stack, computation, operand)
    return None


def _run_opcodes(computation: Any, position: int) -> None:
    """Run the frame from `position` by py-evm's functions, one opcode at a time, each of which checks gas and stack."""
    code, program = computation.code, computation.program
    code.program_counter = position
    for opcode in CodeStream.__iter__(code):
        program.get_function(opcode)(computation=computation)


def _get_program(code: bytes) -> Program:
    """Return the program of `code`, from a cache if it is no longer than a contract's: longer code is an override."""
    return _cached_program(code) if len(code) <= MAX_INIT_CODE_BYTES else Program(code, OPCODES)


@lru_cache(maxsize=64)
def _cached_program(code: bytes) -> Program:
    """Return the program of `code`; cached, as runs use the same few contracts again and again."""
    return Program(code, OPCODES)


_RUN = 0
_MACHINE_OPCODES = {_RUN: as_opcode(_run, mnemonic="RUN", gas_cost=0)}
_PRECOMPILES = {**PRAGUE_PRECOMPILES, Address(MODEXP): modexp}
_OWN_OPCODES = {SSTORE: _store, **CALL_INSTRUCTIONS}
OPCODES = {
    **PragueComputation.opcodes,
    **{value: as_opcode(function, mnemonic=f"{value:#x}", gas_cost=0) for value, function in _OWN_OPCODES.items()},
}
"""The opcodes of frames, for code that does not run as steps."""


class Computation(PragueComputation):
    """One call frame."""

    _precompiles = _PRECOMPILES
    opcodes = _MACHINE_OPCODES

    spent_before: int = 0
    """The gas that the caller had spent when it made this call, including the call's own price."""
    least_gas: int = 0
    """The least gas with which the frame's storage writes are allowed."""
    reads_gas: bool = False
    """True if the code reads the remaining gas and does not just pass it on to a call."""

    def __init__(self, state: StateAPI, message: MessageAPI, transaction_context: TransactionContextAPI) -> None:
        self.state = state
        self.msg = message
        self.transaction_context = transaction_context
        self.children = []
        self.accounts_to_delete = []
        self.beneficiaries = []
        self._log_entries = []
        self._gas_meter = self._configure_gas_meter()
        self.code = _WholeCode(message.code)
        self.program = _get_program(message.code)
        self._stack = _IntegerStack()
        self._memory = memory = Memory()
        self.memory = memory._bytes
        state.mark_address_warm(state.coinbase)  # EIP-3651

    def consume_gas(self, amount: int, reason: str) -> None:
        """Charge gas. Raises: OutOfGas."""
        meter = self._gas_meter
        if amount > meter.gas_remaining:
            raise OutOfGas(reason)
        meter.gas_remaining -= amount

    def extend_memory(self, start_position: int, size: int) -> None:
        """Extend the memory to whole words, for their price. Raises: OutOfGas."""
        before, end = len(self.memory) // 32, start_position + size
        after = (end + 31) // 32
        if size == 0 or after <= before:
            return
        self.consume_gas(_MEMORY_GAS * (after - before) + after**2 // 512 - before**2 // 512, "memory")
        self.memory.extend(bytes(32 * (after - before)))

    @classmethod
    def apply_message(
        cls,
        state: StateAPI,
        message: MessageAPI,
        transaction_context: TransactionContextAPI,
        parent_computation: ComputationAPI | None = None,
    ) -> ComputationAPI:
        """Apply a message as py-evm does, but fail a transfer that would exceed the maximum balance."""
        receiver = message.storage_address
        is_transfer = message.value > 0 and message.should_transfer_value and message.sender != receiver
        if is_transfer and state.get_balance(receiver) + message.value > MAX_BALANCE_WEI:
            failed = cls(state, message, transaction_context)
            failed.error = BalanceOverflow()
            return failed
        return super().apply_message(state, message, transaction_context, parent_computation)

    def record_failed_call(self, message: Any) -> None:
        """Do nothing: only tracers record a call that runs no code, as its depth or its value is too high."""

    def apply_child_computation(self, child_msg: MessageAPI) -> ComputationAPI:
        """Apply a child message as py-evm does, and record the gas spent before it."""
        spent = self.msg.gas - self._gas_meter.gas_remaining - child_msg.gas
        apply: Any = self.apply_create_message if child_msg.is_create else self.apply_message
        child = apply(self.state, child_msg, self.transaction_context, self)
        child.spent_before = spent
        self.add_child_computation(child)
        computation: ComputationAPI = child
        return computation

    @classmethod
    def validate_contract_code(cls, contract_code: bytes) -> None:
        """Check created code as py-evm does, and its size. Raises: CodeTooLong; py-evm's own errors."""
        if len(contract_code) > MAX_CODE_BYTES:
            raise CodeTooLong
        super().validate_contract_code(contract_code)
