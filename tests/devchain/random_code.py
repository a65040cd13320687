"""Random EVM code that gets far: enough values on the stack, jumps to real destinations, calls to real accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from eth.vm import opcode_values as op
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

FIRST, SECOND = b"\xc0" * 20, b"\xc1" * 20
"""The two accounts with code, which call each other."""
DELEGATED, TO_PRECOMPILE = b"\xc2" * 20, b"\xc3" * 20
"""Accounts delegated to the second one and to SHA-256, which a delegation does not run."""
TARGETS = (FIRST, SECOND, DELEGATED, TO_PRECOMPILE, b"\x99" * 20, *(number.to_bytes(20) for number in (1, 2, 4, 9)))
WORDS = st.one_of(
    st.integers(0, 80),
    st.sampled_from([1 << 160, (1 << 255) - 1, 1 << 255, (1 << 256) - 1, (1 << 256) - 32, 2**32]),
    st.integers(0, (1 << 256) - 1),
)
_NAMES = """
ADD MUL SUB DIV SDIV MOD SMOD ADDMOD MULMOD EXP SIGNEXTEND LT GT SLT SGT EQ ISZERO AND OR XOR NOT BYTE SHL SHR SAR SHA3
ADDRESS BALANCE ORIGIN CALLER CALLVALUE CALLDATALOAD CALLDATASIZE CALLDATACOPY CODESIZE CODECOPY GASPRICE EXTCODESIZE
RETURNDATASIZE RETURNDATACOPY EXTCODEHASH BLOCKHASH TIMESTAMP CHAINID SELFBALANCE BASEFEE POP MLOAD MSTORE MSTORE8
SLOAD SSTORE TLOAD TSTORE PC MSIZE GAS JUMPDEST MCOPY LOG0 LOG2
"""
OPCODES = [getattr(op, name) for name in _NAMES.split()]
_MEMORY_NAMES = "SHA3 CALLDATACOPY CODECOPY RETURNDATACOPY MLOAD MSTORE MSTORE8 MCOPY LOG0 LOG2"
_MEMORY_OPCODES = [getattr(op, name) for name in _MEMORY_NAMES.split()]
_OTHERS = [opcode for opcode in OPCODES if opcode not in _MEMORY_OPCODES]
ENDS = [op.STOP, op.RETURN, op.REVERT, 0xFE, 0x0C, op.JUMP]
_COPIES = [*range(op.DUP1, op.DUP16 + 1), *range(op.SWAP1, op.SWAP16 + 1)]
_CALLS = [op.CALL, op.CALLCODE, op.DELEGATECALL, op.STATICCALL]

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


_SMALL = st.integers(0, 80)
_OPERATIONS = [
    WORDS.map(push),
    st.builds(_use, st.sampled_from(_OTHERS), st.lists(WORDS, max_size=3)),
    st.builds(_use, st.sampled_from(_MEMORY_OPCODES), st.lists(_SMALL, min_size=4, max_size=4)),
    st.sampled_from(_OTHERS).map(lambda opcode: bytes([opcode])),
    st.sampled_from(_COPIES).map(lambda opcode: bytes([opcode])),
    st.just(bytes([op.JUMPDEST])),
]
_CALL_PIECES = st.builds(
    _call,
    st.sampled_from(_CALLS),
    st.sampled_from(TARGETS),
    st.sampled_from([0, 0, 1]),
    st.tuples(st.integers(0, 140), st.integers(0, 70)),
)
_RARE = [
    st.builds(_use, st.sampled_from(_MEMORY_OPCODES), st.lists(WORDS, max_size=4)),
    st.binary(min_size=1, max_size=32).map(_create),
    st.builds(_use, st.sampled_from(ENDS), st.lists(_SMALL, max_size=2)),
    st.binary(max_size=4),
]
_JUMPS = st.tuples(st.sampled_from([op.JUMP, op.JUMPI, op.JUMPI]), st.integers(0, 20))
_PIECES: SearchStrategy[Piece] = st.one_of(*_OPERATIONS * 3, _CALL_PIECES, _CALL_PIECES, _JUMPS, _JUMPS, *_RARE)


def _assemble(pieces: Sequence[Piece]) -> bytes:
    """Join the pieces; most jumps go forward, to a place with a JUMPDEST byte, which may be push data."""
    blank = b"".join(piece if isinstance(piece, bytes) else _jump(piece[0], 0) for piece in pieces)
    places = [at for at, byte in enumerate(blank) if byte == op.JUMPDEST] or [0]
    code = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            code += piece
        else:
            opcode, number = piece
            ahead = [place for place in places if place > len(code)]
            among = ahead if ahead and number > 0 else places
            code += _jump(opcode, among[number % len(among)])
    return code


def _jump(opcode: int, target: int) -> bytes:
    return bytes([op.PUSH2]) + target.to_bytes(2) + bytes([opcode])


CODES = st.lists(_PIECES, max_size=40).map(lambda pieces: _assemble([push(7) * 12, *pieces]))
"""Codes that begin with twelve values on the stack."""
