"""The end of a server that delivers calls: running attempts end within the drain's time, or other replicas go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.operations.conftest import WalletFixture
from tests.support.constants import FRIEND
from wallet_rpc.call_delivery import run_delivery
from wallet_rpc.edge.drain import Drain, set_current_drain
from wallet_rpc.services import submission

CALL = {"to": FRIEND}


@pytest.fixture(autouse=True)
async def fresh_drain() -> AsyncIterator[None]:
    """Leave no drain that has begun to other tests."""
    yield
    use_drain()


def use_drain() -> Drain:
    """Set the drain of this task, and return it."""
    drain = Drain()
    set_current_drain(drain)
    return drain


async def test_the_end_waits_for_an_attempt_that_outlives_its_request(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "FIRST_ATTEMPT_SECONDS", 0.05)
    wallet.mempool.resume, wallet.mempool.is_blind = asyncio.Event(), True
    prepared = await wallet.prepare(CALL)
    async with run_delivery(wallet.ports, wallet.store):
        call_id = await wallet.send(prepared, wallet.owner)
        assert await wallet.state(call_id) == "submitting"
        asyncio.get_running_loop().call_later(0.2, wallet.mempool.resume.set)
    assert await wallet.state(call_id) == "submitted"


async def test_an_attempt_that_the_end_cuts_is_taken_over(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "FIRST_ATTEMPT_SECONDS", 0.05)
    drain = use_drain()
    wallet.mempool.resume, wallet.mempool.is_blind = asyncio.Event(), True
    prepared = await wallet.prepare(CALL)
    async with run_delivery(wallet.ports, wallet.store):
        call_id = await wallet.send(prepared, wallet.owner)
        drain.begin(asyncio.get_running_loop().time() + 0.2)
    assert (await wallet.state(call_id), wallet.ports.background) == ("submitting", set())

    wallet.mempool.drop()
    wallet.mempool.resume = None
    await wallet.work(after=10)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


async def test_workers_deliver_while_the_server_runs_and_take_nothing_once_it_drains(wallet: WalletFixture) -> None:
    drain = use_drain()
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.mempool.drop()
    wallet.clock.ahead_seconds += 10
    async with run_delivery(wallet.ports, wallet.store):
        async with asyncio.timeout(10):
            while wallet.mempool.sent < 2:  # noqa: ASYNC110  # the bundler has no event for it
                await asyncio.sleep(0.02)
        drain.begin(asyncio.get_running_loop().time() + 5)
        await asyncio.sleep(0.1)
        wallet.mempool.drop()
        wallet.clock.ahead_seconds += 60
        await asyncio.sleep(1)
    assert wallet.mempool.sent == 2
    await wallet.work(after=60)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200
