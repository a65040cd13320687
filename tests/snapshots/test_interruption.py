"""A chain whose process dies during a revert: requests fail until both states are changed, and then find them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from tests.contract.sample import ACCOUNT
from tests.contract.waiting import until
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.redis_undo import UndoLog
from wallet_rpc.chain_controls import CONTROL_METHODS, ChainControls, StateTurns
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.errors import InvalidRequest, Unavailable
from wallet_rpc.primitives import ChainId

CHAIN = ChainId(31337)
BALANCE = ["0x" + "ab" * 20, "latest"]


@pytest.fixture(scope="module")
async def chain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChainSupervisor]:
    config = DevChainConfig(chain_id=CHAIN, folder=tmp_path_factory.mktemp("chain"))
    running = await ChainSupervisor.start(config)
    yield running
    await running.stop()


async def ask(controls: ChainControls, method: str, *params: Any) -> Any:
    response = await controls.request({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    assert response is not None
    return response["result"]


async def is_stored(undo: UndoLog) -> bool:
    return await undo.read_request(CHAIN) is not None


async def is_usable(turns: StateTurns) -> bool:
    try:
        async with turns.share():
            return True
    except Unavailable:
        return False


async def test_a_revert_is_finished_after_the_end_of_the_chains_process(
    store: RedisStore, chain: ChainSupervisor
) -> None:
    undo, turns = store.undo_log([CHAIN]), StateTurns()
    await undo.load(keeps_snapshots=True)
    controls = ChainControls(CHAIN, chain, undo, turns)
    snapshot = await ask(controls, "evm_snapshot")
    await store.sessions.revoke(ACCOUNT, CHAIN, 7)
    await ask(controls, "anvil_setBalance", BALANCE[0], "0x5")
    os.kill(chain.process_id, signal.SIGSTOP)
    reverting = asyncio.create_task(ask(controls, "evm_revert", snapshot))
    await until(partial(is_stored, undo))
    os.kill(chain.process_id, signal.SIGKILL)
    with pytest.raises(Unavailable):
        await reverting
    await until(partial(is_usable, turns))
    assert await ask(controls, "eth_getBalance", *BALANCE) == "0x0"
    assert not await store.sessions.is_revoked(ACCOUNT, CHAIN, 7)
    assert await undo.read_request(CHAIN) is None
    assert await ask(controls, "evm_revert", snapshot) is False


async def test_a_cancelled_revert_is_made_completely(store: RedisStore, chain: ChainSupervisor) -> None:
    undo, turns = store.undo_log([CHAIN]), StateTurns()
    await undo.load(keeps_snapshots=True)
    controls = ChainControls(CHAIN, chain, undo, turns)
    snapshot = await ask(controls, "evm_snapshot")
    await store.sessions.revoke(ACCOUNT, CHAIN, 7)
    os.kill(chain.process_id, signal.SIGSTOP)
    reverting = asyncio.create_task(ask(controls, "evm_revert", snapshot))
    await until(partial(is_stored, undo))
    reverting.cancel()
    await asyncio.wait([reverting])
    assert await store.sessions.is_revoked(ACCOUNT, CHAIN, 7)
    os.kill(chain.process_id, signal.SIGCONT)
    async with turns.share():
        assert not await store.sessions.is_revoked(ACCOUNT, CHAIN, 7)
        assert not undo.has_snapshot(CHAIN, int(snapshot, 16))


async def test_work_that_outlives_its_request_ends_before_a_snapshot(store: RedisStore, chain: ChainSupervisor) -> None:
    undo, turns, ended = store.undo_log([CHAIN]), StateTurns(), asyncio.Event()
    controls = ChainControls(CHAIN, chain, undo, turns)
    delivery = asyncio.create_task(ended.wait())
    turns.background.add(delivery)
    delivery.add_done_callback(turns.background.discard)
    taking = asyncio.create_task(ask(controls, "evm_snapshot"))
    waiting = asyncio.create_task(turns.share().__aenter__())
    for _ in range(100):
        await asyncio.sleep(0)
    earlier = await chain.request({"jsonrpc": "2.0", "id": 1, "method": "evm_snapshot"})
    assert not waiting.done()
    ended.set()
    assert int(await taking, 16) == int(earlier["result"], 16) + 1
    await waiting


async def test_a_cluster_cannot_be_reverted(chain: ChainSupervisor) -> None:
    async with RedisStore.open("redis+cluster://127.0.0.1:1") as store:  # which is never asked
        undo = store.undo_log([CHAIN])
        await undo.load(keeps_snapshots=False)
        controls = ChainControls(CHAIN, chain, undo, StateTurns())
        await controls.recover()
        for method in CONTROL_METHODS:
            with pytest.raises(InvalidRequest, match=f"{method} changes the wallet's state too") as refused:
                await ask(controls, method)
            assert refused.value.reason == "state_in_cluster"
