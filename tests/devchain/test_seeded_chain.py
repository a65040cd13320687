"""A seeded chain: its clock goes a second forward with each block, and ids of filters follow from the seed."""

from __future__ import annotations

import pytest

from tests.devchain.sample import SINK, Node
from wallet_rpc.devchain.config import SEEDED_TIME, DevChainConfig

SINK_TEXT = SINK.hex0x()


@pytest.fixture
def seeded() -> Node:
    return Node(DevChainConfig(seed=7))


def time_of(node: Node, tag: str = "latest") -> int:
    return int(node.rpc("eth_getBlockByNumber", tag, False)["timestamp"], 16) - SEEDED_TIME


def mine(node: Node, blocks: int = 1) -> int:
    node.rpc("anvil_mine", hex(blocks))
    return time_of(node)


def test_each_block_is_a_second_after_the_last_one(seeded: Node) -> None:
    assert (time_of(seeded), time_of(seeded, "pending")) == (0, 1)
    seeded.send(to=SINK_TEXT)
    assert (time_of(seeded), mine(seeded), mine(seeded, 3)) == (1, 2, 5)


def test_the_clock_moves_by_controls_and_counts_on_from_there(seeded: Node) -> None:
    seeded.rpc("evm_increaseTime", 60)
    assert (time_of(seeded, "pending"), mine(seeded), mine(seeded)) == (61, 61, 62)
    seeded.rpc("evm_setNextBlockTimestamp", SEEDED_TIME + 100)
    assert (time_of(seeded, "pending"), mine(seeded), mine(seeded)) == (100, 100, 101)
    seeded.rpc("anvil_setBlockTimestampInterval", 10)
    assert (mine(seeded), mine(seeded)) == (111, 121)
    seeded.rpc("anvil_removeBlockTimestampInterval")
    assert (mine(seeded), mine(seeded)) == (122, 123)


def test_a_revert_a_reset_and_a_loaded_state_take_the_clock_along(seeded: Node) -> None:
    first = mine(seeded)
    snapshot, state = seeded.rpc("evm_snapshot"), seeded.rpc("anvil_dumpState")
    seeded.rpc("evm_increaseTime", 60)
    mine(seeded, 4)
    seeded.rpc("evm_revert", snapshot)
    assert mine(seeded) == first + 1
    seeded.rpc("anvil_loadState", state)
    assert mine(seeded) == first + 1
    seeded.rpc("evm_increaseTime", 60)
    seeded.rpc("anvil_reset")
    assert (time_of(seeded), mine(seeded)) == (0, 1)
    seeded.rpc("evm_increaseTime", 60)
    assert mine(seeded) == 62


def test_the_server_gets_the_time_of_the_next_block_which_stands_still(seeded: Node) -> None:
    chain = seeded.dev.chain
    for real in (0.0, 5e9):
        assert chain.next_time.at(real) == SEEDED_TIME + 1
    mine(seeded)
    seeded.rpc("evm_increaseTime", 9)
    assert chain.next_time.at(0.0) == SEEDED_TIME + 11


def test_ids_of_filters_follow_from_seed_and_chain() -> None:
    def first_id(seed: int, chain_id: int = 1) -> str:
        return str(Node(DevChainConfig(seed=seed, chain_id=chain_id)).rpc("eth_newBlockFilter"))

    assert first_id(7) == first_id(7)
    assert len({first_id(7), first_id(8), first_id(7, 5)}) == 3
