"""Delivery of sent calls by workers: after lost, unreadable and late answers, over several bundlers, until final."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.waiting import until
from tests.operations.conftest import CHAIN, WalletFixture, call_id_of
from tests.operations.mempool import HeldMempool
from tests.support.constants import FRIEND
from wallet_rpc.errors import LimitExceeded, OutcomeUnknown, Rejected, Unavailable, WalletError
from wallet_rpc.services import submission

CALL = {"to": FRIEND}
GARBAGE = OutcomeUnknown("the bundler returned a malformed response", part="bundler")
AWAY = Unavailable("the bundler does not answer", part="bundler")
REFUSAL = Rejected("precheck failed", reason="too_low")
THROTTLED = LimitExceeded("the bundler throttles this account", reason="throttled")


def install_two_bundlers(wallet: WalletFixture) -> tuple[HeldMempool, HeldMempool]:
    """Have the wallet deliver to two bundlers; the first one is the fixture's."""
    second = HeldMempool(wallet.mempool.inner, CHAIN)
    wallet.change_chain(single_bundlers=(wallet.mempool, second))
    return wallet.mempool, second


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


async def test_copies_of_a_payload_get_one_id_at_once_also_of_an_installation(wallet: WalletFixture) -> None:
    for _ in range(5):
        grant = await wallet.grant_root()
        prepared = await wallet.prepare(CALL, permissions=grant.permissions)
        before = wallet.mempool.sent
        ids = await asyncio.gather(*(wallet.send(prepared, grant.key, grant.permissions) for _ in range(6)))
        assert set(ids) == {call_id_of(prepared)}
        assert wallet.mempool.sent == before + 1
        await wallet.mempool.mine()
        assert await wallet.send(prepared, grant.key, grant.permissions) == ids[0]
        assert await wallet.status(ids[0]) == 200


async def test_a_copy_that_is_checked_after_the_inclusion_gets_the_id(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy finds no record, then the first request is sent and included, then the copy reads the chain."""
    grant = await wallet.grant_root()
    prepared = await wallet.prepare(CALL, permissions=grant.permissions)
    found = submission.find_call

    async def find_then_include(*arguments: Any) -> Any:
        record = await found(*arguments)
        monkeypatch.undo()
        await wallet.send(prepared, grant.key, grant.permissions)
        await wallet.mempool.mine()
        return record

    monkeypatch.setattr("wallet_rpc.operations.send_prepared_calls.find_call", find_then_include)
    assert await wallet.send(prepared, grant.key, grant.permissions) == call_id_of(prepared)


async def test_a_request_waits_two_seconds_for_the_bundler_and_the_attempt_goes_on(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "FIRST_ATTEMPT_SECONDS", 0.05)
    wallet.mempool.resume = asyncio.Event()
    wallet.mempool.is_blind = True
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    assert await wallet.state(call_id) == "submitting"
    (attempt,) = wallet.ports.background

    wallet.mempool.resume.set()
    await attempt
    assert (await wallet.state(call_id), wallet.ports.background) == ("submitted", set())
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


async def test_a_refusal_after_the_answer_is_in_the_status(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "FIRST_ATTEMPT_SECONDS", 0.05)
    wallet.mempool.resume = asyncio.Event()
    wallet.mempool.fails = [REFUSAL]
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    (attempt,) = wallet.ports.background
    wallet.mempool.resume.set()
    await attempt

    wallet.mempool.drop()
    assert await wallet.status(call_id) == 400
    assert (await wallet.details(call_id))["error"]["message"] == REFUSAL.message


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


@pytest.mark.parametrize("failure", [GARBAGE, AWAY, THROTTLED])
async def test_a_bundler_that_fails_at_the_send_does_not_block_the_payload(
    wallet: WalletFixture, failure: WalletError
) -> None:
    wallet.mempool.fails = [failure]
    wallet.mempool.is_blind = True
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    wallet.mempool.drop()
    wallet.mempool.is_blind = False
    assert await wallet.send(prepared, wallet.owner) == call_id
    data = await wallet.details(call_id)
    assert (data["attempts"], data["pendingReason"]["cause"]) == (1, failure.reason)
    await wallet.work(after=2)
    assert wallet.mempool.sent == 2
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


@pytest.mark.parametrize("failure", [GARBAGE, AWAY, THROTTLED, REFUSAL])
async def test_the_next_bundler_gets_the_call_at_once(wallet: WalletFixture, failure: WalletError) -> None:
    first, second = install_two_bundlers(wallet)
    first.fails, first.is_blind = [failure], True
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    assert (first.sent, second.sent, await wallet.state(call_id)) == (1, 1, "submitted")


async def test_a_call_is_rejected_only_if_every_bundler_refused_it(wallet: WalletFixture) -> None:
    first, second = install_two_bundlers(wallet)
    first.fails, second.fails = [REFUSAL], [AWAY]
    first.is_blind = second.is_blind = True
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    for mempool in (first, second):
        mempool.drop()
        mempool.is_blind = False
    assert await wallet.state(call_id) == "accepted"

    first.fails, second.fails = [REFUSAL], [REFUSAL]
    first.is_blind = second.is_blind = True
    await wallet.work(after=2)
    assert (await wallet.state(call_id), await wallet.status(call_id)) == ("rejected", 400)
    with pytest.raises(Rejected, match="never sent again"):
        await wallet.send(prepared, wallet.owner)


@pytest.mark.parametrize("failure", [GARBAGE, None])
async def test_a_refusal_does_not_reject_a_call_that_a_bundler_may_have(
    wallet: WalletFixture, failure: WalletError | None
) -> None:
    """The bundler had the call, or may have; it lost the call, and refuses the second delivery."""
    wallet.mempool.fails = [] if failure is None else [failure]
    wallet.mempool.is_blind = True
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.mempool.drop()
    wallet.mempool.fails = [REFUSAL]
    await wallet.work(after=15)
    assert await wallet.status(call_id) == 100
    assert (await wallet.details(call_id))["pendingReason"]["cause"] == "too_low"


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
