"""py-evm's Prague machine with a faster inner loop: the same results for a fraction of the time.

The rule: the instructions of `instructions` are run here; everything else (calls, storage, logs, copies, halting) is
py-evm's own code. A failure here burns the frame's gas, as in py-evm, so the meter need not be exact at that point.
`tests/devchain/test_interpreter.py` runs both loops on the same code and compares everything.
"""

from __future__ import annotations

from typing import Any

from eth.abc import ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI
from eth.exceptions import (
    FullStack,
    Halt,
    InsufficientStack,
    InvalidInstruction,
    InvalidJumpDestination,
    OutOfGas,
)
from eth.vm.computation import NO_RESULT
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.logic.invalid import InvalidOpcode

from wallet_rpc.devchain.instructions import (
    COST,
    FRAME,
    JUMP,
    JUMPDEST,
    JUMPI,
    MOST_STACK,
    NOT_DONE,
    PLAIN,
    PUSH0,
    PUSH32,
    Stack,
    read_code,
)


class Computation(PragueComputation):
    """One call frame."""

    spent_before: int = 0
    """What the caller had spent when it made this call, the call's own price included, in gas."""

    def apply_child_computation(self, child_msg: MessageAPI) -> ComputationAPI:
        """As py-evm's, and notes what was spent."""
        spent = self.msg.gas - self._gas_meter.gas_remaining - child_msg.gas
        child: Any = super().apply_child_computation(child_msg)
        child.spent_before = spent
        made: ComputationAPI = child
        return made

    @classmethod
    def apply_computation(
        cls,
        state: StateAPI,
        message: MessageAPI,
        transaction_context: TransactionContextAPI,
        parent_computation: ComputationAPI | None = None,
    ) -> ComputationAPI:
        """As py-evm's, with `_run` for its loop."""
        with cls(state, message, transaction_context) as computation:
            if parent_computation is None:
                computation.contracts_created = []
                if message.is_create:
                    cls.consume_initcode_gas_cost(computation)
            else:
                computation.contracts_created = parent_computation.contracts_created
            if message.is_create:
                computation.contracts_created.append(message.storage_address)
            precompile = computation.precompiles.get(message.code_address, NO_RESULT)
            if precompile is NO_RESULT:
                _run(computation)
            elif not message.is_delegation:
                precompile(computation)
        return computation


def _run(computation: Any) -> None:
    """Run a frame's code to its end. Raises: VMError, as py-evm does."""
    raw, pushes, targets = read_code(computation.msg.code)
    stack: Stack = computation._stack.values
    plain, costs, framed = PLAIN, COST, FRAME
    gas, position = computation._gas_meter.gas_remaining, 0
    try:
        while True:
            opcode = raw[position]
            if (instruction := plain[opcode]) is not None:
                gas -= costs[opcode]
                instruction(stack)
                position += 1
            elif PUSH0 <= opcode <= PUSH32:
                gas -= 2 if opcode == PUSH0 else 3
                if len(stack) >= MOST_STACK:
                    raise FullStack("Stack limit reached")
                stack.append(pushes[position])
                position += opcode - 0x5E
            elif opcode == JUMPDEST:
                gas -= 1
                position += 1
            elif opcode in (JUMP, JUMPI):
                gas -= 8 if opcode == JUMP else 10
                position = _jump(opcode, position, raw, stack, targets)
            elif (look := framed[opcode]) is not None and (cost := look(computation, stack)) != NOT_DONE:
                gas -= cost
                position += 1
            elif gas < 0 or (moved := _other(computation, opcode, position, gas)) is None:
                break
            else:
                position, gas = moved
            if gas < 0:
                raise OutOfGas("out of gas")
    except IndexError as error:
        raise InsufficientStack("stack underflow") from error


def _jump(opcode: int, position: int, raw: bytes, stack: Stack, targets: frozenset[int]) -> int:
    """Where a JUMP or JUMPI leads."""
    target = stack.pop()
    if opcode == JUMPI and not stack.pop():
        return position + 1
    if target not in targets:
        wrong = target < len(raw) and raw[target] == JUMPDEST
        raise InvalidInstruction("jump into data") if wrong else InvalidJumpDestination("no destination")
    return target


def _other(computation: Any, opcode: int, position: int, gas: int) -> tuple[int, int] | None:
    """One instruction by py-evm's own code: the new position and gas, or None when the frame has ended."""
    meter, stream, stack = computation._gas_meter, computation.code, computation._stack.values
    meter.gas_remaining, stream.program_counter = gas, position + 1
    function = computation.opcodes.get(opcode) or InvalidOpcode(opcode)
    try:
        function(computation=computation)
    except Halt:
        return None
    if stack and type(stack[-1]) is bytes:
        stack[-1] = int.from_bytes(stack[-1])
    return stream.program_counter, meter.gas_remaining
