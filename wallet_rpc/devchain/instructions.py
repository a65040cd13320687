"""The instructions our inner loop runs itself, by opcode, on a stack of plain integers.

The rule: one whose whole effect is on the stack, or that reads the frame or the first part of memory, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import add, and_, mul, or_, sub, xor
from typing import Any, NamedTuple

from eth.exceptions import FullStack
from eth.vm.forks.prague.computation import PragueComputation
from eth_hash.auto import keccak

_MASK = (1 << 256) - 1
_SIGN = 1 << 255
MOST_STACK = 1024
JUMP, JUMPI, JUMPDEST, PUSH0, PUSH32 = 0x56, 0x57, 0x5B, 0x5F, 0x7F
NOT_DONE = -1
_FAR = 1 << 17
"""Memory beyond this many bytes is left to py-evm, which asks for the gas first."""
_REMEMBERED = 256
"""Hashes of at most this many bytes are remembered: those of storage slots come again and again."""
Stack = list[int]


class Code(NamedTuple):
    """Code, read once: with a STOP after its end, the value of each PUSH by position, and where jumps may land."""

    raw: bytes
    pushes: dict[int, int]
    targets: frozenset[int]


@lru_cache(maxsize=512)
def read_code(code: bytes) -> Code:
    """Read code once; the same few contracts run all the time."""
    pushes: dict[int, int] = {}
    targets = []
    position = 0
    while position < len(code):
        opcode = code[position]
        if opcode == JUMPDEST:
            targets.append(position)
        elif PUSH0 <= opcode <= PUSH32:
            size = opcode - PUSH0
            literal = code[position + 1 : position + 1 + size]
            pushes[position] = int.from_bytes(literal.ljust(size, b"\x00"))
            position += size
        position += 1
    return Code(code + bytes(34), pushes, frozenset(targets))


@lru_cache(maxsize=1 << 16)
def _hashed(data: bytes) -> int:
    return int.from_bytes(keccak(data))


def _binary(function: Callable[[int, int], int]) -> Callable[[Stack], None]:
    def run(stack: Stack) -> None:
        top = stack.pop()
        stack[-1] = function(top, stack[-1]) & _MASK

    return run


def _predicate(function: Callable[[int, int], bool]) -> Callable[[Stack], None]:
    def run(stack: Stack) -> None:
        top = stack.pop()
        stack[-1] = 1 if function(top, stack[-1]) else 0

    return run


def _duplicate(depth: int) -> Callable[[Stack], None]:
    def run(stack: Stack) -> None:
        if len(stack) >= MOST_STACK:
            raise FullStack("Stack limit reached")
        stack.append(stack[-depth])

    return run


def _swap(depth: int) -> Callable[[Stack], None]:
    other = -depth - 1

    def run(stack: Stack) -> None:
        stack[-1], stack[other] = stack[other], stack[-1]

    return run


def _is_zero(stack: Stack) -> None:
    stack[-1] = 0 if stack[-1] else 1


def _not(stack: Stack) -> None:
    stack[-1] ^= _MASK


def _pop(stack: Stack) -> None:
    stack.pop()


def _shift_left(by: int, value: int) -> int:
    return value << by if by < 256 else 0


def _shift_right(by: int, value: int) -> int:
    return value >> by if by < 256 else 0


def _byte(index: int, value: int) -> int:
    return value >> 8 * (31 - index) & 0xFF if index < 32 else 0


def _plain_instructions() -> list[Callable[[Stack], None] | None]:
    table: list[Callable[[Stack], None] | None] = [None] * 256
    table[0x01], table[0x02], table[0x03] = _binary(add), _binary(mul), _binary(sub)
    table[0x04] = _binary(lambda top, other: top // other if other else 0)
    table[0x06] = _binary(lambda top, other: top % other if other else 0)
    table[0x10], table[0x11] = _predicate(int.__lt__), _predicate(int.__gt__)
    table[0x12] = _predicate(lambda top, other: top ^ _SIGN < other ^ _SIGN)
    table[0x13] = _predicate(lambda top, other: top ^ _SIGN > other ^ _SIGN)
    table[0x14], table[0x15] = _predicate(int.__eq__), _is_zero
    table[0x16], table[0x17], table[0x18], table[0x19] = _binary(and_), _binary(or_), _binary(xor), _not
    table[0x1A], table[0x1B], table[0x1C] = _binary(_byte), _binary(_shift_left), _binary(_shift_right)
    table[0x50] = _pop
    for depth in range(1, 17):
        table[0x7F + depth] = _duplicate(depth)
        table[0x8F + depth] = _swap(depth)
    return table


PLAIN = _plain_instructions()
COST = [0] * 256
for _opcode, _instruction in enumerate(PLAIN):
    if _instruction is not None:
        _theirs: Any = PragueComputation.opcodes[_opcode]
        COST[_opcode] = _theirs.gas_cost


def _grown(memory: bytearray, end: int) -> int:
    """The gas of memory up to `end`, which is made: 3 a word and the square of the words / 512."""
    size = len(memory)
    if end <= size:
        return 0
    words, before = (end + 31) // 32, size // 32
    memory.extend(bytes(32 * words - size))
    return 3 * (words - before) + words * words // 512 - before * before // 512


def _load(computation: Any, stack: Stack) -> int:
    memory, at = computation._memory._bytes, stack[-1]
    if at > _FAR:
        return NOT_DONE
    gas = 3 + _grown(memory, at + 32)
    stack[-1] = int.from_bytes(memory[at : at + 32])
    return gas


def _store(computation: Any, stack: Stack) -> int:
    memory, at = computation._memory._bytes, stack[-1]
    if at > _FAR:
        return NOT_DONE
    gas = 3 + _grown(memory, at + 32)
    memory[at : at + 32] = stack[-2].to_bytes(32)
    del stack[-2:]
    return gas


def _hash(computation: Any, stack: Stack) -> int:
    memory, at, size = computation._memory._bytes, stack[-1], stack[-2]
    if at + size > _FAR or size == 0:
        return NOT_DONE
    gas = 30 + 6 * ((size + 31) // 32) + _grown(memory, at + size)
    stack.pop()
    hashed = _hashed if size <= _REMEMBERED else _hashed.__wrapped__
    stack[-1] = hashed(bytes(memory[at : at + size]))
    return gas


def _call_data(computation: Any, stack: Stack) -> int:
    at = stack[-1]
    stack[-1] = int.from_bytes(bytes(computation.msg.data[at : at + 32]).ljust(32, b"\x00")) if at < 1 << 32 else 0
    return 3


def _fact(read: Callable[[Any], int]) -> Callable[[Any, Stack], int]:
    def run(computation: Any, stack: Stack) -> int:
        if len(stack) >= MOST_STACK:
            raise FullStack("Stack limit reached")
        stack.append(read(computation))
        return 2

    return run


def _frame_instructions() -> list[Callable[[Any, Stack], int] | None]:
    table: list[Callable[[Any, Stack], int] | None] = [None] * 256
    table[0x51], table[0x52], table[0x20], table[0x35] = _load, _store, _hash, _call_data
    table[0x30] = _fact(lambda frame: int.from_bytes(frame.msg.storage_address))
    table[0x33] = _fact(lambda frame: int.from_bytes(frame.msg.sender))
    table[0x34] = _fact(lambda frame: int(frame.msg.value))
    table[0x36] = _fact(lambda frame: len(frame.msg.data))
    table[0x3D] = _fact(lambda frame: len(frame.return_data))
    return table


FRAME = _frame_instructions()
"""Instructions that look at the frame. They answer their gas, or `NOT_DONE` for one that is left to py-evm."""
