"""Subscriptions of a chain: what each gets of new blocks, logs and transactions, and what ends with its process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from tests.contract.waiting import until
from tests.devchain import contracts
from tests.devchain.asking import failure, set_code
from tests.devchain.sample import SINK, Node
from tests.support.constants import LONGEST_SECONDS
from wallet_rpc.devchain import subscription_store
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.edge.chain_feed import SubscriptionRejected
from wallet_rpc.errors import Unavailable

SINK_TEXT = SINK.hex0x()
TOPIC, OTHER_TOPIC = "0x" + "00" * 31 + "07", "0x" + "11" * 32
HEADS, LOGS, PENDING = "newHeads", "logs", "newPendingTransactions"


def subscribe(node: Node, number: int, kind: str, options: Any = None) -> None:
    assert node.rpc("eth_subscribe", kind, options, number) == hex(number)


def take(node: Node) -> list[tuple[int, Any]]:
    return list(node.dev.subscriptions.take(node.dev.chain.base_fee))


def test_a_follower_of_heads_gets_each_new_block_once_in_its_order(node: Node) -> None:
    node.rpc("evm_mine")
    subscribe(node, 1, HEADS)
    node.rpc("anvil_mine", "0x2")
    node.send(to=SINK_TEXT)

    blocks = [node.rpc("eth_getBlockByNumber", hex(number), False) for number in (2, 3, 4)]
    assert take(node) == [(1, block) for block in blocks]
    assert take(node) == []


def test_blocks_that_a_revert_takes_back_are_sent_and_so_are_the_next_ones(node: Node) -> None:
    subscribe(node, 1, HEADS)
    before = node.rpc("evm_snapshot")
    node.rpc("evm_mine")
    node.rpc("evm_revert", before)
    node.rpc("evm_mine")

    assert [head["number"] for _, head in take(node)] == ["0x1", "0x1"]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (None, 4),
        ({}, 4),
        ({"address": "0x" + "c0" * 20}, 4),
        ({"address": ["0x" + "c0" * 20, SINK_TEXT]}, 4),
        ({"address": SINK_TEXT}, 0),
        ({"topics": [TOPIC]}, 2),
        ({"topics": [[TOPIC, OTHER_TOPIC]]}, 4),
        ({"topics": [None, TOPIC]}, 0),
        ({"fromBlock": "0x2"}, 2),
        ({"toBlock": "0x1"}, 2),
        ({"toBlock": "0x0"}, 0),
        ({"fromBlock": "latest", "toBlock": "pending"}, 4),
    ],
    ids=str,
)
def test_a_follower_of_logs_gets_those_that_match(node: Node, options: Any, count: int) -> None:
    counter = set_code(node, contracts.TWO_LOGS)
    subscribe(node, 1, LOGS, options)
    node.send(to=counter, data=TOPIC)
    node.send(to=counter, data=OTHER_TOPIC)

    found = [log for _, log in take(node)]
    assert len(found) == count
    every = node.rpc("eth_getLogs", {"fromBlock": "0x0"})
    assert found == [log for log in every if log in found]
    assert all(log["removed"] is False for log in found)


def test_logs_of_blocks_that_a_reorganisation_replaces_are_sent_as_removed(node: Node) -> None:
    counter = set_code(node, contracts.TWO_LOGS)
    node.send(to=counter, data=TOPIC)
    subscribe(node, 1, LOGS, {"topics": [TOPIC]})
    subscribe(node, 2, HEADS)
    node.send(to=counter, data=TOPIC)
    node.send(to=counter, data=OTHER_TOPIC)
    before = [log for number, log in take(node) if number == 1]
    node.rpc("dev_reorganize", "0x2", True)

    after = take(node)
    assert [log for number, log in after if number == 1] == [{**log, "removed": True} for log in before]
    assert [number for number, _ in after] == [1, 1, 2, 2], "the old logs come before the new heads"
    node.rpc("evm_mine")
    again = [log for number, log in take(node) if number == 1]
    assert [(log["transactionHash"], log["removed"]) for log in again] == [(before[0]["transactionHash"], False)] * 2


def test_a_follower_of_transactions_gets_those_that_can_be_mined(node: Node) -> None:
    subscribe(node, 1, PENDING)
    subscribe(node, 2, PENDING, True)
    subscribe(node, 3, PENDING, False)
    mined = node.send(to=SINK_TEXT)
    node.rpc("evm_setAutomine", False)
    queued = node.send(to=SINK_TEXT, nonce=2)
    between = node.send(to=SINK_TEXT, nonce=1)

    found = take(node)
    for number in (1, 3):
        assert [result for to, result in found if to == number] == [mined, between, queued]
    full = [result for to, result in found if to == 2]
    assert [each["hash"] for each in full] == [mined, between, queued]
    assert full[1] == node.rpc("eth_getTransactionByHash", between)
    assert full[0]["blockHash"] is None


def test_nothing_is_recorded_without_a_subscription(node: Node) -> None:
    node.send(to=SINK_TEXT)
    subscribe(node, 1, HEADS)
    assert take(node) == []
    assert [node.rpc("eth_unsubscribe", 1) for _ in range(2)] == [True, False]
    node.rpc("evm_mine")
    subscribe(node, 2, HEADS)
    assert take(node) == []


@pytest.mark.parametrize(
    "params",
    [("syncing", None), (LOGS, True), (PENDING, {}), (LOGS, {"topics": [1]}), (HEADS, 5)],
    ids=str,
)
def test_an_unknown_kind_or_option_is_rejected(node: Node, params: tuple[str, Any]) -> None:
    found = failure(node, "eth_subscribe", *params, 1)
    assert found.code == -32602
    assert found.data["field"].startswith("params.")


@pytest.mark.parametrize("options", [{"adress": TOPIC}, {"fromBlock": "next"}, {"toBlock": "1"}, {"blockHash": TOPIC}])
def test_a_member_that_a_filter_of_logs_cannot_have_is_named(node: Node, options: dict[str, Any]) -> None:
    found = failure(node, "eth_subscribe", LOGS, options, 1)
    assert (found.code, found.data["field"]) == (-32602, f"params.options.{next(iter(options))}")


def test_the_number_of_subscriptions_is_limited(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_store, "MAX_SUBSCRIPTIONS", 2)
    subscribe(node, 1, HEADS)
    subscribe(node, 2, PENDING)
    found = failure(node, "eth_subscribe", LOGS, None, 3)
    assert (found.code, found.data["reason"]) == (-32005, "too_many_subscriptions")


class Follower:
    """A receiver of notifications, whose arrival tests wait for."""

    def __init__(self) -> None:
        self.heads: list[Any] = []
        self._arrival = asyncio.Event()

    def deliver(self, result: bytes) -> None:
        self.heads.append(json.loads(result))
        self._arrival.set()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONGEST_SECONDS):
            while not condition():
                self._arrival.clear()
                await self._arrival.wait()


async def mine(chain: ChainSupervisor, blocks: int = 1) -> None:
    await chain.request({"jsonrpc": "2.0", "id": 1, "method": "anvil_mine", "params": [hex(blocks)]})


async def mines(chain: ChainSupervisor) -> bool:
    """Mine a block, and return False while there is no process."""
    try:
        await mine(chain)
    except Unavailable:
        return False
    return True


@pytest.fixture(scope="module")
async def chain() -> AsyncIterator[ChainSupervisor]:
    running = await ChainSupervisor.start(DevChainConfig())
    yield running
    await running.stop()


async def test_equal_subscriptions_are_one_in_the_process_and_last_until_the_last_ends(
    chain: ChainSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []

    async def request(parsed: dict[str, Any]) -> Any:
        written.append((parsed["method"], parsed["params"][:-1]))
        return await chain.request(parsed)

    monkeypatch.setattr(chain.feed, "_request", request)
    one, two = Follower(), Follower()
    stops = [await chain.feed.follow([HEADS, True], each.deliver) for each in (one, two)]
    await mine(chain)
    await one.wait_for(lambda: len(one.heads) == 1)
    await stops[0]()
    await stops[0]()
    await mine(chain)
    await two.wait_for(lambda: len(two.heads) == 2)
    assert one.heads == two.heads[:1]
    await stops[1]()
    with pytest.raises(SubscriptionRejected, match="expected 'newHeads'"):
        await chain.feed.follow(["lost", None], one.deliver)
    assert written == [("eth_subscribe", [HEADS, True]), ("eth_unsubscribe", []), ("eth_subscribe", ["lost", None])]


async def test_a_subscription_that_is_cancelled_while_the_chain_is_busy_ends_there_too(
    chain: ChainSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[int] = []

    async def request(parsed: dict[str, Any]) -> Any:
        numbers.append(parsed["params"][-1])
        return await chain.request(parsed)

    monkeypatch.setattr(chain.feed, "_request", request)
    busy = asyncio.create_task(mine(chain, 1000))
    one = Follower()
    following = asyncio.create_task(chain.feed.follow([HEADS, None], one.deliver))
    await asyncio.sleep(0)
    following.cancel()
    await asyncio.wait([following, busy])
    assert following.cancelled()
    stop = await chain.feed.follow([LOGS, {}], one.deliver)
    response = await chain.request({"jsonrpc": "2.0", "id": 1, "method": "eth_unsubscribe", "params": [numbers[0]]})
    assert response["result"] is False, "the cancelled subscription has ended before"
    await stop()


async def test_subscriptions_outlive_the_process_of_the_chain(chain: ChainSupervisor) -> None:
    one = Follower()
    stop = await chain.feed.follow([HEADS, None], one.deliver)
    await mine(chain)
    await one.wait_for(lambda: len(one.heads) == 1)
    os.kill(chain.process_id, signal.SIGKILL)
    await until(partial(mines, chain))
    await one.wait_for(lambda: len(one.heads) == 2)
    assert one.heads[1]["number"] == "0x1", "a chain without a folder begins anew"
    await stop()
