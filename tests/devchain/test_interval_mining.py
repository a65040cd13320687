"""Blocks that are mined automatically at an interval, in the chain's process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import set_code
from tests.devchain.sample import SINK, Node
from tests.devchain.test_process import rpc, send
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.node import READ_METHODS
from wallet_rpc.devchain.process import ChainProcess
from wallet_rpc.primitives import Address

SINK_TEXT = SINK.hex0x()


async def wait_for_height(chain: ChainProcess, height: int) -> None:
    reached = -1
    while reached < height:
        await asyncio.sleep(0.05)
        reached = int(await rpc(chain, "eth_blockNumber"), 16)


@pytest.mark.anyio
async def test_blocks_are_mined_at_an_interval_also_after_a_restart(tmp_path: Path) -> None:
    config = DevChainConfig(folder=tmp_path)
    chain = await ChainProcess.start(config)
    try:
        await rpc(chain, "evm_setIntervalMining", 1)
        identity = await send(chain, 5)
        assert await rpc(chain, "eth_getTransactionReceipt", identity) is None
        await wait_for_height(chain, 2)
        assert (await rpc(chain, "eth_getTransactionReceipt", identity))["blockNumber"] == "0x1"
    finally:
        await chain.stop()
    chain = await ChainProcess.start(config)
    try:
        assert await rpc(chain, "anvil_getIntervalMining") == 1
        height = int(await rpc(chain, "eth_blockNumber"), 16)
        await wait_for_height(chain, height + 1)
        await rpc(chain, "evm_setAutomine", True)
        assert await rpc(chain, "anvil_getIntervalMining") is None
        assert (await rpc(chain, "eth_getTransactionReceipt", await send(chain, 6))) is not None
    finally:
        await chain.stop()


def test_reads_of_a_pending_block_with_transactions_are_no_reads(node: Node) -> None:
    def is_read(*params: Any) -> bool:
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": params}
        return node.dispatcher.calls_only(READ_METHODS, json.dumps([body]).encode())

    assert is_read("pending", False)
    node.rpc("evm_setAutomine", False)
    node.send(to=SINK_TEXT)

    assert is_read("latest", False)
    assert not is_read("pending", False)
    assert not is_read({"nested": ["PENDING"]})


def test_a_transaction_that_takes_too_long_does_not_stop_mining(node: Node) -> None:
    node.dev.chain.limit.seconds = 0.2
    endless = set_code(node, bytes.fromhex("5b5f56"))
    node.rpc("evm_setAutomine", False)
    slow = node.send(to=endless, gas=50_000_000)
    node.rpc("evm_setBlockGasLimit", hex(60_000_000))
    counter = Address(b"\xc1" * 20).hex0x()
    node.rpc("anvil_setCode", counter, "0x" + contracts.COUNTER.hex())
    later = node.send(to=counter, nonce=1)
    node.dispatcher.mine()

    assert node.receipt(slow) is None
    assert node.rpc("eth_getTransactionByHash", slow) is None
    assert node.rpc("txpool_status") == {"pending": "0x0", "queued": "0x1"}
    first = node.send(to=SINK_TEXT, nonce=0)
    node.dispatcher.mine()
    assert [node.receipt(identity)["transactionIndex"] for identity in (first, later)] == ["0x0", "0x1"]
