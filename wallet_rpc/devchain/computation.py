"""py-evm's Prague machine, limited in time and depth, with geth's error messages and records for gas estimation.

The estimation needs, for each frame, the gas that the caller had spent before the call. The gas that the frame must be
given depends on that amount.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from eth.abc import ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI
from eth.constants import GAS_BASE
from eth.exceptions import VMError
from eth.vm.code_stream import CodeStream
from eth.vm.forks.prague.computation import PRAGUE_PRECOMPILES, PragueComputation
from eth.vm.opcode import as_opcode
from eth.vm.opcode_values import CALL, CALLCODE, DELEGATECALL, GAS, SSTORE, STATICCALL
from eth_typing import Address

from wallet_rpc.devchain.precompiles import MODEXP, modexp

MAX_CODE_BYTES = 24_576
"""The maximum size of code that a creation may deploy, in bytes (EIP-170)."""
MAX_INIT_CODE_BYTES = 49_152
"""The maximum size of a creation's init code, in bytes (EIP-3860)."""
MAX_BALANCE_WEI = (1 << 256) - 1
"""The maximum balance of an account, in wei."""
_PUSH_1, _PUSH_32 = 0x60, 0x7F
_STORE_GAS = 2_301
"""The gas that must remain before an SSTORE (EIP-2200), independent of its own cost."""
_PLAIN_STORE = PragueComputation.opcodes[SSTORE]
_CALLS = frozenset({CALL, CALLCODE, DELEGATECALL, STATICCALL})


class CodeTooLong(VMError):
    """A creation returns more code than EIP-170 allows."""


class BalanceOverflow(VMError):
    """A transfer would exceed the maximum balance; only a control method makes an account that rich."""


class Code(CodeStream):
    """Code with its push data located once, instead of once for each frame and jump.

    py-evm scans back from each jump's target, and recurses once for each byte that looks like a push.
    """

    def is_valid_opcode(self, position: int) -> bool:
        """True when an instruction begins at `position`."""
        return position < self._length_cache and instructions(self._raw_code_bytes)[position] == 1


@lru_cache(maxsize=128)
def instructions(code: bytes) -> bytes:
    """Return, for each byte of `code`, 1 where an instruction begins and 0 inside push data."""
    found = bytearray(len(code))
    at = 0
    while at < len(code):
        found[at] = 1
        at += code[at] - _PUSH_1 + 2 if _PUSH_1 <= code[at] <= _PUSH_32 else 1
    return bytes(found)


def _store(computation: Any) -> None:
    """Execute SSTORE, and record the gas that must remain before it."""
    needed = computation.msg.gas - computation.get_gas_remaining() + _STORE_GAS
    computation.least_gas = max(computation.least_gas, needed)
    _PLAIN_STORE(computation)


_PRECOMPILES = {**PRAGUE_PRECOMPILES, Address(MODEXP): modexp}
_OPCODES = {**PragueComputation.opcodes, SSTORE: as_opcode(_store, mnemonic="SSTORE", gas_cost=0)}


class Computation(PragueComputation):
    """One call frame."""

    _precompiles = _PRECOMPILES
    opcodes = _OPCODES

    spent_before: int = 0
    """The gas that the caller had spent when it made this call, including the call's own price."""
    least_gas: int = 0
    """The least gas with which the frame's storage writes are allowed."""

    def __init__(self, state: StateAPI, message: MessageAPI, transaction_context: TransactionContextAPI) -> None:
        super().__init__(state, message, transaction_context)
        self.code = Code(message.code)

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

    def apply_child_computation(self, child_msg: MessageAPI) -> ComputationAPI:
        """Apply a child message as py-evm does, and record the gas spent before it."""
        spent = self.msg.gas - self._gas_meter.gas_remaining - child_msg.gas
        child: Any = super().apply_child_computation(child_msg)
        child.spent_before = spent
        computation: ComputationAPI = child
        return computation

    @classmethod
    def validate_contract_code(cls, contract_code: bytes) -> None:
        """Check created code as py-evm does, and its size. Raises: CodeTooLong; py-evm's own errors."""
        if len(contract_code) > MAX_CODE_BYTES:
            raise CodeTooLong
        super().validate_contract_code(contract_code)


def _push_gas(computation: Any) -> None:
    """Execute GAS, and record that its result is not just passed on to a call."""
    if computation.code.peek() not in _CALLS:
        computation.reads_gas = True
    computation.stack_push_int(computation.get_gas_remaining())


_WATCHED_OPCODES = {**_OPCODES, GAS: as_opcode(_push_gas, mnemonic="GAS", gas_cost=GAS_BASE)}


class WatchedComputation(Computation):
    """A call frame that also records whether its code reads the remaining gas."""

    opcodes = _WATCHED_OPCODES

    reads_gas: bool = False
