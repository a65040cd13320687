"""Blocks that the chain no longer has in memory: they are bounded in number there, and everything is still answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]  # rlp 5 has no py.typed
from hypothesis import given
from hypothesis import strategies as st

from tests.devchain.sample import ALICE, ENTRY_POINT_TEXT, GENESIS_TIME, SINK, Actor, Node, RpcFailure
from wallet_rpc.devchain.block_index import RECENT_BLOCKS
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.ledger import encode_raw
from wallet_rpc.devchain.sqlite_store import FILE_NAME
from wallet_rpc.domain.account import Call

SINK_TEXT, ALICE_TEXT = SINK.hex0x(), ALICE.address.hex0x()
COUNTER = "0x" + "33" * 20
COUNTER_CODE = "0x6001600054016000554360005260206000a000"
"""Adds 1 to slot 0, and logs the block's number."""
HASH_CODE = "0x6000354060005260206000f3"
"""Returns BLOCKHASH of its argument."""


def open_node(folder: Path | None) -> Node:
    return Node(DevChainConfig(folder=folder, timestamp=GENESIS_TIME))


@pytest.fixture(params=["temporary", "folder"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "folder" else None


@pytest.fixture
def node(folder: Path | None) -> Iterator[Node]:
    opened = open_node(folder)
    yield opened
    opened.dev.chain.close()


class Past:
    """A history of a transfer, a user operation and three logs, with what the node answers about them."""

    def __init__(self, node: Node) -> None:
        self.transfer = node.send(to=SINK_TEXT, value=5)
        actor = Actor(node)
        actor.fund()
        receipt = actor.send([Call(to=SINK, value=1)])
        self.operation: str = receipt["userOpHash"]
        node.rpc("anvil_setCode", COUNTER, COUNTER_CODE)
        for _ in range(3):
            node.send(to=COUNTER)
        self.height = int(node.rpc("eth_blockNumber"), 16)
        self.block_hash: str = node.rpc("eth_getBlockByNumber", "latest", False)["hash"]

    def read(self, node: Node) -> list[Any]:
        """Return the answers of all reads about the past."""
        last = hex(self.height)
        ranges: list[dict[str, Any]] = [
            {"fromBlock": "0x0", "toBlock": last},
            {"fromBlock": "0x0", "toBlock": last, "address": COUNTER},
            {"fromBlock": "0x1", "toBlock": last, "address": [ENTRY_POINT_TEXT, SINK_TEXT]},
            {"fromBlock": "0x1", "toBlock": last, "topics": [None, self.operation]},
            {"fromBlock": "0x1", "toBlock": last, "topics": [["0x" + "12" * 32], None]},
            {"blockHash": self.block_hash},
        ]
        heights = [hex(height) for height in range(self.height)]
        return [
            node.rpc("eth_getTransactionReceipt", self.transfer),
            node.rpc("eth_getTransactionByHash", self.transfer),
            node.rpc("eth_getUserOperationReceipt", self.operation),
            node.rpc("eth_getUserOperationByHash", self.operation),
            node.rpc("eth_getBlockByHash", self.block_hash, True),
            node.rpc("eth_getBlockReceipts", last),
            *(node.rpc("eth_getBlockByNumber", height, True) for height in heights),
            *(node.rpc("eth_getLogs", one) for one in ranges),
            *(node.rpc("eth_getBalance", SINK_TEXT, height) for height in heights),
            *(node.rpc("eth_getStorageAt", COUNTER, "0x0", height) for height in heights),
            *(node.rpc("eth_getTransactionCount", ALICE_TEXT, height) for height in heights),
            *(node.rpc("eth_getCode", COUNTER, height) for height in heights),
            node.rpc("eth_call", {"to": COUNTER}, hex(self.height - 1)),
        ]


def count_hashes(node: Node) -> int:
    store: Any = node.dev.chain._store
    return int(store._database.execute("SELECT count(*) FROM hashes").fetchone()[0])


def test_the_number_of_blocks_in_memory_is_bounded(node: Node) -> None:
    for _ in range(3):
        node.rpc("anvil_mine", hex(RECENT_BLOCKS))
        node.send(to=SINK_TEXT, value=1)

    assert node.dev.chain.blocks.blocks_in_memory == RECENT_BLOCKS
    assert int(node.rpc("eth_blockNumber"), 16) == 3 * RECENT_BLOCKS + 3


def test_everything_about_old_blocks_is_answered(node: Node, folder: Path | None) -> None:
    past = Past(node)
    before = past.read(node)
    for height in range(past.height + 1, past.height + 4):  # values that replace the old ones
        node.send(to=COUNTER)
        assert int(node.rpc("eth_getStorageAt", COUNTER, "0x0", hex(height)), 16) == 3 + height - past.height
    node.rpc("anvil_setCode", COUNTER, "0x00")
    node.rpc("anvil_mine", hex(RECENT_BLOCKS))

    assert past.read(node) == before
    heights = [hex(height) for height in range(past.height + 1)]
    slots = [int(node.rpc("eth_getStorageAt", COUNTER, "0x0", height), 16) for height in heights]
    assert slots == [0, 0, 0, 1, 2, 3]
    assert [int(node.rpc("eth_getBalance", SINK_TEXT, height), 16) for height in heights] == [0, 5, 6, 6, 6, 6]
    codes = [node.rpc("eth_getCode", COUNTER, height) for height in heights]
    assert codes == ["0x"] * 2 + [COUNTER_CODE] * 4  # the direct change is part of the second block
    if folder is not None:
        node.dev.chain.close()
        again = open_node(folder)
        assert past.read(again) == before
        again.dev.chain.close()


def test_a_snapshot_of_an_old_block_can_be_restored(node: Node) -> None:
    past = Past(node)
    before, time_before = past.read(node), node.rpc("eth_getBlockByNumber", "latest", False)
    hashes = count_hashes(node)
    snapshot = node.rpc("evm_snapshot")
    for _ in range(2):
        node.send(to=COUNTER)
    later = node.send(to=SINK_TEXT, value=7)
    operation = Actor(node).send([Call(to=SINK, value=1)])["userOpHash"]
    node.rpc("anvil_setBalance", COUNTER, "0x5")
    node.rpc("anvil_mine", hex(2 * RECENT_BLOCKS))

    assert node.rpc("evm_revert", snapshot) is True

    assert node.rpc("eth_getBlockByNumber", "latest", False) == time_before
    assert past.read(node) == before
    assert count_hashes(node) == hashes
    assert node.receipt(later) is None
    assert node.rpc("eth_getUserOperationReceipt", operation) is None
    assert node.rpc("eth_getBalance", COUNTER) == "0x0"
    assert int(node.rpc("eth_getStorageAt", COUNTER, "0x0"), 16) == 3
    assert node.dev.chain.blocks.blocks_in_memory <= RECENT_BLOCKS
    node.send(to=COUNTER)
    assert int(node.rpc("eth_getStorageAt", COUNTER, "0x0"), 16) == 4
    assert int(node.rpc("eth_getStorageAt", COUNTER, "0x0", hex(past.height)), 16) == 3
    assert Actor(node).send([Call(to=SINK, value=1)])["success"] is True
    node.rpc("anvil_mine", hex(3 * RECENT_BLOCKS))  # as many versions as were dropped, and more
    assert node.rpc("eth_getBalance", COUNTER) == "0x0"
    assert int(node.rpc("eth_getStorageAt", COUNTER, "0x0"), 16) == 4


def test_code_at_an_old_block_reads_the_hashes_before_it(node: Node) -> None:
    node.rpc("anvil_mine", hex(300))
    node.rpc("anvil_setCode", COUNTER, HASH_CODE)
    node.rpc("anvil_mine", hex(RECENT_BLOCKS + 100))

    def block_hash(number: int, at: int) -> str:
        return str(node.rpc("eth_call", {"to": COUNTER, "data": "0x" + number.to_bytes(32).hex()}, hex(at)))

    assert block_hash(50, 301) == node.rpc("eth_getBlockByNumber", hex(50), False)["hash"]
    assert block_hash(44, 301) == "0x" + "00" * 32


def test_a_range_of_logs_beyond_the_chain_is_answered(node: Node) -> None:
    past = Past(node)
    everything = {"fromBlock": "0x0", "toBlock": hex(2**64 - 1), "address": COUNTER}

    assert len(node.rpc("eth_getLogs", everything)) == 3
    with pytest.raises(RpcFailure, match="header not found"):
        node.rpc("eth_getBalance", SINK_TEXT, hex(past.height + 1))


_FORMAT_2 = """
ALTER TABLE snapshots DROP COLUMN node;
DELETE FROM facts WHERE name = 'node';
UPDATE facts SET value = replace(value, 'format 3', 'format 2') WHERE name = 'identity';
"""
"""Changes a file to the second format, which had no settings of the node."""
_BLOCKS_OF_FORMAT_1 = """
ALTER TABLE blocks RENAME TO new_blocks;
CREATE TABLE blocks (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
INSERT INTO blocks SELECT number, body FROM new_blocks;
DROP TABLE new_blocks;
DROP TABLE hashes;
DROP INDEX changes_by_key;
UPDATE facts SET value = replace(value, 'format 2', 'format 1') WHERE name = 'identity';
"""
_FORMAT_1 = f"{_FORMAT_2}{_BLOCKS_OF_FORMAT_1}"
"""Changes a file to the first format, which wallet-rpc 0.1.0 and commit 160951a write."""


@pytest.mark.parametrize("script", [_FORMAT_1, _FORMAT_2])
def test_a_file_of_an_earlier_format_is_upgraded(tmp_path: Path, script: str) -> None:
    node = open_node(tmp_path)
    past = Past(node)
    node.rpc("anvil_mine", "0x5")
    before, head = past.read(node), node.rpc("eth_getBlockByNumber", "latest", True)
    snapshot = node.rpc("evm_snapshot")
    node.dev.chain.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as old:
        old.executescript(script)
    old.close()

    for _ in range(2):
        again = open_node(tmp_path)
        assert past.read(again) == before
        assert again.rpc("eth_getBlockByNumber", "latest", True) == head
        again.dev.chain.close()
    again = open_node(tmp_path)
    again.send(to=COUNTER)
    assert again.rpc("evm_revert", snapshot) is True
    assert past.read(again) == before
    again.dev.chain.close()


ITEMS = st.recursive(
    st.binary(max_size=80) | st.just(bytes(300)), lambda items: st.lists(items, max_size=6), max_leaves=40
)


@given(ITEMS)
def test_rlp_is_that_of_the_library(item: Any) -> None:
    assert encode_raw(item) == rlp.codec.encode_raw(item)
