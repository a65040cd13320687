"""The embedded chain against anvil: the same transactions lead to the same blocks, logs and times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS
from tests.devchain.sample import ALICE, BOB, SINK
from tests.devchain.side_by_side import Pair, Refusal

ALICE_TEXT, BOB_TEXT, SINK_TEXT = ALICE.address.hex0x(), BOB.address.hex0x(), SINK.hex0x()
OTHER = "0x" + "c1" * 20
PRICE, BASE = hex(2 * 10**9), 10**9
ZERO, ONE, TWO = ("0x" + number.to_bytes(32).hex() for number in range(3))


@pytest.fixture
def pair(chains: Pair) -> Iterator[Pair]:
    """Both chains in their initial state."""
    with chains.revert_changes():
        yield chains


def authorization(**fields: Any) -> dict[str, Any]:
    signed = Account.sign_authorization({"chainId": 31337, "address": CODE_ADDRESS, "nonce": 0, **fields}, BOB.key)
    return {
        "chainId": hex(signed.chain_id),
        "address": CODE_ADDRESS,
        "nonce": hex(signed.nonce),
        "yParity": hex(signed.y_parity),
        "r": hex(signed.r),
        "s": hex(signed.s),
    }


def test_pending_block_is_the_next_one_without_transactions(pair: Pair) -> None:
    pair.mine({"from": ALICE_TEXT, "to": SINK_TEXT, "gas": "0x5208", "gasPrice": PRICE})
    for request in (pair.anvil, pair.embedded):
        newest, pending = (request("eth_getBlockByNumber", tag, True) for tag in ("latest", "pending"))
        assert pending["parentHash"] == newest["hash"] != pending["hash"]
        assert int(pending["number"], 16) == int(newest["number"], 16) + 1
        assert int(pending["timestamp"], 16) >= int(newest["timestamp"], 16)
        assert (pending["transactions"], pending["gasUsed"], pending["stateRoot"]) == ([], "0x0", ZERO)
    for method, *more in (
        ("eth_getBlockTransactionCountByNumber",),
        ("eth_getTransactionByBlockNumberAndIndex", "0x0"),
        ("eth_getBlockReceipts",),
    ):
        expected, actual = pair.both(method, "pending", *more)
        assert actual == expected
    assert pair.embedded("eth_getTransactionCount", ALICE_TEXT, "pending") == "0x1"


# transactions of a development account


ACCESS = [{"address": SINK_TEXT, "storageKeys": [ZERO]}]
SIGNED_FIELDS = (
    "type",
    "gas",
    "nonce",
    "value",
    "input",
    "from",
    "to",
    "chainId",
    "gasPrice",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "accessList",
    "authorizationList",
    "r",
    "s",
    "v",
    "yParity",
    "status",
    "gasUsed",
    "cumulativeGasUsed",
    "effectiveGasPrice",
    "logsBloom",
    "contractAddress",
    "transactionIndex",
)
"""The fields of a mined transaction and its receipt, without hashes, heights and times."""


@pytest.mark.parametrize(
    "fields",
    [
        {"gasPrice": PRICE},
        {"gasPrice": PRICE, "type": "0x0"},
        {"gasPrice": PRICE, "accessList": ACCESS},
        {"gasPrice": PRICE, "accessList": ACCESS, "type": "0x1"},
        {"gasPrice": PRICE, "accessList": []},
        {"maxFeePerGas": PRICE, "maxPriorityFeePerGas": "0x7"},
        {"maxFeePerGas": PRICE, "maxPriorityFeePerGas": "0x7", "type": "0x2"},
        {"maxFeePerGas": PRICE, "maxPriorityFeePerGas": "0x7", "accessList": ACCESS},
        {"maxFeePerGas": PRICE, "maxPriorityFeePerGas": "0x0", "chainId": "0x7a69"},
        {"maxFeePerGas": hex(BASE)},
        {"maxFeePerGas": PRICE, "maxPriorityFeePerGas": "0x7", "authorizationList": "signed"},
        {"maxFeePerGas": PRICE, "maxPriorityFeePerGas": "0x7", "authorizationList": "signed", "type": "0x4"},
        {"gasPrice": PRICE, "chainId": None, "nonce": None, "accessList": None, "value": None, "data": None},
        {"gasPrice": PRICE, "input": "0x12"},
        {"gasPrice": PRICE, "data": "0x12"},
        {"gasPrice": PRICE, "value": "0x07"},
        {"gasPrice": PRICE, "to": BOB_TEXT.swapcase().replace("0X", "0x")},
        {"gasPrice": PRICE, "to": None, "data": "0x" + contracts.creation(contracts.COUNTER).hex()},
        {"gasPrice": PRICE, "to": None, "data": "0xfe"},
        {"gasPrice": PRICE, "to": None, "data": "0x6160015ff3", "gas": "0x989680"},
        {"gasPrice": PRICE, "to": None, "data": "0x60ef5f5360015ff3"},
        {"gasPrice": PRICE, "to": None, "data": "0x" + "00" * 49_152, "gas": "0x200000"},
        {"gasPrice": PRICE, "to": CODE_ADDRESS, "data": ONE + TWO[2:]},
        {"gasPrice": PRICE, "to": OTHER},
        # rejected by both
        {"chainId": "0x1"},
        {"maxFeePerGas": PRICE, "maxPriorityFeePerGas": hex(5 * BASE)},
        {"maxFeePerGas": "0x5"},
        {"gasPrice": "0x5"},
        {"gasPrice": PRICE, "gas": "0x5207"},
        {"gasPrice": PRICE, "gas": "0xffffffffff"},
        {"gasPrice": PRICE, "value": hex(10**24)},
        {"gasPrice": PRICE, "to": None, "data": "0x" + "00" * 49_153, "gas": "0x200000"},
        {"blobVersionedHashes": [ONE]},
    ],
    ids=lambda fields: str(fields)[:80],
)
def test_exactly_the_requested_transaction_is_signed_and_mined(pair: Pair, fields: Any) -> None:
    pair.both("anvil_setCode", CODE_ADDRESS, "0x" + contracts.TWO_LOGS.hex())
    pair.both("anvil_setCode", OTHER, "0x5f5ffd")
    if fields.get("authorizationList") == "signed":
        fields = {**fields, "authorizationList": [authorization()]}
    expected, actual = pair.mine({"from": ALICE_TEXT, "to": SINK_TEXT, "gas": "0x30000", **fields})
    if isinstance(expected, Refusal):
        assert isinstance(actual, Refusal)
        return
    facts = [{name: mined.get(name) for name in SIGNED_FIELDS} for mined in (expected, actual)]
    assert facts[1] == facts[0]
    assert [[log["topics"], log["data"], log["logIndex"]] for log in actual["logs"]] == [
        [log["topics"], log["data"], log["logIndex"]] for log in expected["logs"]
    ]


# logs and fees


TOPICS: list[Any] = [
    None,
    [],
    [None],
    [ONE],
    [None, TWO],
    [[ONE, TWO]],
    [[]],
    [[None]],
    [ONE, []],
    [None, None],
    [None, None, None, None],
    [None, None, None, None, None],
    [ONE, ONE, ONE, ONE, ONE],
    [None, None, ONE],
    ONE,
    ["0x1"],
]


@pytest.mark.parametrize(
    "log_filter",
    [
        {},
        {"fromBlock": "0x0"},
        {"fromBlock": "0x0", "toBlock": "0xffffff"},
        {"fromBlock": "0x98"},
        {"fromBlock": "0x98", "toBlock": "0x99"},
        {"fromBlock": None, "toBlock": None, "blockHash": None},
        {"fromBlock": "pending", "toBlock": "pending"},
        {"fromBlock": 0},
        {"blockHash": ONE, "fromBlock": "0x0"},
        {"blockHash": ONE},
        {"fromBlock": "0x0", "address": CODE_ADDRESS.upper().replace("0X", "0x")},
        {"fromBlock": "0x0", "address": [CODE_ADDRESS, SINK_TEXT]},
        {"fromBlock": "0x0", "address": []},
        {"fromBlock": "0x0", "address": SINK_TEXT},
        *({"fromBlock": "0x0", "topics": topics} for topics in TOPICS),
    ],
    ids=str,
)
def test_logs_are_filtered_alike(pair: Pair, log_filter: Any) -> None:
    pair.both("anvil_setCode", CODE_ADDRESS, "0x" + contracts.TWO_LOGS.hex())
    pair.mine({"from": ALICE_TEXT, "to": CODE_ADDRESS, "data": ONE + TWO[2:], "gas": "0x30000", "gasPrice": PRICE})
    expected, actual = (
        [log["logIndex"] for log in found] if isinstance(found, list) else found
        for found in pair.both("eth_getLogs", log_filter)
    )
    if isinstance(expected, Refusal):
        assert isinstance(actual, Refusal)
    else:
        assert actual == expected


@pytest.mark.parametrize(
    "params",
    [
        ["0x5", "latest", [25, 75]],
        ["0x0", "latest", [25]],
        ["0x1", "pending", [25]],
        [hex(1 << 32), "latest", [0, 12.5, 100]],
        ["0x2", "earliest", []],
        ["0x2", 0, []],
        ["0x2", None, []],
        ["0x2", "latest", ["25"]],
        ["0x2", "latest", [None]],
    ],
    ids=str,
)
def test_fee_histories_are_alike(pair: Pair, params: list[Any]) -> None:
    pair.mine({"from": ALICE_TEXT, "to": SINK_TEXT, "gas": "0x5208", "gasPrice": PRICE})
    expected, actual = pair.both("eth_feeHistory", *params)
    if isinstance(expected, Refusal):
        assert actual == expected
        return
    assert (actual["oldestBlock"], actual.get("reward", [])) == (expected["oldestBlock"], expected["reward"])
    assert [len(actual[name]) for name in ("baseFeePerGas", "gasUsedRatio", "baseFeePerBlobGas")] == [
        len(expected[name]) for name in ("baseFeePerGas", "gasUsedRatio", "baseFeePerBlobGas")
    ]


# time


@pytest.mark.parametrize(
    "steps",
    [
        [("anvil_mine", "0x2", "0x64")],
        [("anvil_mine", "0x1", "0x64")],
        [("anvil_mine", None, "0x64")],
        [("anvil_mine", None, None)],
        [("anvil_mine", "0x3", "0x64"), ("anvil_mine", "0x2", "0x3e8")],
        [("hardhat_mine", "0x2", "0x64")],
        [("anvil_mine", "0x0", "0x64")],
        [("anvil_mine", "0x2", "0x0")],
        [("evm_increaseTime", 1000), ("anvil_mine", "0x2", "0x64")],
        [("evm_increaseTime", "0x3e8"), ("evm_mine",)],
        [("evm_setNextBlockTimestamp", "soon"), ("anvil_mine", "0x2", "0x64")],
        [("evm_setNextBlockTimestamp", "soon"), ("evm_mine",), ("anvil_mine", "0x1", "0x64")],
        [("evm_setTime", "soon"), ("evm_mine",), ("anvil_mine", "0x1", "0x64")],
        [("evm_setNextBlockTimestamp", "soon"), ("anvil_setTime", "soon"), ("anvil_mine", "0x2", "0x64")],
        [("evm_mine", {"timestamp": "soon", "blocks": 3})],
        [("evm_mine", {"timestamp": None, "blocks": None})],
        [("evm_mine", None)],
    ],
    ids=str,
)
def test_blocks_are_mined_at_the_same_times(pair: Pair, steps: list[Any]) -> None:
    passed = []
    for request in (pair.anvil, pair.embedded):
        before = request("eth_getBlockByNumber", "latest", False)
        soon = int(before["timestamp"], 16) + 5000
        request("evm_setNextBlockTimestamp", soon)
        request("evm_mine")
        for method, *params in steps:
            given = [
                soon + 9000 if one == "soon" else {**one, "timestamp": soon + 9000} if _is_soon(one) else one
                for one in params
            ]
            request(method, *given)
        after = request("eth_getBlockByNumber", "latest", False)
        passed.append([int(after["number"], 16) - int(before["number"], 16), int(after["timestamp"], 16) - soon])
    assert passed[1][0] == passed[0][0]
    assert abs(passed[1][1] - passed[0][1]) <= 30  # both read the clock, on a machine that may be busy


def _is_soon(one: Any) -> bool:
    return isinstance(one, dict) and one.get("timestamp") == "soon"
