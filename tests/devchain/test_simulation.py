"""Access lists and simulated blocks, compared with anvil's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS, failure, set_code
from tests.devchain.sample import ALICE, BOB, SINK, Node, mint
from tests.devchain.side_by_side import Pair
from tests.devchain.test_tracing import set_random_code
from wallet_rpc.devchain.dev_constants import TEST_TOKEN

ALICE_TEXT, SINK_TEXT, TOKEN_TEXT = ALICE.address.hex0x(), SINK.hex0x(), TEST_TOKEN.hex0x()
OTHER = "0x" + "c1" * 20


@pytest.fixture
def pair(chains: Pair) -> Iterator[Pair]:
    with chains.revert_changes():
        yield chains


@pytest.mark.parametrize("seed", [2, 4, 7, 26, 36])
def test_random_code_has_the_access_list_of_anvil(pair: Pair, seed: int) -> None:
    call = set_random_code(pair, seed)
    expected, actual = pair.both("eth_createAccessList", call, "latest")
    lists = [
        {entry["address"]: set(entry["storageKeys"]) for entry in answer["accessList"]} for answer in (expected, actual)
    ]

    assert lists[1] == lists[0]
    assert ("error" in actual) == ("error" in expected)


def test_an_access_list_covers_what_a_transaction_reads(node: Node) -> None:
    request = {"from": ALICE_TEXT, **mint(TEST_TOKEN, BOB.address, 5)}
    answer = node.rpc("eth_createAccessList", request)
    receipt = node.receipt(node.rpc("eth_sendTransaction", {**request, "accessList": answer["accessList"]}))

    assert [entry["address"] for entry in answer["accessList"]] == [TOKEN_TEXT.lower()]
    assert len(answer["accessList"][0]["storageKeys"]) == 2
    assert receipt["gasUsed"] == answer["gasUsed"]


def test_simulated_blocks_follow_each_other(node: Node) -> None:
    counter = set_code(node, contracts.COUNTER)
    call = {"from": ALICE_TEXT, "to": counter}
    head = node.rpc("eth_getBlockByNumber", "latest", False)
    plan = {
        "blockStateCalls": [
            {"calls": [call, call], "stateOverrides": {SINK_TEXT: {"balance": "0x5"}}},
            {"calls": [{"from": SINK_TEXT, "to": OTHER, "value": "0x5"}], "blockOverrides": {"number": "0x4"}},
            {"stateOverrides": {counter: {"code": "0x" + contracts.SLOT_0.hex()}}, "calls": [call]},
        ],
        "traceTransfers": True,
        "returnFullTransactions": True,
    }
    blocks = node.rpc("eth_simulateV1", plan, "latest")

    assert [int(block["number"], 16) for block in blocks] == [1, 2, 3, 4, 5]
    assert [block["parentHash"] for block in blocks] == [head["hash"], *(block["hash"] for block in blocks[:-1])]
    assert [each["status"] for block in blocks for each in block["calls"]] == ["0x1"] * 4
    assert int(blocks[4]["calls"][0]["returnData"], 16) == 2
    (log,) = blocks[3]["calls"][0]["logs"]
    assert (log["address"], int(log["data"], 16)) == ("0x" + "ee" * 20, 5)
    assert [transaction["from"] for transaction in blocks[0]["transactions"]] == [ALICE_TEXT.lower()] * 2
    assert node.rpc("eth_getBlockByNumber", "latest", False) == head
    assert node.rpc("eth_getStorageAt", counter, "0x0", "latest") == "0x" + "00" * 32


def test_a_simulation_has_the_calls_and_logs_of_anvil(pair: Pair) -> None:
    pair.both("anvil_setCode", CODE_ADDRESS, "0x" + contracts.TWO_LOGS.hex())
    pair.both("anvil_setCode", OTHER, "0x" + contracts.revert_with(contracts.ERROR).hex())
    calls = [
        {"from": ALICE_TEXT, "to": CODE_ADDRESS, "data": "0x" + "07" * 64},
        {"from": ALICE_TEXT, "to": OTHER},
        {"from": ALICE_TEXT, "to": SINK_TEXT, "value": "0x1"},
    ]
    plan = {"blockStateCalls": [{"calls": calls}, {"calls": calls[:1]}], "traceTransfers": True}
    answers = pair.both("eth_simulateV1", plan, "latest")
    seen = [
        [
            (each["status"], each["gasUsed"], [(log["address"], log["topics"], log["data"]) for log in each["logs"]])
            for block in answer
            for each in block["calls"]
        ]
        for answer in answers
    ]

    assert seen[1] == seen[0]
    error = answers[1][0]["calls"][1]["error"]
    assert (error["code"], error["data"]) == (3, "0x" + contracts.ERROR.hex())


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"blockOverrides": {"number": "0x0"}}, "above 0"),
        ({"blockOverrides": {"number": "0x200"}}, "at most 256"),
        ({"blockOverrides": {"time": "0x1"}}, "block time above"),
        ({"calls": [{"from": ALICE_TEXT, "to": SINK_TEXT, "gas": hex(10**9)}]}, "block gas limit"),
        ({"calls": [{"from": SINK_TEXT, "to": ALICE_TEXT, "value": "0x1"}]}, "insufficient funds"),
        ({"calls": [{"from": ALICE_TEXT, "to": SINK_TEXT, "nonce": "0x9"}]}, "nonce too high"),
        ({"calls": [{"from": ALICE_TEXT, "to": SINK_TEXT, "authorizationList": []}]}, "auth"),
        ({"movePrecompileTo": {}}, "movePrecompileTo"),
    ],
)
def test_impossible_simulations_are_rejected(node: Node, block: Any, words: str) -> None:
    fees = {"maxFeePerGas": hex(2 * 10**9)}
    for call in block.get("calls", ()):
        call.update(fees)
    found = failure(node, "eth_simulateV1", {"blockStateCalls": [block], "validation": True}, "latest")

    assert words in found.message
