"""The embedded chain against anvil: the same mempool and the same blocks of several transactions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS
from tests.devchain.sample import ALICE, BOB, SINK
from tests.devchain.side_by_side import Pair

ALICE_TEXT, BOB_TEXT, SINK_TEXT = ALICE.address.hex0x(), BOB.address.hex0x(), SINK.hex0x()
PRICE, BASE = hex(2 * 10**9), 10**9
ONE = "0x" + (1).to_bytes(32).hex()


@pytest.fixture
def paused(chains: Pair) -> Iterator[Pair]:
    """Both chains without automatic mining."""
    with chains.revert_changes():
        chains.both("evm_setAutomine", False)
        yield chains
        chains.both("anvil_dropAllTransactions")
        chains.both("evm_setAutomine", True)


def test_a_block_of_several_transactions_is_the_same(paused: Pair) -> None:
    paused.both("anvil_setCode", CODE_ADDRESS, "0x" + contracts.TWO_LOGS.hex())
    common = {"gas": "0xc350", "maxFeePerGas": PRICE, "maxPriorityFeePerGas": hex(BASE)}
    for sender, to, nonce in (
        (ALICE_TEXT, CODE_ADDRESS, 0),
        (BOB_TEXT, CODE_ADDRESS, 0),
        (ALICE_TEXT, CODE_ADDRESS, 1),
        (ALICE_TEXT, SINK_TEXT, 9),
    ):
        request = {"from": sender, "to": to, "nonce": hex(nonce), "data": ONE, **common}
        expected, actual = paused.both("eth_sendTransaction", request)
        assert actual == expected
    for method in ("txpool_status", "txpool_inspect", "txpool_content"):
        expected, actual = paused.both(method)
        assert actual == expected, method
    for tag in ("pending", "latest"):
        expected, actual = paused.both("eth_getBlockByNumber", tag, False)
        assert len(actual["transactions"]) == 3
        for field in ("transactions", "transactionsRoot", "receiptsRoot", "logsBloom", "gasUsed"):
            assert actual[field] == expected[field], field
        if tag == "pending":
            paused.both("evm_mine")
