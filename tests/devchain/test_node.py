from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS, failure, set_code
from tests.devchain.sample import ALICE, BOB, GENESIS_TIME, SINK, Node, mint
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.devchain.dev_constants import TEST_TOKEN

ALICE_TEXT, BOB_TEXT, SINK_TEXT = ALICE.address.hex0x(), BOB.address.hex0x(), SINK.hex0x()


def test_logs_are_found_by_block_address_and_topic(node: Node) -> None:
    set_code(node, contracts.TWO_LOGS)
    one, two, three = ("0x" + number.to_bytes(32).hex() for number in (1, 2, 3))
    node.send(to=CODE_ADDRESS, data=one + two[2:])
    node.send(to=CODE_ADDRESS, data=one + three[2:])
    node.send(**mint(TEST_TOKEN, SINK, 5))

    def count(**filters: Any) -> int:
        return len(node.rpc("eth_getLogs", {"fromBlock": "0x0", **filters}))

    assert count() == 5
    assert count(address=CODE_ADDRESS) == 4
    assert count(address=[CODE_ADDRESS, TEST_TOKEN.hex0x()]) == 5
    assert count(address=[]) == 5
    assert count(topics=[one]) == 4
    assert count(topics=[one, two]) == 1
    assert count(topics=[None, [two, three]]) == 2
    assert count(topics=[[], two]) == 1
    assert count(topics=[two]) == 0
    assert count(fromBlock="latest") == 1
    assert count(toBlock="0x1") == 2
    block = node.rpc("eth_getBlockByNumber", "0x2", False)
    found = node.rpc("eth_getLogs", {"blockHash": block["hash"]})
    assert [log["logIndex"] for log in found] == ["0x0", "0x1"]
    assert found[0]["transactionHash"] == block["transactions"][0]
    assert int(block["logsBloom"], 16) != 0
    assert failure(node, "eth_getLogs", {"blockHash": block["hash"], "fromBlock": "0x0"}).code == -32602
    assert failure(node, "eth_getLogs", {"blockHash": "0x" + "00" * 32}).message == "header not found"
    assert failure(node, "eth_getLogs", {"fromBlock": "0x2", "toBlock": "0x1"}).code == -32602


# controls


def test_snapshot_takes_everything_back(node: Node) -> None:
    first = node.rpc("evm_snapshot")
    before = node.rpc("eth_getBlockByNumber", "latest", False)
    identity = node.send(to=SINK_TEXT, value=5)
    node.rpc("anvil_setBalance", SINK_TEXT, "0x99")
    node.rpc("evm_increaseTime", 1000)
    second = node.rpc("evm_snapshot")
    assert node.rpc("evm_revert", first) is True
    assert node.rpc("eth_getBlockByNumber", "latest", False) == before
    assert node.rpc("eth_getBalance", SINK_TEXT) == "0x0"
    assert node.receipt(identity) is None
    assert node.rpc("evm_revert", second) is False
    node.send(to=SINK_TEXT, value=6)
    assert node.rpc("eth_getBalance", SINK_TEXT) == "0x6"


def test_change_after_a_snapshot_in_the_same_block_is_taken_back(node: Node) -> None:
    node.rpc("anvil_setBalance", SINK_TEXT, "0x1")
    snapshot = node.rpc("evm_snapshot")
    node.rpc("anvil_setBalance", SINK_TEXT, "0x2")
    node.rpc("evm_revert", snapshot)
    assert node.rpc("eth_getBalance", SINK_TEXT) == "0x1"


def test_time_moves_as_requested(node: Node) -> None:
    def now() -> int:
        return int(node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    node.rpc("evm_setNextBlockTimestamp", GENESIS_TIME + 1000)
    node.rpc("evm_mine")
    assert now() == GENESIS_TIME + 1000
    node.rpc("evm_mine", {"timestamp": GENESIS_TIME + 5000, "blocks": 2})
    assert now() == GENESIS_TIME + 5000
    node.rpc("evm_increaseTime", "0x64")
    node.rpc("evm_mine")
    assert GENESIS_TIME + 5100 <= now() < GENESIS_TIME + 5130
    node.rpc("hardhat_mine", 3, 60)
    assert GENESIS_TIME + 5280 <= now() < GENESIS_TIME + 5320  # the first block is an interval later too
    assert node.rpc("evm_setTime", 1000 * (now() + 500)) - 500 in range(-30, 1)  # in milliseconds
    earlier = now()
    node.rpc("evm_mine")
    assert now() - earlier in range(500, 530)
    assert failure(node, "evm_setNextBlockTimestamp", 5).code == failure(node, "anvil_setTime", 5).code == -32602
    assert failure(node, "anvil_mine", 10**9).code == -32602


def test_accounts_are_changed_directly(node: Node) -> None:
    node.rpc("hardhat_setBalance", SINK_TEXT, "0x7")
    node.rpc("anvil_setNonce", SINK_TEXT, "0x5")
    node.rpc("anvil_setCode", SINK_TEXT, "0x6001")
    assert node.rpc("anvil_setStorageAt", SINK_TEXT, "0x1", "0x" + "00" * 31 + "09") is True
    assert node.rpc("eth_getBalance", SINK_TEXT) == "0x7"
    assert node.rpc("eth_getTransactionCount", SINK_TEXT) == "0x5"
    assert node.rpc("eth_getCode", SINK_TEXT) == "0x6001"
    assert node.rpc("eth_getStorageAt", SINK_TEXT, "0x1") == "0x" + "00" * 31 + "09"


# the node itself


def test_node_describes_itself(node: Node) -> None:
    assert node.rpc("eth_chainId") == "0x7a69"
    assert node.rpc("net_version") == "31337"
    assert node.rpc("net_listening") is True
    assert node.rpc("eth_syncing") is False
    assert node.rpc("web3_clientVersion").startswith("wallet-rpc/")
    assert node.rpc("web3_sha3", "0x") == "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert node.rpc("eth_accounts") == [account.address.hex0x() for account in ACCOUNTS]


def test_unknown_method_is_not_found(node: Node) -> None:
    assert failure(node, "eth_nope").code == -32601


def test_batch_is_answered_in_order_without_its_notifications(node: Node) -> None:
    entries = [
        {"jsonrpc": "2.0", "id": 2, "method": "eth_chainId"},
        {"jsonrpc": "2.0", "method": "evm_mine"},
        {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []},
        5,
    ]
    answers = json.loads(node.dispatcher.answer(json.dumps(entries).encode()) or b"")
    assert [answer["id"] for answer in answers] == [2, 1, None]
    assert answers[1]["result"] == "0x1"
    assert answers[2]["error"]["code"] == -32600


@pytest.mark.parametrize(("body", "code"), [(b"{", -32700), (b"[]", -32600), (b"[1]", -32600), (b"3", -32600)])
def test_body_that_is_no_request_has_its_error_code(node: Node, body: bytes, code: int) -> None:
    answer = json.loads(node.dispatcher.answer(body) or b"")
    one = answer[0] if isinstance(answer, list) else answer
    assert one["error"]["code"] == code


def test_notification_is_not_answered(node: Node) -> None:
    assert node.dispatcher.answer(b'{"jsonrpc":"2.0","method":"evm_mine"}') is None
    assert node.dispatcher.answer(b'[{"jsonrpc":"2.0","method":"evm_mine"}]') is None
    assert node.rpc("eth_blockNumber") == "0x2"


def test_numbers_out_of_range_are_rejected(node: Node) -> None:
    assert failure(node, "evm_increaseTime", hex(1 << 255)).code == -32602
    assert failure(node, "evm_setNextBlockTimestamp", hex(1 << 48)).code == -32602
    assert node.rpc("evm_revert", hex(1 << 255)) is False
    assert node.rpc("eth_getBlockByNumber", hex((1 << 64) - 1), False) is None


def test_absent_block_may_be_null(node: Node) -> None:
    assert node.rpc("eth_getTransactionCount", SINK_TEXT, None) == "0x0"
    assert node.rpc("eth_call", {"to": SINK_TEXT}, None, None) == "0x"


# limits


def test_blocks_are_mined_all_or_none(node: Node) -> None:
    for params in (
        [hex(10_001)],
        [hex(1 << 60)],
        ["0x2", hex(1 << 48)],
        [hex(10_000), hex(1 << 40)],
        ["0x2", "0xff" * 30],
    ):
        rejection = failure(node, "anvil_mine", *params)
        assert rejection.code == -32602
    assert (
        failure(node, "anvil_mine", hex(1 << 60)).message
        == "params.blocks: expected at most 10000, got 1152921504606846976"
    )
    assert failure(node, "evm_mine", {"blocks": hex(1 << 60)}).code == -32602
    assert failure(node, "evm_mine", {"timestamp": hex(1 << 48), "blocks": "0x2"}).code == -32602
    assert node.rpc("eth_blockNumber") == "0x0"
    node.rpc("anvil_mine", "0x3", "0x64")
    times = [int(node.rpc("eth_getBlockByNumber", hex(number), False)["timestamp"], 16) for number in range(1, 4)]
    assert [later - earlier for earlier, later in pairwise(times)] == [100, 100]


def test_search_of_logs_is_bounded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    many = "0x" + "11" * 32
    for log_filter in (
        {"topics": [many] * 5},
        {"topics": [[many] * 1001]},
        {"address": [SINK_TEXT] * 1001},
        {"fromBlock": "0x1", "toBlock": "0x1"},
    ):
        assert failure(node, "eth_getLogs", log_filter).code == -32602
    assert failure(node, "eth_getLogs", {"topics": [many] * 5}).message == (
        "params.filter.topics: expected at most 4 items, got 5"
    )
    set_code(node, contracts.TWO_LOGS)
    for _ in range(2):
        node.send(to=CODE_ADDRESS, data="0x" + "11" * 64)
    monkeypatch.setattr("wallet_rpc.devchain.logs.MAX_LOGS", 3)
    assert len(node.rpc("eth_getLogs", {"fromBlock": "latest"})) == 2
    rejection = failure(node, "eth_getLogs", {"fromBlock": "earliest"})
    assert (rejection.code, rejection.data["reason"]) == (-32005, "too_many_logs")
    assert rejection.message.startswith("params.filter: expected to match at most 3 logs")


@pytest.mark.parametrize(
    ("percentiles", "message"),
    [
        ([75, 25], "params.rewardPercentiles[1]: expected more than 75.0, got 25.0"),
        ([25, 25], "params.rewardPercentiles[1]: expected more than 25.0, got 25.0"),
        ([-0.5], "params.rewardPercentiles[0]: expected from 0 to 100, got -0.5"),
        ([0, 100.5], "params.rewardPercentiles[1]: expected from 0 to 100, got 100.5"),
        ([number / 2 for number in range(101)], "params.rewardPercentiles: expected at most 100 items, got 101"),
    ],
)
def test_percentiles_rise_from_0_to_100(node: Node, percentiles: list[float], message: str) -> None:
    rejection = failure(node, "eth_feeHistory", "0x1", "latest", percentiles)
    assert (rejection.code, rejection.message) == (-32602, message)


def test_fee_history_is_bounded(node: Node) -> None:
    node.rpc("anvil_mine", hex(1100))
    history = node.rpc("eth_feeHistory", hex(1 << 32), "latest", [0, 50, 100])
    assert (history["oldestBlock"], len(history["reward"])) == (hex(1100 - 1023), 1024)


def test_block_by_both_hash_and_number_is_refused_by_name(node: Node) -> None:
    identity = node.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
    both = failure(node, "eth_getBalance", SINK_TEXT, {"blockHash": identity, "blockNumber": "0x0"})
    assert both.message == "params.block: expected blockNumber or blockHash, got both"
    assert failure(node, "eth_getBalance", SINK_TEXT, {"blockHash": identity, "from": "0x0"}).code == -32602
    assert failure(node, "eth_getBalance", SINK_TEXT, "0x" + "zz" * 32).code == -32602
    assert node.rpc("eth_getBalance", SINK_TEXT, {"blockHash": identity, "blockNumber": None}) == "0x0"
    assert node.rpc("eth_getBlockReceipts", {"blockHash": identity}) == node.rpc("eth_getBlockReceipts", identity) == []


def test_null_requests_transaction_hashes(node: Node) -> None:
    node.send(to=SINK_TEXT, value=1)
    block = node.rpc("eth_getBlockByNumber", "latest", None)
    assert isinstance(block["transactions"][0], str)
    assert node.rpc("eth_getBlockByHash", block["hash"], None) == block
    found = node.rpc("eth_getTransactionByHash", block["transactions"][0])
    assert found["blockTimestamp"] == block["timestamp"]
