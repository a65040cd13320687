"""The embedded chain against anvil: the same reads and calls have the same answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS
from tests.devchain.sample import ALICE, BOB, SINK
from tests.devchain.side_by_side import Pair, Refusal

ALICE_TEXT, BOB_TEXT, SINK_TEXT = ALICE.address.hex0x(), BOB.address.hex0x(), SINK.hex0x()
PRICE, BASE = hex(2 * 10**9), 10**9
ZERO, ONE, TWO = ("0x" + number.to_bytes(32).hex() for number in range(3))
SET = "0x" + "c2" * 20
"""An address that only the tests below change."""
SLOT_0 = "0x" + contracts.SLOT_0.hex()
GASPRICE = "0x3a5f5260205ff3"
GAS_LEFT = "0x5a5f5260205ff3"
BLOCK = "0x425f524360205248604052416060524460805260a05ff3"
"""Code that returns time, number, base fee, coinbase and prevRandao."""


# blocks


@pytest.mark.parametrize(
    "block",
    [
        "latest",
        "pending",
        "earliest",
        "safe",
        "LATEST",
        None,
        "0x0",
        "0x00",
        "0x0000000000000000000000000",
        "0x99",
        "0xfffffffffffffffff",
        "0x",
        "1",
        "newest",
        5,
        True,
        [],
        {},
        {"blockNumber": "0x0"},
        {"blockNumber": "0x99"},
        {"blockHash": "hash"},
        {"blockHash": "hash", "requireCanonical": True},
        {"blockHash": "hash", "requireCanonical": False},
        {"blockHash": "hash", "requireCanonical": "yes"},
        {"blockHash": "hash", "blockNumber": "0x0"},
        {"blockHash": ZERO},
        "hash",
        ONE,
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["eth_getBalance", "eth_call"])
def test_block_is_named_in_every_form(chains: Pair, method: str, block: Any) -> None:
    subject = ALICE_TEXT if method == "eth_getBalance" else {"to": SINK_TEXT}
    answers = []
    for request in (chains.anvil, chains.embedded):
        identity = request("eth_getBlockByNumber", "0x0", False)["hash"]
        named = identity if block == "hash" else block
        if isinstance(block, dict) and block.get("blockHash") == "hash":
            named = {**block, "blockHash": identity}
        answers.append(request(method, subject, named))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("block", ["0x0", 0, "0x99", "latest", None, "hash", {"blockNumber": "0x0"}, True], ids=str)
def test_whole_block_is_named_by_tag_or_height_only(chains: Pair, block: Any) -> None:
    answers = []
    for request in (chains.anvil, chains.embedded):
        named = request("eth_getBlockByNumber", "0x0", False)["hash"] if block == "hash" else block
        found = request("eth_getBlockByNumber", named, False)
        answers.append(found["number"] if isinstance(found, dict) else found)
    assert answers[0] == answers[1]


# calls


@pytest.mark.parametrize(
    "fees",
    [
        {},
        {"gasPrice": PRICE},
        {"gasPrice": "0x5"},
        {"maxFeePerGas": PRICE},
        {"maxFeePerGas": hex(5 * BASE)},
        {"maxFeePerGas": hex(5 * BASE), "maxPriorityFeePerGas": "0x0"},
        {"maxFeePerGas": hex(5 * BASE), "maxPriorityFeePerGas": "0x7"},
        {"maxFeePerGas": hex(5 * BASE), "maxPriorityFeePerGas": hex(2 * BASE)},
        {"maxFeePerGas": PRICE, "maxPriorityFeePerGas": hex(5 * BASE)},
        {"maxPriorityFeePerGas": "0x5"},
        {"maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0"},
        {"chainId": "0x1"},
        {"chainId": "0x7a69", "gasPrice": PRICE},
        {"accessList": [], "gasPrice": "0x7"},
        {"authorizationList": []},
        {"nonce": None, "value": None, "gas": None, "data": None, "input": None, "accessList": None, "chainId": None},
        {"type": "0x2", "maxFeePerGas": PRICE},
    ],
    ids=str,
)
def test_call_sees_the_price_that_a_transaction_would_pay(chains: Pair, fees: Any) -> None:
    call = {"from": ALICE_TEXT, "to": CODE_ADDRESS, **fees}
    expected, actual = chains.both("eth_call", call, "latest", {CODE_ADDRESS: {"code": GASPRICE}})
    assert actual == expected


@pytest.mark.parametrize(
    "call",
    [
        {"gas": "0x10000"},
        {"gas": "0x5"},
        {"to": CODE_ADDRESS.upper().replace("0X", "0x"), "gas": "0x10000"},
        {"to": BOB_TEXT.swapcase().replace("0X", "0x")},
        {"to": None},
        {"to": None, "data": "0x"},
        {"to": None, "data": "0x" + "00" * 49_152},
        {"to": None, "data": "0x" + "00" * 49_153},
        {"to": None, "data": "0x6160005ff3"},
        {"to": None, "data": "0x6160015ff3"},
        {"to": None, "data": "0x60ef5f5360015ff3"},
        {"value": "0x05", "gas": "0x010000"},
        {"from": SINK_TEXT, "value": "0x1"},
        {"data": "0x1"},
        {"data": "0x12", "input": "0x12", "gas": "0x10000"},
        {"from": CODE_ADDRESS, "gas": "0x10000"},
    ],
    ids=lambda call: str(call)[:60],
)
def test_call_is_read_and_bounded_alike(chains: Pair, call: Any) -> None:
    whole = {"from": ALICE_TEXT, "to": CODE_ADDRESS, **call}
    expected, actual = chains.both("eth_call", whole, "latest", {CODE_ADDRESS: {"code": GAS_LEFT}})
    assert actual == expected


@pytest.mark.parametrize(
    "override",
    [
        {CODE_ADDRESS: {"code": SLOT_0, "stateDiff": {ZERO: ONE}}},
        {CODE_ADDRESS: {"code": SLOT_0, "state": {ZERO: ONE}}},
        {CODE_ADDRESS: {"code": SLOT_0, "state": None, "stateDiff": None}},
        {CODE_ADDRESS.upper().replace("0X", "0x"): {"code": SLOT_0, "stateDiff": {ZERO: TWO}}},
        {CODE_ADDRESS: {"state": {}, "stateDiff": {}}},
        {CODE_ADDRESS: {"stateDiff": {"0x0": "0x1"}}},
        {CODE_ADDRESS: {"balance": None, "nonce": None, "code": None, "state": None, "stateDiff": None}},
        {CODE_ADDRESS: {"balance": "0x5", "nonce": "0x5"}},
        {CODE_ADDRESS: {"foo": "0x1"}},
        {CODE_ADDRESS: None},
        {"0xc0": {}},
        {},
        None,
        [],
    ],
    ids=str,
)
def test_state_is_overridden_alike(chains: Pair, override: Any) -> None:
    expected, actual = chains.both("eth_call", {"from": ALICE_TEXT, "to": CODE_ADDRESS}, "latest", override)
    assert actual == expected


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"number": "0x99"}, [1]),
        ({"time": "0x77777777"}, [0]),
        ({"timestamp": "0x77777777"}, [0]),
        ({"baseFee": "0x7"}, [2]),
        ({"baseFeePerGas": "0x7"}, [2]),
        ({"coinbase": SINK_TEXT}, [3]),
        ({"feeRecipient": SINK_TEXT}, [3]),
        ({"random": ONE}, [4]),
        ({"prevRandao": ONE}, [4]),
        ({"difficulty": "0x5"}, []),
        ({"gasLimit": "0x5"}, []),
        ({"number": None}, []),
        ({}, []),
        (None, []),
    ],
    ids=str,
)
def test_block_is_overridden_alike(chains: Pair, override: Any, words: list[int]) -> None:
    call = {"from": ALICE_TEXT, "to": CODE_ADDRESS}
    expected, actual = chains.both("eth_call", call, "latest", {CODE_ADDRESS: {"code": BLOCK}}, override)
    if isinstance(expected, Refusal):
        assert actual == expected
        return
    seen = [[answer[2 + 64 * at : 66 + 64 * at] for at in words] for answer in (expected, actual)]
    assert seen[0] == seen[1]
    assert len(actual) == len(expected)


@pytest.mark.parametrize(
    "call",
    [
        {"to": SINK_TEXT},
        {"to": SINK_TEXT, "value": hex(10**22)},
        {"to": SINK_TEXT, "gas": "0x5207"},
        {"to": SINK_TEXT, "gas": "0x5"},
        {"to": SINK_TEXT, "data": "0x" + "11" * 1000},
        {"to": SINK_TEXT, "accessList": [{"address": SINK_TEXT, "storageKeys": []}]},
        {"to": CODE_ADDRESS},
        {"to": CODE_ADDRESS, "from": CODE_ADDRESS},
        {"to": CODE_ADDRESS, "from": SINK_TEXT},
        {"to": CODE_ADDRESS, "chainId": "0x1"},
        {"data": "0x" + "00" * 49_153},
        {"data": "0x"},
        {"data": "0x6160015ff3"},
        {},
    ],
    ids=lambda call: str(call)[:60],
)
def test_gas_is_estimated_alike(chains: Pair, call: Any) -> None:
    override = {CODE_ADDRESS: {"code": "0x" + contracts.COUNTER.hex()}}
    expected, actual = chains.both("eth_estimateGas", {"from": ALICE_TEXT, **call}, "latest", override)
    if isinstance(expected, str) and isinstance(actual, str):
        assert abs(int(actual, 16) - int(expected, 16)) <= int(expected, 16) // 100
    else:
        assert actual == expected


def test_gas_is_estimated_with_overridden_code(chains: Pair) -> None:
    override = {SINK_TEXT: {"code": "0x5f5ffd"}}
    expected, actual = chains.both("eth_estimateGas", {"from": ALICE_TEXT, "to": SINK_TEXT}, "latest", override)
    assert actual == expected == Refusal("reverted")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_chainId", [1]),
        ("eth_getBalance", []),
        ("eth_getBalance", [ALICE_TEXT, "latest", "more"]),
        ("eth_getBalance", [ALICE_TEXT.swapcase().replace("0X", "0x"), "latest"]),
        ("eth_getStorageAt", [CODE_ADDRESS, "0x00", "latest"]),
        ("eth_getStorageAt", [CODE_ADDRESS, hex(1 << 256), "latest"]),
        ("eth_getTransactionByHash", ["0x12"]),
        ("eth_getTransactionByHash", [None]),
        ("eth_getTransactionReceipt", [ONE]),
        ("eth_getBlockByHash", [ONE, False]),
        ("eth_getBlockReceipts", ["0x99"]),
        ("eth_getBlockReceipts", [ONE]),
        ("eth_getBlockReceipts", [{"blockHash": ONE}]),
        ("eth_getLogs", [{"adress": SINK_TEXT}]),
        ("eth_newFilter", [{"adress": SINK_TEXT}]),
        ("eth_newFilter", [{"toBlock": "next"}]),
        ("eth_call", [{"to": SINK_TEXT}, "latest", {}, {}, {}]),
        ("eth_sendRawTransaction", []),
        ("eth_sendRawTransaction", ["0x"]),
        ("eth_sendRawTransaction", ["0x03c0"]),
        ("eth_nope", []),
        ("evm_increaseTime", [-5]),
        ("evm_increaseTime", [None]),
        ("evm_revert", [hex(1 << 60)]),
        ("anvil_setBalance", [SET, hex(1 << 256)]),
        ("anvil_setBalance", [SET, 5]),
        ("anvil_setStorageAt", [SET, "0x0", "0x1"]),
        ("anvil_setCode", [SET, "0x1"]),
    ],
    ids=str,
)
def test_parameters_are_read_alike(chains: Pair, method: str, params: list[Any]) -> None:
    expected, actual = chains.both(method, *params)
    assert isinstance(actual, Refusal) == isinstance(expected, Refusal)
    if not isinstance(expected, Refusal):
        assert actual == expected
