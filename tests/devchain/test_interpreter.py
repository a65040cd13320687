"""Our inner loop against py-evm's own: whatever the code, the same end."""

from __future__ import annotations

from typing import Any

import pytest
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.computation import PragueComputation
from eth_typing import Address, BlockNumber, Hash32
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet_rpc.devchain.evm import Call, Outcome, run_call
from wallet_rpc.devchain.interpreter import Computation
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.world import Value, World, balance_key, code_key

CONTRACT, CALLER = b"\xc0" * 20, b"\xca" * 20
CONTEXT = ExecutionContext(
    coinbase=Address(bytes(20)),
    timestamp=1_800_000_000,
    block_number=BlockNumber(7),
    difficulty=0,
    mix_hash=Hash32(bytes(32)),
    gas_limit=60_000_000,
    prev_hashes=(),
    chain_id=31337,
    base_fee_per_gas=10**9,
    excess_blob_gas=0,
)
PY_EVM: Any = PragueComputation
pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT")  # py-evm 0.12.1b1 warns whenever code has it


def run(machine: Any, code: bytes, data: bytes, gas: int) -> tuple[Outcome, dict[bytes, Value]]:
    world = World()
    world.commit({code_key(CONTRACT): code, balance_key(CALLER): 10**18})
    journal = Journal(world, 0)
    outcome = run_call(journal, CONTEXT, Call(sender=CALLER, to=CONTRACT, data=data, gas=gas, value=3), machine)
    return outcome, journal.changes()


def ends(machine: Any, code: bytes, data: bytes = b"", gas: int = 120_000) -> Any:
    outcome, changes = run(machine, code, data, gas)
    return outcome.success, outcome.output, outcome.gas_used, outcome.gas_refunded, outcome.logs, changes


small = st.integers(0, 300)
word = st.one_of(small, st.integers(0, 2**256 - 1), st.sampled_from([2**255, 2**256 - 1, 2**255 - 1, 32, 31]))
opcodes = st.sampled_from([
    *range(0x0C), *range(0x10, 0x1E), 0x20, 0x30, *range(0x32, 0x3F), *range(0x41, 0x49),
    *range(0x50, 0x60), *range(0x80, 0xA5), 0xF3, 0xFA, 0xF1, 0xFD, 0xFE, 0x0C,
])  # fmt: skip


@st.composite
def programs(draw: Any) -> bytes:
    """Mostly sensible code: pushes of words, instructions, jumps to where something may be."""
    parts = []
    for _ in range(draw(st.integers(1, 60))):
        if draw(st.booleans()):
            value = draw(word)
            size = max(1, (value.bit_length() + 7) // 8)
            parts.append(bytes([0x5F + size]) + value.to_bytes(size))
        else:
            parts.append(bytes([draw(opcodes)]))
    return b"".join(parts)


@settings(max_examples=400, deadline=None)
@given(code=programs(), data=st.binary(max_size=70), gas=st.integers(21_500, 200_000))
def test_random_programs_end_the_same(code: bytes, data: bytes, gas: int) -> None:
    gas += 40 * len(data)
    assert ends(Computation, code, data, gas) == ends(PY_EVM, code, data, gas)


@settings(max_examples=200, deadline=None)
@given(code=st.binary(max_size=80), gas=st.integers(21_000, 60_000))
def test_random_bytes_end_the_same(code: bytes, gas: int) -> None:
    assert ends(Computation, code, b"", gas) == ends(PY_EVM, code, b"", gas)


BINARY = [*range(0x01, 0x08), 0x0A, 0x0B, *range(0x10, 0x15), *range(0x16, 0x19), *range(0x1A, 0x1E)]


@settings(max_examples=200, deadline=None)
@given(opcode=st.sampled_from(BINARY), left=word, right=word)
def test_every_two_word_instruction_gives_the_same(opcode: int, left: int, right: int) -> None:
    answer = bytes([opcode]) + bytes.fromhex("5f5260205ff3")
    code = b"\x7f" + right.to_bytes(32) + b"\x7f" + left.to_bytes(32) + answer
    assert ends(Computation, code) == ends(PY_EVM, code)


@pytest.mark.parametrize(
    "code",
    [
        "5f" * 1025,  # too much on the stack, by PUSH
        "5f" + "80" * 1024,  # by DUP
        "30" * 1025,  # by an instruction that looks at the frame
        "01",  # too little
        "90",
        "600456005b00",  # a jump into the end, onto no destination
        "6003565b5b",  # a jump onto one
        "600456605b00",  # a jump into a PUSH's bytes
        "60ff56",  # a jump past the end
        "7f" + "ff" * 32 + "56",
        "60",  # a PUSH cut off by the end
        "5b600056",  # for ever
        "63ffffffff51",  # memory nobody can pay
        "5f6301000000 20".replace(" ", ""),
        "7f" + "ff" * 32 + "35",  # call data beyond all data
        "0c",  # no such instruction
        "5f5f205f5260205ff3",  # the hash of nothing
        "303f5f5260205ff3",  # the hash of its own code
        "602a630002000052",  # memory that is left to py-evm
        "61010060002060005260206000f3",  # a long hash
        "610200600020",
    ],
)
def test_ends_that_are_easy_to_get_wrong_are_the_same(code: str) -> None:
    raw = bytes.fromhex(code)
    assert ends(Computation, raw) == ends(PY_EVM, raw)


def test_each_gas_limit_of_a_run_ends_the_same() -> None:
    # stores, hashes, reads and logs, so that every limit fails at another place
    raw = bytes.fromhex("602a60005260206000205f5260205fa05f355f55600160015401600155595f5260205ff3")
    for gas in range(21_000, 70_000, 97):
        assert ends(Computation, raw, b"", gas) == ends(PY_EVM, raw, b"", gas)
