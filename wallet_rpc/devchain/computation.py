"""py-evm's Prague machine: bounded in time and depth, in geth's words, with notes for the estimation of gas.

The estimation needs what each call frame had cost its caller when it was made, as how much gas a frame must be given
depends on what came before it.
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
"""The longest code that a creation may leave (EIP-170)."""
MAX_INIT_CODE_BYTES = 49_152
"""The longest code that a creation may run (EIP-3860)."""
MAX_BALANCE_WEI = (1 << 256) - 1
"""The most that an account can hold, in wei."""
_PUSH_1, _PUSH_32 = 0x60, 0x7F
_STORE_GAS = 2_301
"""The gas that must be left at an SSTORE (EIP-2200), whatever it costs."""
_PLAIN_STORE = PragueComputation.opcodes[SSTORE]
_CALLS = frozenset({CALL, CALLCODE, DELEGATECALL, STATICCALL})


class CodeTooLong(VMError):
    """A creation leaves more code than EIP-170 allows."""


class BalanceOverflow(VMError):
    """A transfer to an account that would hold more than there can be; only a control makes one so rich."""


class Code(CodeStream):
    """Code whose pushed data is found once, not once for each frame and jump.

    py-evm looks back from each jump's target, and recurses as deep as there are bytes that look like a push.
    """

    def is_valid_opcode(self, position: int) -> bool:
        """True when an instruction begins at `position`."""
        return position < self._length_cache and instructions(self._raw_code_bytes)[position] == 1


@lru_cache(maxsize=128)
def instructions(code: bytes) -> bytes:
    """For each byte of `code`, 1 where an instruction begins and 0 inside of pushed data."""
    found = bytearray(len(code))
    at = 0
    while at < len(code):
        found[at] = 1
        at += code[at] - _PUSH_1 + 2 if _PUSH_1 <= code[at] <= _PUSH_32 else 1
    return bytes(found)


def _store(computation: Any) -> None:
    """SSTORE; notes the gas that must be left at it."""
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
    """What the caller had spent when it made this call, the call's own price included, in gas."""
    least_gas: int = 0
    """The least gas with which the frame's writes of storage are not refused."""

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
        """As py-evm's, but a transfer that no balance can hold fails."""
        receiver = message.storage_address
        is_transfer = message.value > 0 and message.should_transfer_value and message.sender != receiver
        if is_transfer and state.get_balance(receiver) + message.value > MAX_BALANCE_WEI:
            failed = cls(state, message, transaction_context)
            failed.error = BalanceOverflow()
            return failed
        return super().apply_message(state, message, transaction_context, parent_computation)

    def apply_child_computation(self, child_msg: MessageAPI) -> ComputationAPI:
        """As py-evm's, and notes what was spent."""
        spent = self.msg.gas - self._gas_meter.gas_remaining - child_msg.gas
        child: Any = super().apply_child_computation(child_msg)
        child.spent_before = spent
        made: ComputationAPI = child
        return made

    @classmethod
    def validate_contract_code(cls, contract_code: bytes) -> None:
        """Raises: CodeTooLong; py-evm's own errors."""
        if len(contract_code) > MAX_CODE_BYTES:
            raise CodeTooLong
        super().validate_contract_code(contract_code)


def _push_gas(computation: Any) -> None:
    """GAS; notes that its answer is not just passed on to a call."""
    if computation.code.peek() not in _CALLS:
        computation.reads_gas = True
    computation.stack_push_int(computation.get_gas_remaining())


_WATCHED_OPCODES = {**_OPCODES, GAS: as_opcode(_push_gas, mnemonic="GAS", gas_cost=GAS_BASE)}


class WatchedComputation(Computation):
    """A call frame that also notes whether its code looks at the gas it has."""

    opcodes = _WATCHED_OPCODES

    reads_gas: bool = False
