"""Automatic mining off: the mempool, blocks of several transactions, and the settings of the next blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import failure, set_code
from tests.devchain.sample import ALICE, BOB, GENESIS_TIME, SINK, Actor, Node, transfer
from wallet_rpc.devchain import mempool
from wallet_rpc.devchain.admission import read_transaction
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.devchain.mempool import Mempool

ALICE_TEXT, BOB_TEXT, SINK_TEXT = ALICE.address.hex0x(), BOB.address.hex0x(), SINK.hex0x()
GWEI = 10**9


@pytest.fixture
def paused(node: Node) -> Node:
    """A chain that mines on demand only."""
    node.rpc("evm_setAutomine", False)
    return node


def pay(node: Node, sender: str = ALICE_TEXT, **fields: Any) -> str:
    return str(node.rpc("eth_sendTransaction", {"from": sender, "to": SINK_TEXT, "value": "0x1", **fields}))


def latest(node: Node) -> Any:
    return node.rpc("eth_getBlockByNumber", "latest", False)


def status(node: Node) -> tuple[int, int]:
    found = node.rpc("txpool_status")
    return int(found["pending"], 16), int(found["queued"], 16)


def test_waiting_transactions_are_mined_together(paused: Node) -> None:
    counter = set_code(paused, contracts.TWO_LOGS)
    sent = [pay(paused), pay(paused, BOB_TEXT, to=counter), pay(paused, to=counter)]
    assert [paused.receipt(identity) for identity in sent] == [None] * 3
    pending = paused.rpc("eth_getBlockByNumber", "pending", True)
    paused.rpc("anvil_mine")
    block = paused.rpc("eth_getBlockByNumber", "latest", True)
    receipts = [paused.receipt(identity) for identity in sent]

    assert (
        [each["hash"] for each in block["transactions"]] == sent == [each["hash"] for each in pending["transactions"]]
    )
    assert [each["transactionIndex"] for each in receipts] == ["0x0", "0x1", "0x2"]
    total = 0
    for receipt in receipts:
        total += int(receipt["gasUsed"], 16)
        assert (receipt["cumulativeGasUsed"], receipt["blockHash"]) == (hex(total), block["hash"])
    assert block["gasUsed"] == hex(total) == pending["gasUsed"]
    logs = paused.rpc("eth_getLogs", {"blockHash": block["hash"]})
    assert [log["logIndex"] for log in logs] == ["0x0", "0x1", "0x2", "0x3"]
    assert [log for receipt in receipts for log in receipt["logs"]] == logs
    assert paused.rpc("eth_getTransactionByBlockNumberAndIndex", "latest", "0x2")["hash"] == sent[2]
    assert paused.rpc("eth_getBlockReceipts", "latest") == receipts
    assert status(paused) == (0, 0)


def test_the_pending_state_includes_the_waiting_transactions(paused: Node) -> None:
    counter = set_code(paused, contracts.COUNTER)
    for _ in range(2):
        pay(paused, to=counter, value="0x0")
    pay(paused, value="0x7")

    assert paused.rpc("eth_getStorageAt", counter, "0x0", "pending")[-1] == "2"
    assert paused.rpc("eth_getStorageAt", counter, "0x0", "latest")[-1] == "0"
    assert paused.rpc("eth_getBalance", SINK_TEXT, "pending") == "0x7"
    assert paused.rpc("eth_getTransactionCount", ALICE_TEXT, "pending") == "0x3"
    assert paused.rpc("eth_getTransactionCount", ALICE_TEXT, "latest") == "0x0"


def test_a_gap_of_nonces_is_filled_before_the_later_transaction_is_mined(node: Node) -> None:
    later = pay(node, nonce="0x1")
    assert (status(node), node.receipt(later)) == ((0, 1), None)
    first = pay(node, nonce="0x0")

    assert node.receipt(first)["blockHash"] == node.receipt(later)["blockHash"]
    assert status(node) == (0, 0)
    assert failure(node, "eth_sendRawTransaction", node.sign(to=SINK_TEXT, nonce=0)).message.startswith("nonce too low")


def test_transactions_with_higher_fees_come_first_and_a_senders_in_order(paused: Node) -> None:
    cheap = pay(paused, maxFeePerGas=hex(2 * GWEI))
    rich = pay(paused, maxFeePerGas=hex(9 * GWEI))
    middle = pay(paused, BOB_TEXT, maxFeePerGas=hex(5 * GWEI))
    paused.rpc("evm_mine")

    assert latest(paused)["transactions"] == [middle, cheap, rich]


def test_a_replacement_must_pay_more(paused: Node) -> None:
    replaced = pay(paused, nonce="0x0")
    message = failure(
        paused, "eth_sendTransaction", {"from": ALICE_TEXT, "to": BOB_TEXT, "nonce": "0x0", "maxFeePerGas": hex(GWEI)}
    ).message
    assert message == "replacement transaction underpriced"
    better = pay(paused, nonce="0x0", maxFeePerGas=hex(8 * GWEI))
    paused.rpc("evm_mine")

    assert latest(paused)["transactions"] == [better]
    assert paused.rpc("eth_getTransactionByHash", replaced) is None


def test_a_full_block_leaves_the_rest_for_the_next(paused: Node) -> None:
    paused.rpc("evm_setBlockGasLimit", hex(50_000))
    sent = [pay(paused, gas=hex(21_000)) for _ in range(3)]
    blocks = []
    for _ in range(2):
        paused.rpc("evm_mine")
        blocks.append(latest(paused))

    assert [block["transactions"] for block in blocks] == [sent[:2], sent[2:]]
    assert {block["gasLimit"] for block in blocks} == {hex(50_000)}


def test_a_transaction_that_became_invalid_is_dropped(paused: Node) -> None:
    poor = pay(paused)
    rich = pay(paused, BOB_TEXT)
    paused.rpc("anvil_setBalance", ALICE_TEXT, "0x0")
    paused.rpc("evm_mine")

    assert latest(paused)["transactions"] == [rich]
    assert paused.rpc("eth_getTransactionByHash", poor) is None
    assert status(paused) == (0, 0)


def test_dropped_transactions_are_not_mined(paused: Node) -> None:
    sent = [pay(paused), pay(paused, BOB_TEXT), pay(paused, nonce="0x7")]

    assert paused.rpc("anvil_dropTransaction", sent[0]) == sent[0]
    assert paused.rpc("anvil_dropTransaction", sent[0]) is None
    assert status(paused) == (1, 1)
    paused.rpc("anvil_removePoolTransactions", ALICE_TEXT)
    assert status(paused) == (1, 0)
    paused.rpc("anvil_dropAllTransactions")
    paused.rpc("evm_mine")
    assert latest(paused)["transactions"] == []


def test_the_mempool_is_bounded(paused: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mempool, "MAX_POOL_TRANSACTIONS", 2)
    pay(paused)
    pay(paused)
    assert failure(paused, "eth_sendTransaction", {"from": ALICE_TEXT, "to": BOB_TEXT}).message.startswith(
        "txpool is full"
    )
    monkeypatch.setattr(mempool, "MAX_POOL_TRANSACTIONS", 9)
    monkeypatch.setattr(mempool, "MAX_POOL_BYTES", 1_000)
    large = {"from": ALICE_TEXT, "to": BOB_TEXT, "data": "0x" + "11" * 800}
    assert failure(paused, "eth_sendTransaction", large).message.startswith("txpool is full")
    assert status(paused) == (2, 0)


def test_recorded_hashes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mempool, "MAX_RECENT_HASHES", 3)
    pool = Mempool()
    sent = read_transaction(bytes.fromhex(Node().sign(to=SINK_TEXT)[2:]))
    for number in range(5):
        pool.record(replace(sent, hash=bytes([number])))

    assert pool.recorded_since(0) == [b"\x02", b"\x03", b"\x04"]
    assert pool.recorded_since(4) == [b"\x04"]
    assert pool.recorded_since(5) == []


def test_a_revert_restores_mempool_and_settings(paused: Node) -> None:
    kept = pay(paused)
    paused.rpc("anvil_impersonateAccount", SINK_TEXT)
    paused.rpc("anvil_setNextBlockBaseFeePerGas", hex(3 * GWEI))
    snapshot = paused.rpc("evm_snapshot")
    paused.rpc("evm_mine")
    paused.rpc("anvil_stopImpersonatingAccount", SINK_TEXT)
    pay(paused, BOB_TEXT)
    paused.rpc("evm_setAutomine", True)

    assert paused.rpc("evm_revert", snapshot) is True
    assert (status(paused), paused.rpc("anvil_getAutomine")) == ((1, 0), False)
    assert paused.rpc("eth_getTransactionByHash", kept)["blockHash"] is None
    paused.rpc("anvil_setBalance", SINK_TEXT, hex(10**18))
    own = pay(paused, SINK_TEXT, maxFeePerGas=hex(4 * GWEI))
    paused.rpc("anvil_dropTransaction", kept)
    paused.rpc("evm_mine")
    block = latest(paused)
    assert (block["transactions"], block["baseFeePerGas"]) == ([own], hex(3 * GWEI))


def test_mempool_and_settings_survive_a_restart(tmp_path: Path) -> None:
    config = DevChainConfig(folder=tmp_path, timestamp=GENESIS_TIME)
    node = Node(config)
    node.rpc("evm_setAutomine", False)
    node.rpc("anvil_autoImpersonateAccount", True)
    node.rpc("anvil_setBalance", SINK_TEXT, hex(10**18))
    node.rpc("anvil_setCoinbase", BOB_TEXT)
    sent = [pay(node), pay(node, SINK_TEXT), pay(node, nonce="0x5")]
    content = node.rpc("txpool_content")
    node.dev.chain.close()
    again = Node(config)

    assert again.rpc("txpool_content") == content
    again.rpc("evm_mine")
    assert latest(again)["transactions"] == sent[:2]
    assert latest(again)["miner"] == BOB_TEXT.lower()
    again.dev.chain.close()
    mined = Node(config)
    assert latest(mined)["transactions"] == sent[:2]
    assert mined.receipt(sent[1])["from"] == SINK_TEXT
    assert status(mined) == (0, 1)
    mined.dev.chain.close()


def test_a_user_operation_waits_for_its_block(node: Node, actor: Actor) -> None:
    actor.send([transfer(TEST_TOKEN, SINK, 1)])
    node.rpc("evm_setAutomine", False)

    assert actor.send([transfer(TEST_TOKEN, SINK, 2)]) is None
    assert status(node) == (1, 0)
    node.rpc("evm_mine")
    balance = {"to": TEST_TOKEN.hex0x(), "data": "0x70a08231" + "00" * 12 + SINK.hex()}
    assert int(node.rpc("eth_call", balance, "latest"), 16) == 3


def test_the_base_fee_is_chosen_for_one_block(node: Node) -> None:
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(5 * GWEI))
    assert node.rpc("eth_gasPrice") == hex(6 * GWEI)
    assert node.rpc("eth_feeHistory", "0x1", "latest")["baseFeePerGas"] == [hex(GWEI), hex(5 * GWEI)]
    assert "base fee" in failure(node, "eth_sendRawTransaction", node.sign(to=SINK_TEXT)).message
    receipt = node.receipt(pay(node))
    assert receipt["effectiveGasPrice"] == hex(6 * GWEI)
    node.rpc("evm_mine")
    assert [node.rpc("eth_getBlockByNumber", tag, False)["baseFeePerGas"] for tag in ("0x1", "0x2")] == [
        hex(5 * GWEI),
        hex(GWEI),
    ]


def test_fees_at_percentiles_count_the_gas_of_each_transaction(paused: Node) -> None:
    for tip in (4, 2, 3):
        pay(paused, maxFeePerGas=hex(9 * GWEI), maxPriorityFeePerGas=hex(tip * GWEI))
    paused.rpc("evm_mine")

    assert paused.rpc("eth_feeHistory", "0x1", "latest", [0, 30, 50, 100])["reward"] == [
        [hex(tip * GWEI) for tip in (2, 2, 3, 4)]
    ]


def test_a_reset_returns_to_the_first_block(node: Node) -> None:
    first = latest(node)
    pay(node)
    node.rpc("evm_setAutomine", False)
    pay(node)
    snapshot = node.rpc("evm_snapshot")
    node.rpc("evm_increaseTime", 5_000)
    node.rpc("anvil_reset")

    assert latest(node) == first
    assert (status(node), node.rpc("anvil_getAutomine"), node.rpc("evm_revert", snapshot)) == ((0, 0), True, False)
    assert node.rpc("eth_getBalance", SINK_TEXT, "latest") == "0x0"
    pay(node)
    assert int(latest(node)["timestamp"], 16) < GENESIS_TIME + 1_000
    past = Node(DevChainConfig(timestamp=1_700_000_000))
    past.rpc("anvil_reset")
    pay(past)
    assert int(latest(past)["timestamp"], 16) < 1_700_001_000
    with_url = {"forking": {"jsonRpcUrl": "http://127.0.0.1:1"}}
    assert "no fork" in failure(node, "anvil_reset", with_url).message


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("evm_setAutomine", "yes"),
        ("evm_setAutomine", 1),
        ("evm_setIntervalMining", -1),
        ("evm_setIntervalMining", hex(1 << 64)),
        ("anvil_setBlockTimestampInterval", "x"),
        ("evm_setBlockGasLimit", hex(1 << 63)),
        ("anvil_setMinGasPrice", "0x1"),
        ("anvil_impersonateAccount", "0x12"),
        ("anvil_dropTransaction", "0x12"),
    ],
)
def test_malformed_settings_are_rejected(node: Node, method: str, given: Any) -> None:
    settings = node.dev.chain.settings

    assert failure(node, method, given).code == -32602
    assert node.dev.chain.settings == settings
