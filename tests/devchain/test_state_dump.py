"""Dumps of the whole chain, and dumps of anvil."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import failure, set_code
from tests.devchain.sample import ALICE, BOB, GENESIS_TIME, SINK, Actor, Node, transfer
from tests.devchain.side_by_side import Pair
from wallet_rpc.devchain import state_file
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.devchain.state_file import decode_state, encode_state

SINK_TEXT = SINK.hex0x()
SLOT = "0x" + "00" * 31 + "07"


def look(node: Node) -> Any:
    """Return what can be seen of a chain."""
    blocks = [
        node.rpc("eth_getBlockByNumber", hex(number), True)
        for number in range(int(node.rpc("eth_blockNumber"), 16) + 1)
    ]
    hashes = [each["hash"] for block in blocks for each in block["transactions"]]
    return {
        "blocks": blocks,
        "receipts": [node.receipt(identity) for identity in hashes],
        "balances": [node.rpc("eth_getBalance", SINK_TEXT, block["number"]) for block in blocks],
        "storage": [node.rpc("eth_getStorageAt", SINK_TEXT, "0x1", block["number"]) for block in blocks],
        "logs": node.rpc("eth_getLogs", {"fromBlock": "0x0"}),
        "mempool": node.rpc("txpool_content"),
        "automine": node.rpc("anvil_getAutomine"),
    }


@pytest.fixture
def dumped(node: Node) -> tuple[str, Any]:
    """A dump of a chain with transactions, direct changes, settings and a mempool, and what was seen of the chain."""
    actor = Actor(node)
    actor.fund()
    actor.send([transfer(TEST_TOKEN, SINK, 0)])
    node.send(to=SINK_TEXT, value=5)
    node.rpc("anvil_setStorageAt", SINK_TEXT, "0x1", SLOT)
    node.rpc("evm_increaseTime", 5_000)
    node.send(to=SINK_TEXT, value=6)
    node.rpc("evm_setAutomine", False)
    node.send(to=SINK_TEXT, value=7)
    return node.rpc("anvil_dumpState"), look(node)


def test_a_dump_restores_everything(node: Node, dumped: tuple[str, Any]) -> None:
    state, seen = dumped
    snapshot = node.rpc("evm_snapshot")
    node.rpc("evm_mine")
    node.rpc("evm_setAutomine", True)
    node.send(to=SINK_TEXT, value=8)
    set_code(node, contracts.COUNTER)

    assert node.rpc("anvil_loadState", state) is True
    assert look(node) == seen
    assert node.rpc("evm_revert", snapshot) is False
    node.rpc("evm_mine")
    assert node.rpc("eth_getBalance", SINK_TEXT, "latest") == hex(5 + 6 + 7)
    block = node.rpc("eth_getBlockByNumber", "latest", False)
    assert 5_000 <= int(block["timestamp"], 16) - GENESIS_TIME < 6_000


def test_a_dump_is_loaded_by_another_chain_and_survives_its_restart(tmp_path: Path, dumped: tuple[str, Any]) -> None:
    state, seen = dumped
    config = DevChainConfig(folder=tmp_path, timestamp=GENESIS_TIME + 77)
    other = Node(config)
    other.send(to=SINK_TEXT, value=1)
    other.rpc("hardhat_loadState", state)
    assert look(other) == seen
    other.dev.chain.close()

    again = Node(config)
    assert look(again) == seen
    assert again.rpc("anvil_dumpState") == state
    again.dev.chain.close()


def test_sections_of_others_do_not_matter(node: Node, dumped: tuple[str, Any]) -> None:
    state, seen = dumped
    sections = decode_state(bytes.fromhex(state[2:])) | {"wallet": {"sessions": []}}
    other = Node()
    other.rpc("anvil_loadState", encode_state(sections))

    assert look(other) == seen


def _change(sections: Any, **fields: Any) -> Any:
    return {**sections, "chain": {**sections["chain"], **fields}}


def _change_rows(sections: Any, **rows: Any) -> Any:
    return _change(sections, rows={**sections["chain"]["rows"], **rows})


WRONG: dict[str, Callable[[Any], Any]] = {
    "no gzip": lambda _: b"\x12\x34",
    "cut gzip": lambda sections: gzip.compress(json.dumps(sections).encode())[:-20],
    "no JSON": lambda _: b"{",
    "a list": lambda _: b"[]",
    "no accounts": lambda _: b"{}",
    "half an account": lambda _: b'{"accounts": {"0x' + b"11" * 20 + b'": {"nonce": 1}}}',
    "a huge nonce": lambda _: json.dumps(
        {"accounts": {"0x" + "11" * 20: {"nonce": 1 << 64, "balance": "0x0", "code": "0x", "storage": {}}}}
    ).encode(),
    "another format": lambda sections: _change(sections, format=2),
    "another chain": lambda sections: _change(sections, identity="chain 1"),
    "no clock": lambda sections: _change(sections, clockOffset=None),
    "no settings": lambda sections: _change(sections, node="{}"),
    "another genesis": lambda sections: _change(sections, genesis="00"),
    "no rows": lambda sections: _change(sections, rows=[]),
    "no blocks": lambda sections: _change_rows(sections, blocks=[]),
    "a lost block": lambda sections: _change_rows(sections, blocks=sections["chain"]["rows"]["blocks"][1:2]),
    "a lost version": lambda sections: _change_rows(sections, versions=sections["chain"]["rows"]["versions"][1:]),
    "a block of an unknown version": lambda sections: _change_rows(
        sections,
        blocks=[*sections["chain"]["rows"]["blocks"][:-1], [1 << 40, sections["chain"]["rows"]["blocks"][-1][1]]],
    ),
    "a wrong block": lambda sections: _change_rows(sections, blocks=[[0, "c0"]]),
    "a long row": lambda sections: _change_rows(sections, changes=[[0, "00", "00", "00"]]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_dump_changes_nothing(node: Node, kind: str) -> None:
    node.send(to=SINK_TEXT, value=5)
    state = node.rpc("anvil_dumpState")
    seen = look(node)
    given = WRONG[kind](decode_state(bytes.fromhex(state[2:])))
    data = given if isinstance(given, bytes) else json.dumps(given).encode()
    found = failure(node, "anvil_loadState", "0x" + data.hex())

    assert (found.code, found.message.split(":")[0]) == (-32602, "params.state")
    assert look(node) == seen
    node.send(to=SINK_TEXT, value=5)
    assert node.rpc("eth_getBalance", SINK_TEXT, "latest") == "0xa"


def test_a_dump_that_unpacks_to_too_much_is_rejected(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "MAX_STATE_BYTES", 1_000)
    bomb = gzip.compress(b" " * 100_000 + b"{}")

    assert "at most 1000 bytes" in failure(node, "anvil_loadState", "0x" + bomb.hex()).message


def test_a_dump_with_too_many_values_is_neither_written_nor_read(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    state = node.rpc("anvil_dumpState")
    monkeypatch.setattr(state_file, "MAX_STATE_VALUES", 10)

    assert "250000 values" in failure(node, "anvil_loadState", state).message
    assert failure(node, "anvil_dumpState").data["reason"] == "state_too_large"


@pytest.fixture
def pair(chains: Pair) -> Iterator[Pair]:
    with chains.revert_changes():
        yield chains


def test_anvil_and_this_chain_load_each_others_accounts(pair: Pair) -> None:
    for chain in (pair.anvil, pair.embedded):
        chain("anvil_setStorageAt", SINK_TEXT, "0x1", SLOT)
        chain("anvil_setCode", SINK_TEXT, "0x6001")
        chain("anvil_setNonce", SINK_TEXT, "0x9")
    states = pair.both("anvil_dumpState")
    for load, state in ((pair.embedded, states[0]), (pair.anvil, states[1])):
        load("anvil_setBalance", SINK_TEXT, "0x5")
        load("anvil_setStorageAt", SINK_TEXT, "0x1", "0x" + "00" * 32)
        load("anvil_setNonce", SINK_TEXT, "0x0")
        assert load("anvil_loadState", state) is True
        assert load("eth_getBalance", SINK_TEXT, "latest") == "0x0"
        assert load("eth_getStorageAt", SINK_TEXT, "0x1", "latest") == SLOT
        assert load("eth_getCode", SINK_TEXT, "latest") == "0x6001"
        assert load("eth_getTransactionCount", SINK_TEXT, "latest") == "0x9"


def test_dumps_are_of_one_chain_id(node: Node) -> None:
    state = node.rpc("anvil_dumpState")
    other = Node(DevChainConfig(chain_id=5, timestamp=GENESIS_TIME))
    with closing(other.dev.chain):
        assert "chain 5" in failure(other, "anvil_loadState", state).message
    assert node.dev.chain.balance(ALICE.address) == node.dev.chain.balance(BOB.address)
