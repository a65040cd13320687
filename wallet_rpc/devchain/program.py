"""Decoded code: segments of steps that run without checks between them.

A segment is a run of instructions whose order is known when it is decoded; it follows jumps to constant destinations.
Its static gas and its stack heights are checked once, before it. When one of these checks fails, py-evm's own loop runs
the segment instead and fails as the rules say, at the right instruction. A segment ends where the next instruction
depends on a value, where code observes its gas, and where an instruction has effects beyond the frame. So the order of
charges inside a segment is not observable: whatever fails in it is out of gas, and burns all gas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from eth.abc import OpcodeAPI
from eth.exceptions import InvalidInstruction, InvalidJumpDestination
from eth.vm import opcode_values as opcode
from eth.vm.logic.invalid import InvalidOpcode

from wallet_rpc.devchain.instructions import INSTRUCTIONS, Frame, Instruction, Stack, Step, is_zero, push

MAX_STACK = 1024
"""The maximum height of the stack."""
_CALLS = frozenset({opcode.CALL, opcode.CALLCODE, opcode.DELEGATECALL, opcode.STATICCALL})
_JUMP_GAS, _BRANCH_GAS, _GAS_GAS = 8, 10, 2
_MAX_JUMPS = 8
"""The jumps that one segment follows at most, since code after a jump is decoded again in each such segment."""

End: TypeAlias = Callable[[Stack, Frame, Any], int | None]
"""The last action of a segment; it returns the position of the next one, or None when the frame has ended."""
Segment: TypeAlias = tuple[int, int, int, tuple[tuple[Step, Any], ...], End | None, Any]
"""Static gas, the least and the greatest height of the stack before it, the steps, and the end with its operand.

The end is None for a branch to constant places, the most frequent one: its operand has the places for zero and for any
other value.
"""


class Program(dict[int, Segment]):
    """The segments of one code, by the position of their first instruction; each is decoded when it is first run."""

    def __init__(self, code: bytes, opcodes: dict[int, OpcodeAPI]) -> None:
        super().__init__()
        self.code = code
        self._opcodes = opcodes
        self._destinations: bytes | None = None

    def __missing__(self, position: int) -> Segment:
        segment = self[position] = _Decoder(self).decode(position)
        return segment

    def get_function(self, value: int) -> OpcodeAPI:
        """Return the function of an opcode that does not run as a step."""
        return self._opcodes.get(value) or InvalidOpcode(value)

    def is_destination(self, position: int) -> bool:
        """Return True when code may jump to this position."""
        if self._destinations is None:
            self._destinations = find_destinations(self.code)
        return position < len(self.code) and self._destinations[position] == 1

    def jump(self, position: int) -> int:
        """Return the position to jump to. Raises: py-evm's errors for an invalid one."""
        if self.is_destination(position):
            return position
        is_push_data = self.code[position : position + 1] == bytes((opcode.JUMPDEST,))
        raise (InvalidInstruction if is_push_data else InvalidJumpDestination)("invalid jump destination")


def find_destinations(code: bytes) -> bytes:
    """Return, for each byte of `code`, 1 for a JUMPDEST instruction and 0 otherwise."""
    found = bytearray(len(code))
    at = 0
    while at < len(code):
        found[at] = code[at] == opcode.JUMPDEST
        at += code[at] - opcode.PUSH1 + 2 if opcode.PUSH1 <= code[at] <= opcode.PUSH32 else 1
    return bytes(found)


class _Decoder:
    """The segment that is being decoded."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._gas = 0
        self._height = 0
        """The height of the stack, relative to the segment's start."""
        self._least = 0
        self._most = 0
        self._jumps = 0
        self._steps: list[tuple[Step, Any]] = []

    def decode(self, start: int) -> Segment:
        code, at = self._program.code, start
        while True:
            value = code[at] if at < len(code) else opcode.STOP
            if opcode.PUSH0 <= value <= opcode.PUSH32:
                size = value - opcode.PUSH0
                constant = int.from_bytes(code[at + 1 : at + 1 + size].ljust(size, b"\x00"))
                self._add(Instruction(push, 3 if size else 2, 0, 1, operand=constant))
                at += 1 + size
            elif value == opcode.JUMPDEST:
                if at > start and not self._may_follow():
                    return self._end(_go_to, at)
                self._charge(1, 0, 0)
                at += 1
            elif value in INSTRUCTIONS:
                self._add(INSTRUCTIONS[value])
                at += 1
            elif value == opcode.JUMP:
                self._charge(_JUMP_GAS, 1, 0)
                target = self._take_destination()
                if target is None or target == start or not self._may_follow():
                    return self._end(_jump, None) if target is None else self._end(_go_to, target)
                at = target
            else:
                return self._decode_end(value, at)

    def _decode_end(self, value: int, at: int) -> Segment:
        following = at + 1
        if value == opcode.JUMPI:
            self._charge(_BRANCH_GAS, 2, 0)
            target = self._take_destination()
            return self._end(_branch, following) if target is None else self._end_with_branch(target, following)
        if value == opcode.GAS:
            self._charge(_GAS_GAS, 0, 1)
            is_passed_on = following < len(self._program.code) and self._program.code[following] in _CALLS
            return self._end(_push_gas, (following, is_passed_on))
        if value == opcode.STOP:
            return self._end(_stop, None)
        return self._end(_run_opcode, (self._program.get_function(value), following))

    def _end_with_branch(self, target: int, following: int) -> Segment:
        if self._steps and self._steps[-1][0] is is_zero:
            self._steps.pop()
            target, following = following, target
        return self._end(None, (following, target))

    def _may_follow(self) -> bool:
        """Return True when the segment may go on behind a JUMPDEST."""
        self._jumps += 1
        return self._jumps <= _MAX_JUMPS

    def _take_destination(self) -> int | None:
        """Remove a push of a valid jump destination from the end of the steps, and return the destination."""
        if self._steps and self._steps[-1][0] is push and self._program.is_destination(self._steps[-1][1]):
            return int(self._steps.pop()[1])
        return None

    def _add(self, instruction: Instruction) -> None:
        self._charge(instruction.gas, instruction.pops, instruction.pushes)
        taken = self._steps[-instruction.pops :] if instruction.is_pure else []
        if len(taken) == instruction.pops and taken and all(step is push for step, _ in taken):
            constants = [constant for _, constant in taken]
            instruction.step(constants, None, None)
            self._steps[-instruction.pops :] = [(push, constants[0])]
        else:
            self._steps.append((instruction.step, instruction.operand))

    def _charge(self, gas: int, pops: int, pushes: int) -> None:
        self._gas += gas
        self._least = max(self._least, pops - self._height)
        self._height += pushes - pops
        self._most = max(self._most, self._height)

    def _end(self, end: End | None, operand: Any) -> Segment:
        return self._gas, self._least, MAX_STACK - self._most, tuple(self._steps), end, operand


def _go_to(_stack: Stack, _frame: Frame, position: int) -> int:
    return position


def _jump(stack: Stack, frame: Frame, _: None) -> int:
    return int(frame.program.jump(stack.pop()))


def _branch(stack: Stack, frame: Frame, following: int) -> int:
    position, condition = stack.pop(), stack.pop()
    return int(frame.program.jump(position)) if condition else following


def _push_gas(stack: Stack, frame: Frame, operand: tuple[int, bool]) -> int:
    """Push the remaining gas, and record when it is not just passed on to a call."""
    following, is_passed_on = operand
    if not is_passed_on:
        frame.reads_gas = True
    stack.append(frame.get_gas_remaining())
    return following


def _stop(_stack: Stack, _frame: Frame, _: None) -> None:
    """End the frame."""


def _run_opcode(_stack: Stack, frame: Frame, operand: tuple[OpcodeAPI, int]) -> int:
    function, following = operand
    frame.code.program_counter = following  # PC reads it
    function(computation=frame)
    return following
