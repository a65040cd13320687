"""Filters that clients poll: blocks, pending transactions and logs."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import failure, set_code
from tests.devchain.sample import ALICE, SINK, Node
from wallet_rpc.devchain import filter_store
from wallet_rpc.devchain.filter_store import FILTER_SECONDS, BlockFilter, FilterNotFound, FilterStore
from wallet_rpc.errors import LimitExceeded

SINK_TEXT = SINK.hex0x()
TOPIC = "0x" + "00" * 31 + "07"


def changes(node: Node, identity: str) -> Any:
    return node.rpc("eth_getFilterChanges", identity)


def log_twice(node: Node, counter: str, topic: str = TOPIC) -> str:
    return node.send(to=counter, data=topic)


def test_a_block_filter_returns_each_new_block_once(node: Node) -> None:
    node.rpc("evm_mine")
    identity = node.rpc("eth_newBlockFilter")
    assert changes(node, identity) == []
    node.rpc("anvil_mine", "0x3")
    hashes = [node.rpc("eth_getBlockByNumber", hex(number), False)["hash"] for number in (2, 3, 4)]

    assert changes(node, identity) == hashes
    assert changes(node, identity) == []


def test_many_block_hashes_come_in_several_answers(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet_rpc.devchain.filters.MAX_BLOCK_HASHES", 4)
    identity = node.rpc("eth_newBlockFilter")
    node.rpc("anvil_mine", "0xa")

    answers = [changes(node, identity) for _ in range(4)]
    assert [len(answer) for answer in answers] == [4, 4, 2, 0]
    assert len(set(itertools.chain(*answers))) == 10


def test_a_pending_filter_returns_transactions_that_can_be_mined(node: Node) -> None:
    identity = node.rpc("eth_newPendingTransactionFilter")
    mined = node.send(to=SINK_TEXT)
    assert changes(node, identity) == [mined]
    node.rpc("evm_setAutomine", False)
    waiting = node.send(to=SINK_TEXT)
    queued = node.send(to=SINK_TEXT, nonce=3)
    assert changes(node, identity) == [waiting]
    between = node.send(to=SINK_TEXT, nonce=2)

    assert changes(node, identity) == [between, queued]


def test_a_log_filter_returns_new_logs_that_match(node: Node) -> None:
    counter = set_code(node, contracts.TWO_LOGS)
    log_twice(node, counter)
    fresh = node.rpc("eth_newFilter", {"address": counter, "topics": [TOPIC]})
    old_too = node.rpc("eth_newFilter", {"fromBlock": "0x0", "topics": [TOPIC]})
    ended = node.rpc("eth_newFilter", {"toBlock": "0x1"})
    other = node.rpc("eth_newFilter", {"topics": ["0x" + "11" * 32]})
    assert changes(node, fresh) == []
    assert len(changes(node, old_too)) == 2
    second = log_twice(node, counter)
    log_twice(node, counter, "0x" + "11" * 32)

    assert [log["transactionHash"] for log in changes(node, fresh)] == [second] * 2
    assert [log["transactionHash"] for log in changes(node, old_too)] == [second] * 2
    assert len(changes(node, other)) == 2
    assert [changes(node, identity) for identity in (fresh, old_too, other, ended)] == [[], [], [], []]
    assert len(node.rpc("eth_getFilterLogs", old_too)) == 4
    assert node.rpc("eth_getFilterLogs", old_too) == node.rpc("eth_getLogs", {"fromBlock": "0x0", "topics": [TOPIC]})


def test_many_logs_come_in_several_answers(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet_rpc.devchain.logs.MAX_LOGS", 3)
    counter = set_code(node, contracts.TWO_LOGS)
    identity = node.rpc("eth_newFilter", {})
    sent = [log_twice(node, counter) for _ in range(3)]

    answers = [changes(node, identity) for _ in range(3)]
    assert [log["transactionHash"] for log in answers[0]] == [sent[0]] * 2 + [sent[1]] * 2
    assert [log["transactionHash"] for log in answers[1]] == [sent[2]] * 2
    assert answers[2] == []


@pytest.mark.parametrize("method", ["evm_revert", "anvil_reset", "anvil_loadState"])
def test_blocks_after_a_revert_are_new_ones(node: Node, method: str) -> None:
    given = {"evm_revert": lambda: [node.rpc("evm_snapshot")], "anvil_loadState": lambda: [node.rpc("anvil_dumpState")]}
    counter = set_code(node, contracts.TWO_LOGS)
    params = given.get(method, list)()
    blocks, logs = node.rpc("eth_newBlockFilter"), node.rpc("eth_newFilter", {})
    log_twice(node, counter)
    log_twice(node, counter)
    assert (len(changes(node, blocks)), len(changes(node, logs))) == (2, 4)
    node.rpc(method, *params)
    set_code(node, contracts.TWO_LOGS)

    assert (changes(node, blocks), changes(node, logs)) == ([], [])
    log_twice(node, counter)
    assert (len(changes(node, blocks)), len(changes(node, logs))) == (1, 2)


def test_unknown_filters_are_not_found(node: Node) -> None:
    identity = node.rpc("eth_newBlockFilter")
    for method in ("eth_getFilterChanges", "eth_getFilterLogs"):
        found = failure(node, method, "0x99")
        assert (found.code, found.message) == (-32000, "filter not found")
    assert failure(node, "eth_getFilterLogs", identity).message == "filter not found"
    assert failure(node, "eth_newFilter", {"blockHash": "0x" + "00" * 32}).code == -32602
    assert [node.rpc("eth_uninstallFilter", identity) for _ in range(2)] == [True, False]
    assert failure(node, "eth_getFilterChanges", identity).message == "filter not found"


def test_filters_are_bounded_and_expire_when_they_are_not_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_store, "MAX_FILTERS", 2)
    now = [0.0]
    store = FilterStore(lambda: now[0])
    first, second = store.add(BlockFilter(1)), store.add(BlockFilter(2))
    with pytest.raises(LimitExceeded, match="at most 2 filters"):
        store.add(BlockFilter(3))
    now[0] = FILTER_SECONDS - 1
    store.get(first)
    now[0] = FILTER_SECONDS

    with pytest.raises(FilterNotFound):
        store.get(second)
    assert store.get(first) == BlockFilter(1)
    store.add(BlockFilter(3))
    assert len(store) == 2


def test_logs_of_a_mempool_are_reported_when_they_are_mined(node: Node) -> None:
    counter = set_code(node, contracts.TWO_LOGS)
    identity = node.rpc("eth_newFilter", {})
    node.rpc("evm_setAutomine", False)
    log_twice(node, counter)
    assert changes(node, identity) == []
    node.rpc("evm_mine")
    assert len(changes(node, identity)) == 2
    assert node.dev.chain.nonce(ALICE.address) == 1
