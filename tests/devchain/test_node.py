from __future__ import annotations

import json
from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import PLACE, failure, put
from tests.devchain.sample import ALICE, BOB, GENESIS_TIME, SINK, Node, mint
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.devchain.known import TEST_TOKEN

ALICE_TEXT, BOB_TEXT, SINK_TEXT = ALICE.address.hex0x(), BOB.address.hex0x(), SINK.hex0x()


def test_logs_are_found_by_block_address_and_topic(node: Node) -> None:
    put(node, contracts.TWO_LOGS)
    one, two, three = ("0x" + number.to_bytes(32).hex() for number in (1, 2, 3))
    node.send(to=PLACE, data=one + two[2:])
    node.send(to=PLACE, data=one + three[2:])
    node.send(**mint(TEST_TOKEN, SINK, 5))

    def count(**wanted: Any) -> int:
        return len(node.rpc("eth_getLogs", {"fromBlock": "0x0", **wanted}))

    assert count() == 5
    assert count(address=PLACE) == 4
    assert count(address=[PLACE, TEST_TOKEN.hex0x()]) == 5
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


def test_time_moves_as_told(node: Node) -> None:
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
    assert GENESIS_TIME + 5220 <= now() < GENESIS_TIME + 5260
    assert failure(node, "evm_setNextBlockTimestamp", 5).code == -32602
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


def test_node_says_what_it_is(node: Node) -> None:
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
def test_body_that_is_no_request_is_told_so(node: Node, body: bytes, code: int) -> None:
    answer = json.loads(node.dispatcher.answer(body) or b"")
    one = answer[0] if isinstance(answer, list) else answer
    assert one["error"]["code"] == code


def test_notification_is_not_answered(node: Node) -> None:
    assert node.dispatcher.answer(b'{"jsonrpc":"2.0","method":"evm_mine"}') is None
    assert node.dispatcher.answer(b'[{"jsonrpc":"2.0","method":"evm_mine"}]') is None
    assert node.rpc("eth_blockNumber") == "0x2"


def test_numbers_beyond_all_use_are_refused(node: Node) -> None:
    assert failure(node, "evm_increaseTime", hex(1 << 255)).code == -32602
    assert failure(node, "evm_setNextBlockTimestamp", hex(1 << 48)).code == -32602
    assert node.rpc("evm_revert", hex(1 << 255)) is False
    assert node.rpc("eth_getBlockByNumber", hex((1 << 64) - 1), False) is None


def test_absent_block_may_be_null(node: Node) -> None:
    assert node.rpc("eth_getTransactionCount", SINK_TEXT, None) == "0x0"
    assert node.rpc("eth_call", {"to": SINK_TEXT}, None, None) == "0x"
