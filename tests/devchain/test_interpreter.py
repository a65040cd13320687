"""The chain's machine compared with py-evm's own, instruction by instruction and over random code."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from eth.vm import opcode_values as op
from eth.vm.forks.prague.computation import PragueComputation
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.devchain.random_code import DELEGATED, FIRST, OPCODES, SECOND, TO_PRECOMPILE, push, random_code, random_word
from tests.devchain.sample import ALICE
from wallet_rpc.devchain import computation
from wallet_rpc.devchain.chain_state import ChainState, Value, balance_key, code_key, slot_key
from wallet_rpc.devchain.computation import MAX_INIT_CODE_BYTES, Computation
from wallet_rpc.devchain.evm import CallFrame, ExecutionResult, MessageCall, run_call
from wallet_rpc.devchain.execution import block_context
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.ledger import BlockValues
from wallet_rpc.devchain.program import MAX_STACK

GAS = 100_000
FACTS = [
    "depth",
    "to",
    "code_address",
    "sender",
    "value",
    "data",
    "gas",
    "gas_used",
    "output",
    "error",
    "has_burned_gas",
]
BASE = 21_000
"""The intrinsic gas of the calls, which have no data."""


def frames(root: CallFrame) -> list[tuple[Any, ...]]:
    """Return the facts of all frames that py-evm knows too."""
    return [tuple(getattr(each, name) for name in FACTS) for each in root.walk()]


def run(machine: type[Any], codes: dict[bytes, bytes], gas: int, data: bytes = b"") -> tuple[Any, ...]:
    """Run the first account's code, and return everything that can be observed of the run."""
    state = ChainState()
    written: dict[bytes, Value] = {code_key(address): code for address, code in codes.items()}
    delegations = {DELEGATED: SECOND, TO_PRECOMPILE: (2).to_bytes(20)}
    written |= {code_key(account): b"\xef\x01\x00" + to for account, to in delegations.items()}
    written |= {
        balance_key(ALICE.address): 10**18,
        balance_key(FIRST): 5,
        slot_key(FIRST, 7): 1,
        slot_key(SECOND, 0): 9,
    }
    state.commit(written, bytes(32))
    journal = Journal(state, 0)
    values = BlockValues(timestamp=1_800_000_000, gas_limit=60_000_000, base_fee=10**9)
    context = block_context(31337, 12, values, [])
    call = MessageCall(sender=ALICE.address, to=FIRST, data=data, value=3, gas=BASE + 40 * len(data) + gas, gas_price=9)
    done: ExecutionResult = run_call(journal, context, call, machine)
    result = (done.success, done.output, done.gas_used, done.gas_refunded, done.logs, done.error)
    return *result, frames(done.frame), journal.changes(), journal._warm.keys()


def assert_same(codes: dict[bytes, bytes], gas: int = GAS, data: bytes = b"") -> None:
    assert run(Computation, codes, gas, data) == run(PragueComputation, codes, gas, data)


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode:DeprecationWarning")  # random bytes may contain one
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**64 - 1))
def test_random_code_runs_as_in_py_evm(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # the same code for the same seed; no secret
    gas = random.choice([GAS, GAS, GAS, random.randrange(20_000)])
    assert_same({FIRST: random_code(random), SECOND: random_code(random)}, gas, random.randbytes(70))


@pytest.mark.parametrize("opcode", OPCODES)
@pytest.mark.parametrize("is_constant", [False, True])
def test_instruction_computes_as_in_py_evm(opcode: int, is_constant: bool) -> None:
    """The operands are constants of the code, or words that it reads from the call data."""
    random = Random(opcode)  # noqa: S311  # the same operands in each run; no secret
    for _ in range(8):
        words = [random_word(random) for _ in range(random.randrange(2, 6))]
        data = b"" if is_constant else b"".join(word.to_bytes(32) for word in words)
        read = b"".join(push(32 * at) + bytes([op.CALLDATALOAD]) for at in range(len(words)))
        operands = b"".join(map(push, words)) if is_constant else read
        code = operands + bytes([opcode]) + bytes.fromhex("5f52" "5952" "60ff5ff3")  # fmt: skip  # one instruction each
        assert_same({FIRST: code}, GAS, data)


def return_top(code: str) -> bytes:
    return bytes.fromhex(code) + bytes.fromhex("5f5260205ff3")


@pytest.mark.parametrize(
    "code",
    [
        "5f35565b60075b00",  # a jump to a place that the call data names
        "5f3560015b5757",
        "60055661605b00",  # a jump into push data
        "600160065761605b00",
        "5b5b585f5260205ff3",  # PC
        "61ffff56",
        "600161ffff57",
        "5f61ffff5700",
        "5f15600657fe5b00",
        "6001156006575b00",
        "6007565b5b5b6002565b5a5a5a00",
        "6004565b5b60075f5500",
        "60035660fe5b60075f5500",
        "".join(f"60{4 * jump + 3:02x}565b" for jump in range(20)) + "60075f5500",
        "5a5f5260205ff3",
        "61000a5a505a600a575b00",
        "60ff",
        "61ff",
        "7f01",
        "",
        "5b",
        "0c",
        "fe",
        "50",
        "5f80805b80806003565b",
        "5b5f600056",
        "6000600052602060002060005260206000f3",
        *(f"{'5f' * size}{call}" for call in ("f1", "f2", "f4", "fa") for size in range(8)),
        *(
            f"5f5f60205f5f60045af1505f5f5f5f{value}60995a{call}3d5f5260205260405ff3"
            for value in ("6008", "60ff")
            for call in ("f1", "f2")
        ),
        *(f"5f195f525f60205260{size}602060205f5f60045af15060206020f3" for size in ("00", "01", "40")),
        f"5f195f5260205f60205f5f73{TO_PRECOMPILE.hex()}5af13d60205260405260605ff3",
        f"5f195f5260205f60205f5f73{DELEGATED.hex()}5af13d60205260405260605ff3",
        f"5f195f5260205f60205f5f7f{'01' * 12}{'00' * 19}045af13d60205260405260605ff3",  # more than an address
        "60015f555f5f5f5f305afa5f5260205ff3",  # a write in a static call
        "60206101005f5e595f5260205ff3",  # MCOPY from behind the memory
        "6110005161200051",  # memory at its rising price
        "5f5f5f5f305afa5f5f5f5f600160995af15f5260205260405ff3",  # value sent in a static call
        "3330146015575f5f5f5f5f305af1506001600755005b5f60075500",  # a callee's refund is taken back
        "63ffffffff5f20",
        "63ffffffff51",
        "5f5463ffffffff55",
        "6007545f5460075f5500",
    ],
)
@pytest.mark.parametrize("gas", [0, 1, 2, 5, 20, 100, 2_120, 2_400, GAS])
def test_edge_of_a_segment_is_as_in_py_evm(code: str, gas: int) -> None:
    assert_same({FIRST: bytes.fromhex(code)}, gas, (3).to_bytes(32))


@pytest.mark.parametrize("height", [MAX_STACK - 2, MAX_STACK - 1, MAX_STACK, MAX_STACK + 1])
@pytest.mark.parametrize("last", ["5f", "80", "90", "01", "50", "5a", "30", "5b5f5f5050", "5f5f0101", "600a56"])
def test_full_stack_is_as_in_py_evm(height: int, last: str) -> None:
    assert_same({FIRST: b"\x5f" * height + bytes.fromhex(last) + b"\x00"}, GAS)
    assert_same({FIRST: b"\x5f" * height + b"\x5b" + bytes.fromhex(last) + b"\x00"}, GAS)


def test_every_amount_of_gas_ends_as_in_py_evm() -> None:
    """A loop that stores, hashes, loads and calls itself, with each amount of gas up to its end."""
    code = bytes.fromhex("5f355f525b60205f2080601f525f51600155600154505f5f5f5f305afa505a61040011600557005b00")
    for gas in range(0, 9_000, 37):
        assert_same({FIRST: code}, gas)


def test_only_programs_as_long_as_contracts_are_kept() -> None:
    for size, kept in [(MAX_INIT_CODE_BYTES, 1), (MAX_INIT_CODE_BYTES + 1, 0)]:
        before = computation._cached_program.cache_info().misses
        run(Computation, {FIRST: b"\x5b" * (size - 1) + b"\x00"}, 10**6)
        assert computation._cached_program.cache_info().misses == before + kept


def test_calls_end_at_the_greatest_depth_as_in_py_evm() -> None:
    """Code that calls itself, and stores the last result."""
    assert_same({FIRST: bytes.fromhex("5f5f5f5f5f305af15f5500")}, 10**13)
