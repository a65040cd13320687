"""Traces of calls and transactions: geth's tracers, compared with anvil's."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS, failure, set_code
from tests.devchain.random_code import DELEGATED, FIRST, SECOND, TO_PRECOMPILE, random_code
from tests.devchain.sample import ALICE, SINK, Actor, Node, transfer
from tests.devchain.side_by_side import Pair
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.domain.contracts import ENTRY_POINT

ALICE_TEXT, SINK_TEXT, TOKEN_TEXT = ALICE.address.hex0x(), SINK.hex0x(), TEST_TOKEN.hex0x()
CALLS, LOGS = {"tracer": "callTracer"}, {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
PRESTATE = {"tracer": "prestateTracer"}
DIFFERENCES = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
OTHER = "0x" + "c1" * 20
CREATION = contracts.creation(contracts.SLOT_0)


@pytest.fixture
def pair(chains: Pair) -> Iterator[Pair]:
    with chains.revert_changes():
        yield chains


def set_random_code(pair: Pair, seed: int) -> dict[str, Any]:
    """Give both chains the same random contracts, and return a call of the first one, without a fee."""
    random = Random(seed)  # noqa: S311  # the same code for the same seed; no secret
    codes = {FIRST: random_code(random), SECOND: random_code(random)}
    delegations = {DELEGATED: SECOND, TO_PRECOMPILE: (2).to_bytes(20)}
    codes |= {account: b"\xef\x01\x00" + to for account, to in delegations.items()}
    for account, code in codes.items():
        pair.both("anvil_setCode", "0x" + account.hex(), "0x" + code.hex())
    for slot in ("0x0", "0x7"):
        pair.both("anvil_setStorageAt", "0x" + FIRST.hex(), slot, "0x" + "00" * 31 + "01")
    data = "0x" + random.randbytes(20).hex()
    return {"from": ALICE_TEXT, "to": "0x" + FIRST.hex(), "gas": "0x13880", "value": "0x3", "data": data}


def simplify(frame: dict[str, Any], *, is_reverted: bool = False) -> dict[str, Any]:
    """Return a frame without the wording of errors, and without logs of reverted frames, which anvil keeps."""
    is_reverted = is_reverted or "error" in frame
    kept = {name: value for name, value in frame.items() if not (name == "logs" and is_reverted)}
    if "error" in frame:
        kept["error"] = frame["error"] == "execution reverted"
    if "calls" in frame:
        kept["calls"] = [simplify(call, is_reverted=is_reverted) for call in frame["calls"]]
    return kept


@pytest.mark.parametrize("seed", [0, 4, 7, 13, 15, 19, 25])
def test_random_code_has_the_call_tree_and_the_steps_of_anvil(pair: Pair, seed: int) -> None:
    call = set_random_code(pair, seed)
    trees = [simplify(tree) for tree in pair.both("debug_traceCall", call, "latest", LOGS)]
    for tree in trees:
        tree.pop("gas")  # anvil leaves out the intrinsic gas of the outermost call
    assert trees[1] == trees[0]
    steps = pair.both("debug_traceCall", call, "latest", {"enableMemory": True, "disableStorage": True})
    assert {name: value for name, value in steps[1].items() if name != "structLogs"} == {
        name: value for name, value in steps[0].items() if name != "structLogs"
    }
    assert len(steps[1]["structLogs"]) == len(steps[0]["structLogs"]) > 10
    for expected, actual in zip(steps[0]["structLogs"], steps[1]["structLogs"], strict=True):
        if expected.pop("error", None) is not None:  # the price of a failed instruction differs between nodes
            assert actual.pop("error")
            expected["gasCost"] = actual["gasCost"]
        assert actual == expected


@pytest.mark.parametrize("seed", [7, 13, 14, 19])
def test_random_code_has_the_accounts_of_anvil(pair: Pair, seed: int) -> None:
    call = set_random_code(pair, seed)
    expected, actual = pair.both("debug_traceCall", call, "latest", PRESTATE)

    assert actual == expected
    assert len(actual) > 2


def test_the_changes_of_a_transaction(node: Node) -> None:
    counter = set_code(node, contracts.COUNTER)
    node.send(to=counter)
    identity = node.send(to=counter, value=9)
    traced = node.rpc("debug_traceTransaction", identity, DIFFERENCES)
    before, after = (traced[part] for part in ("pre", "post"))

    slot = "0x" + "00" * 32
    assert before[counter.lower()] == {
        "balance": "0x0",
        "code": "0x" + contracts.COUNTER.hex(),
        "storage": {slot: slot[:-1] + "1"},
    }
    assert after[counter.lower()] == {"balance": "0x9", "storage": {slot: slot[:-1] + "2"}}
    sender = ALICE_TEXT.lower()
    assert (before[sender]["nonce"], after[sender]["nonce"]) == (1, 2)
    receipt = node.receipt(identity)
    cost = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16) + 9
    assert int(before[sender]["balance"], 16) - int(after[sender]["balance"], 16) == cost
    assert set(after) == {sender, counter.lower(), "0x" + "00" * 20}
    plain = node.rpc("debug_traceTransaction", identity, PRESTATE)
    assert plain[counter.lower()]["storage"] == {slot: slot[:-1] + "1"}
    hidden = {"tracer": "prestateTracer", "tracerConfig": {"disableCode": True, "disableStorage": True}}
    assert node.rpc("debug_traceTransaction", identity, hidden)[counter.lower()] == {"balance": "0x0"}


def test_a_transaction_is_traced_after_those_before_it_in_its_block(node: Node) -> None:
    counter = set_code(node, contracts.COUNTER)
    node.rpc("evm_setAutomine", False)
    sent = [node.send(to=counter, nonce=nonce) for nonce in range(3)]
    node.rpc("evm_mine")
    node.rpc("evm_setAutomine", True)
    node.send(to=counter)

    for number, identity in enumerate(sent):
        traced = node.rpc("debug_traceTransaction", identity, PRESTATE)
        assert int(traced[counter.lower()]["storage"]["0x" + "00" * 32], 16) == number
        tree = node.rpc("debug_traceTransaction", identity, CALLS)
        receipt = node.receipt(identity)
        assert (tree["gasUsed"], tree["gas"], "error" in tree) == (receipt["gasUsed"], hex(1_000_000), False)


def test_a_user_operation_has_a_tree_with_its_logs(node: Node, actor: Actor) -> None:
    receipt = actor.send([transfer(TEST_TOKEN, SINK, 5)])
    tree = node.rpc("debug_traceTransaction", receipt["receipt"]["transactionHash"], LOGS)

    def walk(frame: Any) -> Iterator[Any]:
        yield frame
        for call in frame.get("calls", ()):
            yield from walk(call)

    frames = list(walk(tree))
    logs = sorted((log for frame in frames for log in frame.get("logs", ())), key=lambda log: int(log["index"], 16))
    assert [(log["address"], log["topics"]) for log in logs] == [
        (log["address"], log["topics"]) for log in receipt["receipt"]["logs"]
    ]
    assert tree["to"] == ENTRY_POINT.hex0x().lower()
    assert {"CALL", "STATICCALL", "DELEGATECALL", "CREATE2"} <= {frame["type"] for frame in frames}
    assert [frame["to"] for frame in frames if frame["type"] == "CREATE2"] == [actor.address.hex0x().lower()]
    top = {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}}
    assert "calls" not in node.rpc("debug_traceTransaction", receipt["receipt"]["transactionHash"], top)


@pytest.mark.parametrize(("end", "count"), [("00", 2), ("fe", 0)])
def test_logs_below_a_reverted_call_do_not_exist(node: Node, end: str, count: int) -> None:
    node.rpc("anvil_setCode", OTHER, "0x" + contracts.TWO_LOGS.hex())
    outer = set_code(node, bytes.fromhex("5f5f5f5f5f73" + OTHER[2:] + "5af150" + end))
    (inner,) = node.rpc("debug_traceCall", {"to": outer}, "latest", LOGS)["calls"]

    assert len(inner.get("logs", ())) == count


def test_reverts_have_their_reason(node: Node) -> None:
    reverting = set_code(node, contracts.revert_with(contracts.ERROR))
    tree = node.rpc("debug_traceCall", {"to": reverting}, "latest", CALLS)

    assert (tree["error"], tree["revertReason"]) == ("execution reverted", "no luck")
    assert tree["output"] == "0x" + contracts.ERROR.hex()


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode:DeprecationWarning")
def test_creations_and_destructions_are_calls(pair: Pair) -> None:
    for data in ("0x" + CREATION.hex(), "0x73" + "99" * 20 + "ff", "0xfe"):
        call = {"from": ALICE_TEXT, "data": data, "value": "0x7", "gas": "0x20000"}
        trees = [simplify(tree) for tree in pair.both("debug_traceCall", call, "latest", CALLS)]
        for tree in trees:
            tree.pop("gas")
            if "error" in tree:
                tree.pop("to", None)  # geth leaves it out, anvil does not
        assert trees[1] == trees[0]
        assert trees[1]["type"] == "CREATE"


def test_overrides_apply_to_a_traced_call(node: Node) -> None:
    word = "0x" + "00" * 31 + "63"
    options = {
        **PRESTATE,
        "stateOverrides": {
            CODE_ADDRESS: {"code": "0x" + contracts.COUNTER.hex(), "stateDiff": {"0x" + "00" * 32: word}}
        },
        "blockOverrides": {"feeRecipient": OTHER},
    }
    traced = node.rpc("debug_traceCall", {"to": CODE_ADDRESS}, "latest", options)

    assert traced[CODE_ADDRESS.lower()]["storage"] == {"0x" + "00" * 32: word}
    assert OTHER in traced
    assert node.rpc("eth_getCode", CODE_ADDRESS, "latest") == "0x"


def test_pending_transactions_are_before_a_traced_call(node: Node) -> None:
    counter = set_code(node, contracts.COUNTER)
    node.rpc("evm_setAutomine", False)
    waiting = node.send(to=counter)
    traced = node.rpc("debug_traceCall", {"to": counter}, "pending", PRESTATE)

    assert traced[counter.lower()]["storage"]["0x" + "00" * 32][-1] == "1"
    assert failure(node, "debug_traceTransaction", waiting, CALLS).message == "transaction not found"


def test_what_cannot_be_traced_is_rejected(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = set_code(node, bytes.fromhex("5b5f56"))
    call = {"to": loop, "gas": hex(5_000_000)}
    unknown = failure(node, "debug_traceCall", call, "latest", {"tracer": "4byteTracer"})
    assert (unknown.code, "callTracer, prestateTracer" in unknown.message) == (-32602, True)
    assert "at most 100000 steps" in failure(node, "debug_traceCall", call, "latest").message
    itself = set_code(node, bytes.fromhex("5f5f5f5f5f305af100"))
    assert "at most 100 deep" in failure(node, "debug_traceCall", {"to": itself}, "latest", CALLS).message
    monkeypatch.setattr("wallet_rpc.devchain.call_tracer.MAX_TRACE_BYTES", 10)
    assert (
        "10 bytes"
        in failure(node, "debug_traceCall", {"to": SINK_TEXT, "data": "0x" + "11" * 11}, "latest", CALLS).message
    )
    poor = failure(node, "debug_traceCall", {"from": SINK_TEXT, "to": TOKEN_TEXT, "value": "0x1"}, "latest", CALLS)
    assert poor.message == "insufficient funds for transfer"
    assert node.rpc("debug_traceCall", call, "latest", {"tracer": "noopTracer"}) == {}
