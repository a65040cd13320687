"""Random EVM code that gets far: enough values on the stack, jumps to real destinations, calls to real accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

from eth.vm import opcode_values as op

FIRST, SECOND = b"\xc0" * 20, b"\xc1" * 20
"""The two accounts with code, which call each other."""
DELEGATED, TO_PRECOMPILE = b"\xc2" * 20, b"\xc3" * 20
"""Accounts delegated to the second one and to SHA-256, which a delegation does not run."""
TARGETS = (FIRST, SECOND, DELEGATED, TO_PRECOMPILE, b"\x99" * 20, *(number.to_bytes(20) for number in (1, 2, 4, 9)))
_SPECIAL_WORDS = [1 << 160, (1 << 255) - 1, 1 << 255, (1 << 256) - 1, (1 << 256) - 32, 2**32]
_NAMES = """
ADD MUL SUB DIV SDIV MOD SMOD ADDMOD MULMOD EXP SIGNEXTEND LT GT SLT SGT EQ ISZERO AND OR XOR NOT BYTE SHL SHR SAR SHA3
ADDRESS BALANCE ORIGIN CALLER CALLVALUE CALLDATALOAD CALLDATASIZE CALLDATACOPY CODESIZE CODECOPY GASPRICE EXTCODESIZE
RETURNDATASIZE RETURNDATACOPY EXTCODEHASH BLOCKHASH TIMESTAMP CHAINID SELFBALANCE BASEFEE POP MLOAD MSTORE MSTORE8
SLOAD SSTORE TLOAD TSTORE PC MSIZE GAS JUMPDEST MCOPY LOG0 LOG2
"""
OPCODES = [getattr(op, name) for name in _NAMES.split()]
_MEMORY_NAMES = "SHA3 CALLDATACOPY CODECOPY MLOAD MSTORE MSTORE8 MCOPY LOG0 LOG2"
_MEMORY_OPCODES = [getattr(op, name) for name in _MEMORY_NAMES.split()]
_OTHERS = [opcode for opcode in OPCODES if opcode not in {*_MEMORY_OPCODES, op.RETURNDATACOPY}]
ENDS = [op.STOP, op.RETURN, op.REVERT, 0xFE, 0x0C, op.JUMP]
_COPIES = [*range(op.DUP1, op.DUP16 + 1), *range(op.SWAP1, op.SWAP16 + 1)]
_CALLS = [op.CALL, op.CALLCODE, op.DELEGATECALL, op.STATICCALL]

_CREATIONS = [b"", b"\x00", b"\xfe", bytes.fromhex("60055f5360015ff3"), bytes.fromhex("60ef5f5360015ff3")]

Piece: TypeAlias = bytes | tuple[int, int]
"""Finished code, or a jump: its opcode, and the number of its destination."""


def push(word: int) -> bytes:
    """Return the shortest push of `word`."""
    size = (word.bit_length() + 7) // 8
    return bytes([op.PUSH0 + size]) + word.to_bytes(size)


def _call(kind: int, target: bytes, value: int, sizes: tuple[int, int]) -> bytes:
    words = [sizes[1], 0, sizes[0], 0, *([value] if kind in {op.CALL, op.CALLCODE} else [])]
    return b"".join(map(push, [*words, int.from_bytes(target)])) + bytes([op.GAS, kind])


def _create(code: bytes) -> bytes:
    return push(int.from_bytes(code.ljust(32, b"\x00"))) + bytes([op.PUSH0, op.MSTORE]) + bytes.fromhex("60205f5ff0")


def _use(opcode: int, words: Sequence[int]) -> bytes:
    """Push words, then run an instruction on them."""
    return b"".join(map(push, words)) + bytes([opcode])


def random_word(random: Random) -> int:
    """Return a word, often a small or a special one."""
    kind = random.randrange(6)
    if kind < 4:
        return random.randrange(81)
    return random.choice(_SPECIAL_WORDS) if kind == 4 else random.getrandbits(256)


def _random_jump(random: Random) -> Piece:
    return random.choice([op.JUMP, op.JUMPI, op.JUMPI]), random.randrange(81)


def _random_call(random: Random) -> Piece:
    sizes = random.randrange(0, 160, 2), random.randrange(81)
    return _call(random.choice(_CALLS), random.choice(TARGETS), random.choice([0, 0, 1, 9]), sizes)


def _random_use(random: Random) -> Piece:
    operands = b"".join(_random_operand(random) for _ in range(random.randrange(1, 4)))
    return operands + bytes([random.choice(_OTHERS)])


def _random_operand(random: Random) -> bytes:
    return push(random_word(random)) if random.randrange(2) else push(random.randrange(81)) + bytes([op.CALLDATALOAD])


def _random_memory_use(random: Random) -> Piece:
    return _use(random.choice(_MEMORY_OPCODES), [random.randrange(81) for _ in range(4)])


def _random_rare_piece(random: Random) -> Piece:
    small = [random.randrange(81) for _ in range(4)]
    pieces = [
        _use(random.choice(_MEMORY_OPCODES), [random_word(random) for _ in range(4)]),
        _use(op.RETURNDATACOPY, small),
        _create(random.choice(_CREATIONS)),
        _use(random.choice(ENDS), small[:2]),
        random.randbytes(random.randrange(4)),
    ]
    return random.choice(pieces)


_PIECES: dict[Callable[[Random], Piece], int] = {
    _random_jump: 12,
    lambda _: bytes([op.JUMPDEST]): 8,
    lambda random: bytes([random.choice([*_COPIES, *_OTHERS])]): 10,
    _random_call: 10,
    _random_memory_use: 20,
    _random_use: 38,
    _random_rare_piece: 2,
}
"""The kinds of pieces, with their weights."""


def random_code(random: Random) -> bytes:
    """Return code that begins with twelve values on the stack."""
    kinds = random.choices(list(_PIECES), list(_PIECES.values()), k=random.randint(5, 50))
    return _assemble([push(7) * 12, *(kind(random) for kind in kinds)], random)


def _assemble(pieces: Sequence[Piece], random: Random) -> bytes:
    """Join the pieces; most jumps go forward, to a place with a JUMPDEST byte, which may be push data."""
    blank = b"".join(piece if isinstance(piece, bytes) else _jump(piece[0], 0) for piece in pieces)
    places = [at for at, byte in enumerate(blank) if byte == op.JUMPDEST] or [0]
    code = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            code += piece
        else:
            ahead = [place for place in places if place > len(code)][:3]
            code += _jump(piece[0], random.choice(ahead if ahead and piece[1] > 2 else places))
    return code


def _jump(opcode: int, target: int) -> bytes:
    return bytes([op.PUSH2]) + target.to_bytes(2) + bytes([opcode])
