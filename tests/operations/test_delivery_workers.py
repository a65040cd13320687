"""Workers that deliver sent calls: leases, dead processes, bugs, unavailable dependencies, and restored entries."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.waiting import until
from tests.operations.conftest import WalletFixture, call_id_of
from tests.support.constants import FRIEND
from wallet_rpc.adapters.redis_outbox import SHARDS
from wallet_rpc.domain.prepared import parse_call_id
from wallet_rpc.errors import LimitExceeded, OutcomeUnknown, Rejected, Unavailable
from wallet_rpc.primitives import Data
from wallet_rpc.services.call_records import take_lease

CALL = {"to": FRIEND}
GARBAGE = OutcomeUnknown("the bundler returned a malformed response", part="bundler")
AWAY = Unavailable("the bundler does not answer", part="bundler")
REFUSAL = Rejected("precheck failed", reason="too_low")
THROTTLED = LimitExceeded("the bundler throttles this account", reason="throttled")


async def test_a_call_that_the_bundler_lost_before_its_inclusion_is_delivered_again(wallet: WalletFixture) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.work(after=15)
    assert wallet.mempool.sent == 1, "the bundler still has it"

    wallet.mempool.drop()
    assert (await wallet.details(call_id))["pendingReason"]["reason"] == "dropped"
    await wallet.work(after=30)
    assert wallet.mempool.sent == 2
    await wallet.mempool.mine()
    await wallet.work(after=30)

    wallet.mempool.is_silent = True
    assert await wallet.status(call_id) == 200
    assert await wallet.work(after=30) == 0, "a final call is not worked on"


async def test_a_call_is_delivered_again_as_long_as_the_bundler_loses_it(wallet: WalletFixture) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    for attempts in range(2, 12):
        wallet.mempool.drop()
        await wallet.work(after=40)
        assert (await wallet.details(call_id))["attempts"] == wallet.mempool.sent == attempts
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


async def test_a_call_whose_process_died_while_it_submitted_is_delivered_by_a_worker(wallet: WalletFixture) -> None:
    wallet.mempool.resume = asyncio.Event()
    prepared = await wallet.prepare(CALL)
    sending = asyncio.create_task(wallet.send(prepared, wallet.owner))
    await wallet.mempool.is_waiting.wait()
    for task in (sending, *wallet.ports.background):
        task.cancel()
    await asyncio.gather(sending, *wallet.ports.background, return_exceptions=True)
    wallet.mempool.drop()
    wallet.mempool.resume = None

    assert await wallet.work(after=9) == 0, "its lease has not ended"
    assert await wallet.state(call_id_of(prepared)) == "submitting"
    await wallet.work(after=1)
    assert await wallet.state(call_id_of(prepared)) == "submitted"
    await wallet.mempool.mine()
    assert await wallet.status(call_id_of(prepared)) == 200


async def test_workers_survive_dependencies_that_do_not_answer(wallet: WalletFixture) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.mempool.drop()
    working = wallet.ports

    class Away:
        def __getattr__(self, _: str) -> Any:
            async def fail(*_: Any, **__: Any) -> Any:
                raise Unavailable("the node does not answer", part="node")

            return fail

    wallet.change_chain(node=Away())
    await wallet.work(after=15)
    with pytest.raises(Unavailable):
        await wallet.status(call_id)
    wallet.ports = working
    await wallet.work(after=60)
    await wallet.mempool.mine()
    assert (await wallet.status(call_id), wallet.reports.failures) == (200, [])


async def test_a_bug_on_one_call_is_reported_and_stops_no_other(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    other = await wallet.send(await wallet.prepare(CALL, nonceOverride={"nonceKey": "0x7"}), wallet.owner)
    wallet.mempool.drop()
    lookup = wallet.mempool.lookup

    async def fail_on_first(operation_hash: Any) -> Any:
        if first.endswith(operation_hash.hex()):
            raise ZeroDivisionError
        return await lookup(operation_hash)

    with monkeypatch.context() as patch:
        patch.setattr(wallet.mempool, "lookup", fail_on_first)
        await wallet.work(after=15)
        assert [type(failure) for failure in wallet.reports.failures] == [ZeroDivisionError]
    await wallet.mempool.mine()
    assert [await wallet.status(call_id) for call_id in (first, other)] == [100, 200]


async def test_two_workers_deliver_a_call_once(wallet: WalletFixture) -> None:
    await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.mempool.drop()
    wallet.clock.ahead_seconds += 15
    await asyncio.gather(*(wallet.workers.run_once() for _ in range(4)))
    assert wallet.mempool.sent == 2


async def test_a_worker_leaves_calls_of_other_chains_to_other_replicas(
    wallet: WalletFixture,
) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.mempool.drop()
    ports = wallet.ports
    wallet.ports = replace(ports, chains={})
    assert await wallet.work(after=15) == 1
    assert wallet.mempool.sent == 1
    wallet.ports = ports
    await wallet.work(after=30)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


async def test_the_loop_of_the_workers_survives_a_bug_and_ends_when_it_is_stopped(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.mempool.drop()
    wallet.clock.ahead_seconds += 15
    workers, take, failed = wallet.workers, wallet.store.outbox.take, asyncio.Event()

    async def fail_once(**times: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError
        return await take(**times)

    monkeypatch.setattr(wallet.store.outbox, "take", fail_once)
    running = asyncio.create_task(workers.run())
    await until(lambda: _is_delivered_again(wallet))
    workers.stop()
    await running
    await workers.finish_running()
    assert [type(failure) for failure in wallet.reports.failures] == [ZeroDivisionError]
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


async def _is_delivered_again(wallet: WalletFixture) -> bool:
    return wallet.mempool.sent == 2


async def test_a_lease_goes_to_one_of_several_processes(wallet: WalletFixture) -> None:
    wallet.mempool.fails, wallet.mempool.is_blind = [AWAY], True
    chain_id, name = parse_call_id(Data.parse(await wallet.send(await wallet.prepare(CALL), wallet.owner)))
    record = await wallet.store.calls.get(chain_id, name)
    assert record is not None
    leases = await asyncio.gather(*(take_lease(wallet.ports, record) for _ in range(6)))
    (leased,) = [one for one in leases if one is not None]
    assert await take_lease(wallet.ports, leased) is None
    wallet.clock.ahead_seconds += 10
    assert await take_lease(wallet.ports, leased) is not None


async def test_a_refusal_after_an_abandoned_attempt_rejects_nothing(wallet: WalletFixture) -> None:
    """The process died while it submitted: the bundler may have the call, so a later refusal is no proof."""
    wallet.mempool.resume = asyncio.Event()
    prepared = await wallet.prepare(CALL)
    sending = asyncio.create_task(wallet.send(prepared, wallet.owner))
    await wallet.mempool.is_waiting.wait()
    for task in (sending, *wallet.ports.background):
        task.cancel()
    await asyncio.gather(sending, *wallet.ports.background, return_exceptions=True)
    wallet.mempool.drop()
    wallet.mempool.resume = None
    wallet.mempool.fails, wallet.mempool.is_blind = [REFUSAL], True
    await wallet.work(after=10)
    assert await wallet.state(call_id_of(prepared)) == "unknown"
    assert await wallet.status(call_id_of(prepared)) == 100


async def test_a_worker_leaves_a_call_to_the_process_with_its_lease(wallet: WalletFixture) -> None:
    wallet.mempool.fails, wallet.mempool.is_blind = [AWAY], True
    chain_id, name = parse_call_id(Data.parse(await wallet.send(await wallet.prepare(CALL), wallet.owner)))
    wallet.mempool.drop()
    wallet.clock.ahead_seconds += 2
    record = await wallet.store.calls.get(chain_id, name)
    assert record is not None
    assert await take_lease(wallet.ports, record) is not None
    assert await wallet.work() == 1
    assert wallet.mempool.sent == 1
    await wallet.work(after=10)
    assert wallet.mempool.sent == 2


async def test_an_old_call_is_looked_at_less_and_less_often(wallet: WalletFixture) -> None:
    await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.clock.ahead_seconds += 7 * 86_400
    for _ in range(20):
        wallet.mempool.drop()
        wallet.mempool.fails = [REFUSAL]
        await wallet.work(after=40)
    assert wallet.mempool.sent <= 3


async def test_missing_entries_are_restored_when_the_workers_start(wallet: WalletFixture) -> None:
    await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.mempool.drop()
    wallet.clock.ahead_seconds += 10
    for shard in range(SHARDS):
        await wallet.store.outbox._link.command("DEL", wallet.store.outbox.schedule_key(shard))
    workers = wallet.workers
    running = asyncio.create_task(workers.run())
    await until(lambda: _is_delivered_again(wallet))
    workers.stop()
    await running
    await workers.finish_running()
