"""EVM instructions as steps on a stack of integers, without checks of stack and gas.

`program.py` checks both once for a whole segment of steps, so that a step only does its work. Steps that depend on
memory or storage still charge what depends on their operands. Instructions that are rare or have other effects are not
here: py-evm's own functions run them.

A step gets the stack, the frame (`Computation`) and its operand: a constant that was known when the code was decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from eth.vm import opcode_values as opcode
from eth_hash.auto import keccak

Stack: TypeAlias = list[int]
Frame: TypeAlias = Any
"""A `Computation`, whose attributes py-evm leaves untyped."""
Step: TypeAlias = Callable[[Stack, Frame, Any], object]

MAX_WORD = (1 << 256) - 1
"""The largest value of the stack."""
_SIGN = 1 << 255
_COLD_SLOT_GAS, _WARM_SLOT_GAS = 2_100, 100
_HASH_WORD_GAS, _COPY_WORD_GAS = 6, 3


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its step, its static gas, the values that it needs on the stack, and the values it leaves."""

    step: Step
    gas: int
    pops: int
    pushes: int
    operand: Any = None
    is_pure: bool = False
    """True if the result depends on the popped values only."""


def push(stack: Stack, _frame: Frame, value: int) -> None:
    """Push a constant."""
    stack.append(value)


def _dup(stack: Stack, _frame: Frame, at: int) -> None:
    stack.append(stack[at])


def _swap(stack: Stack, _frame: Frame, at: int) -> None:
    stack[-1], stack[at] = stack[at], stack[-1]


def _pop(stack: Stack, _frame: Frame, _: None) -> None:
    stack.pop()


# Arithmetic, comparison and bits


def _add(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append((stack.pop() + stack.pop()) & MAX_WORD)


def _mul(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append((stack.pop() * stack.pop()) & MAX_WORD)


def _sub(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append((stack.pop() - stack.pop()) & MAX_WORD)


def _div(stack: Stack, _frame: Frame, _: None) -> None:
    dividend, divisor = stack.pop(), stack.pop()
    stack.append(dividend // divisor if divisor else 0)


def _mod(stack: Stack, _frame: Frame, _: None) -> None:
    dividend, divisor = stack.pop(), stack.pop()
    stack.append(dividend % divisor if divisor else 0)


def _lt(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append(1 if stack.pop() < stack.pop() else 0)


def _gt(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append(1 if stack.pop() > stack.pop() else 0)


def _slt(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append(1 if stack.pop() ^ _SIGN < stack.pop() ^ _SIGN else 0)


def _sgt(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append(1 if stack.pop() ^ _SIGN > stack.pop() ^ _SIGN else 0)


def _eq(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append(1 if stack.pop() == stack.pop() else 0)


def is_zero(stack: Stack, _frame: Frame, _: None) -> None:
    """Replace zero by one, and any other value by zero."""
    stack.append(0 if stack.pop() else 1)


def _and(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append(stack.pop() & stack.pop())


def _or(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append(stack.pop() | stack.pop())


def _xor(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append(stack.pop() ^ stack.pop())


def _not(stack: Stack, _frame: Frame, _: None) -> None:
    stack.append(MAX_WORD - stack.pop())


def _byte(stack: Stack, _frame: Frame, _: None) -> None:
    position, value = stack.pop(), stack.pop()
    stack.append((value >> (248 - 8 * position)) & 0xFF if position < 32 else 0)


def _shl(stack: Stack, _frame: Frame, _: None) -> None:
    distance, value = stack.pop(), stack.pop()
    stack.append((value << distance) & MAX_WORD if distance < 256 else 0)


def _shr(stack: Stack, _frame: Frame, _: None) -> None:
    distance, value = stack.pop(), stack.pop()
    stack.append(value >> distance if distance < 256 else 0)


# Memory, storage and the message


def _mload(stack: Stack, frame: Frame, _: None) -> None:
    at, memory = stack.pop(), frame.memory
    if at + 32 > len(memory):
        frame.extend_memory(at, 32)
    stack.append(int.from_bytes(memory[at : at + 32]))


def _mstore(stack: Stack, frame: Frame, _: None) -> None:
    at, memory = stack.pop(), frame.memory
    if at + 32 > len(memory):
        frame.extend_memory(at, 32)
    memory[at : at + 32] = stack.pop().to_bytes(32)


def _calldatacopy(stack: Stack, frame: Frame, _: None) -> None:
    to, at, size = stack.pop(), stack.pop(), stack.pop()
    _charge_copy(frame, to, size)
    frame.memory[to : to + size] = frame.msg.data[at : at + size].ljust(size, b"\x00")


def _mcopy(stack: Stack, frame: Frame, _: None) -> None:
    to, at, size = stack.pop(), stack.pop(), stack.pop()
    _charge_copy(frame, max(to, at), size)
    frame.memory[to : to + size] = frame.memory[at : at + size]


def _charge_copy(frame: Frame, end: int, size: int) -> None:
    frame.extend_memory(end, size)
    frame.consume_gas(_COPY_WORD_GAS * ((size + 31) // 32), "copy")


def _sha3(stack: Stack, frame: Frame, _: None) -> None:
    at, size = stack.pop(), stack.pop()
    frame.extend_memory(at, size)
    frame.consume_gas(_HASH_WORD_GAS * ((size + 31) // 32), "SHA3")
    stack.append(int.from_bytes(keccak(bytes(frame.memory[at : at + size]))))


def _sload(stack: Stack, frame: Frame, _: None) -> None:
    slot, address, journal = stack.pop(), frame.msg.storage_address, frame.state.journal
    is_warm = journal.is_storage_warm(address, slot)
    if not is_warm:
        journal.mark_storage_warm(address, slot)
    frame.consume_gas(_WARM_SLOT_GAS if is_warm else _COLD_SLOT_GAS, "SLOAD")
    stack.append(journal.get_storage(address, slot))


def _address(stack: Stack, frame: Frame, _: None) -> None:
    stack.append(int.from_bytes(frame.msg.storage_address))


def _caller(stack: Stack, frame: Frame, _: None) -> None:
    stack.append(int.from_bytes(frame.msg.sender))


def _callvalue(stack: Stack, frame: Frame, _: None) -> None:
    stack.append(frame.msg.value)


def _calldataload(stack: Stack, frame: Frame, _: None) -> None:
    at = stack.pop()
    stack.append(int.from_bytes(frame.msg.data[at : at + 32].ljust(32, b"\x00")))


def _calldatasize(stack: Stack, frame: Frame, _: None) -> None:
    stack.append(len(frame.msg.data))


def _returndatasize(stack: Stack, frame: Frame, _: None) -> None:
    stack.append(len(frame.return_data))


def _binary(step: Step, gas: int = 3) -> Instruction:
    return Instruction(step, gas, 2, 1, is_pure=True)


INSTRUCTIONS: dict[int, Instruction] = {
    opcode.ADD: _binary(_add),
    opcode.MUL: _binary(_mul, 5),
    opcode.SUB: _binary(_sub),
    opcode.DIV: _binary(_div, 5),
    opcode.MOD: _binary(_mod, 5),
    opcode.LT: _binary(_lt),
    opcode.GT: _binary(_gt),
    opcode.SLT: _binary(_slt),
    opcode.SGT: _binary(_sgt),
    opcode.EQ: _binary(_eq),
    opcode.ISZERO: Instruction(is_zero, 3, 1, 1, is_pure=True),
    opcode.AND: _binary(_and),
    opcode.OR: _binary(_or),
    opcode.XOR: _binary(_xor),
    opcode.NOT: Instruction(_not, 3, 1, 1, is_pure=True),
    opcode.BYTE: _binary(_byte),
    opcode.SHL: _binary(_shl),
    opcode.SHR: _binary(_shr),
    opcode.SHA3: Instruction(_sha3, 30, 2, 1),
    opcode.ADDRESS: Instruction(_address, 2, 0, 1),
    opcode.CALLER: Instruction(_caller, 2, 0, 1),
    opcode.CALLVALUE: Instruction(_callvalue, 2, 0, 1),
    opcode.CALLDATALOAD: Instruction(_calldataload, 3, 1, 1),
    opcode.CALLDATASIZE: Instruction(_calldatasize, 2, 0, 1),
    opcode.RETURNDATASIZE: Instruction(_returndatasize, 2, 0, 1),
    opcode.POP: Instruction(_pop, 2, 1, 0),
    opcode.MLOAD: Instruction(_mload, 3, 1, 1),
    opcode.MSTORE: Instruction(_mstore, 3, 2, 0),
    opcode.CALLDATACOPY: Instruction(_calldatacopy, 3, 3, 0),
    opcode.MCOPY: Instruction(_mcopy, 3, 3, 0),
    opcode.SLOAD: Instruction(_sload, 0, 1, 1),
    **{opcode.DUP1 + n: Instruction(_dup, 3, n + 1, n + 2, operand=-n - 1) for n in range(16)},
    **{opcode.SWAP1 + n: Instruction(_swap, 3, n + 2, n + 2, operand=-n - 2) for n in range(16)},
}
"""The instructions that run as steps, without PUSH, JUMP and JUMPDEST."""
