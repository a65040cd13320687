"""geth's default tracer: every instruction of a run, with the stack, memory and storage before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth.abc import ComputationAPI, MessageAPI
from eth.exceptions import VMError
from eth.vm import opcode_values as opcode
from eth.vm.opcode import as_opcode

from wallet_rpc.devchain.answers import JsonValue, format_data
from wallet_rpc.devchain.evm import ExecutionResult
from wallet_rpc.devchain.machine_errors import error_text
from wallet_rpc.devchain.traced_machine import TracedComputation
from wallet_rpc.errors import LimitExceeded

MAX_TRACE_STEPS = 100_000
"""The maximum number of instructions of a trace."""
MAX_TRACE_WORDS = 2_000_000
"""The maximum number of words of stacks, memories and storage in a trace."""
_NAMES = {value: name for name, value in vars(opcode).items() if isinstance(value, int)}
_NAMES |= {0x5F: "PUSH0", 0x44: "PREVRANDAO", 0x20: "KECCAK256", 0xFE: "INVALID"}


@dataclass(frozen=True, slots=True)
class StepOptions:
    """Parts of a step that are included."""

    stack: bool = True
    memory: bool = False
    storage: bool = True


class StepRecorder:
    """The steps of one run. Raises: LimitExceeded for too many."""

    def __init__(self, options: StepOptions) -> None:
        self._options = options
        self._words = 0
        self.steps: list[dict[str, JsonValue]] = []
        self.storage: dict[tuple[bytes, int], int] = {}

    def add(self, frame: Any, position: int, value: int) -> dict[str, JsonValue]:
        """Add the instruction that the frame runs next; its price is filled in later."""
        stack = frame._stack.values
        step: dict[str, JsonValue] = {
            "pc": position,
            "op": _NAMES.get(value, f"opcode {value:#x} not defined"),
            "gas": frame._gas_meter.gas_remaining,
            "gasCost": 0,
            "depth": frame.msg.depth + 1,
            "refund": max(0, frame._gas_meter.gas_refunded),
        }
        if self._options.stack:
            step["stack"] = [hex(word) for word in stack]
            self._words += len(stack)
        if self._options.memory:
            memory = bytes(frame.memory)
            step["memory"] = [format_data(memory[at : at + 32]) for at in range(0, len(memory), 32)]
            self._words += len(step["memory"])
        if self._options.storage and value in {opcode.SLOAD, opcode.SSTORE} and stack:
            step["storage"] = self._read_storage(frame, value, stack)
            self._words += len(step["storage"])
        if len(self.steps) >= MAX_TRACE_STEPS or self._words > MAX_TRACE_WORDS:
            text = f"expected at most {MAX_TRACE_STEPS} steps with {MAX_TRACE_WORDS} words; use callTracer instead"
            raise LimitExceeded(text, reason="trace_too_long")
        self.steps.append(step)
        return step

    def _read_storage(self, frame: Any, value: int, stack: list[int]) -> JsonValue:
        """Return the words of the account that were used up to now, with this instruction's."""
        address, slot = bytes(frame.msg.storage_address), stack[-1]
        is_write = value == opcode.SSTORE and len(stack) > 1
        self.storage[address, slot] = stack[-2] if is_write else frame.state.get_storage(address, slot)
        return {f"{at:064x}": f"{word:064x}" for (owner, at), word in self.storage.items() if owner == address}


class StepComputation(TracedComputation):
    """One call frame that records its instructions in `recorder`."""

    recorder: StepRecorder
    _step: dict[str, JsonValue]

    def record_failed_call(self, message: Any) -> None:
        """Record a call that runs no code, with the price of the gas that it passes on."""
        super().record_failed_call(message)
        self._step["gasCost"] = self._step["gas"] - self._gas_meter.gas_remaining

    def apply_child_computation(self, child_msg: MessageAPI) -> ComputationAPI:
        """Apply a child message; the price of the call covers the gas that it passes on."""
        self._step["gasCost"] = self._step["gas"] - self._gas_meter.gas_remaining
        return super().apply_child_computation(child_msg)


def _run_steps(computation: Any) -> None:
    """Run the frame's code one instruction at a time, by py-evm's functions."""
    code, program, recorder = computation.code, computation.program, computation.recorder
    code.program_counter = 0
    while len(code) > 0:
        value = code.peek()
        step = computation._step = recorder.add(computation, code.program_counter, value)
        code.program_counter += 1
        try:
            program.get_function(value)(computation=computation)
        except VMError as error:
            if value != opcode.REVERT:
                step["error"] = error_text(error)
            raise
        finally:
            if step["gasCost"] == 0:
                step["gasCost"] = step["gas"] - computation._gas_meter.gas_remaining


StepComputation.opcodes = {0: as_opcode(_run_steps, mnemonic="STEPS", gas_cost=0)}


def build_step_machine(recorder: StepRecorder) -> type[StepComputation]:
    """Return a machine whose frames record their instructions in `recorder`."""
    return type("StepComputation", (StepComputation,), {"recorder": recorder})


def format_steps(result: ExecutionResult, recorder: StepRecorder) -> JsonValue:
    """Format the steps of a run, with its outcome."""
    return {
        "gas": result.gas_used,
        "failed": not result.success,
        "returnValue": format_data(result.output),
        "structLogs": recorder.steps,
    }
