"""Delivery of sent calls by workers: after lost, unreadable and late answers, over several bundlers, until final."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture, call_id_of
from tests.operations.mempool import HeldMempool
from tests.support.constants import FRIEND
from wallet_rpc.errors import LimitExceeded, OutcomeUnknown, Rejected, Unavailable, WalletError
from wallet_rpc.services import delivery, submission, witnesses
from wallet_rpc.time_budget import limit_time, remaining_seconds

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
        wallet.mempool.is_behind = True  # only the record knows the call
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


async def test_an_attempt_that_outlives_its_request_has_its_own_time(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = await wallet.prepare(CALL)
    send, times = wallet.mempool.send, []

    async def note_time(operation: Any) -> Any:
        times.append(remaining_seconds(100))
        return await send(operation)

    monkeypatch.setattr(wallet.mempool, "send", note_time)
    with limit_time(30):
        await wallet.send(prepared, wallet.owner)
    assert times == [100]


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


@pytest.mark.parametrize("method", ["receipt", "lookup"])
async def test_a_bundlers_unusable_answer_to_a_question_stops_neither_status_nor_worker(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def fail(_: Any) -> Any:
        raise LimitExceeded("the bundler's response is too large", reason="answer_too_large", part="bundler")

    first, second = install_two_bundlers(wallet)
    monkeypatch.setattr(first, method, fail)
    first.fails = [GARBAGE]
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    assert second.sent == (1 if method == "lookup" else 0)
    await wallet.work(after=10)
    await first.mine()
    assert await wallet.status(call_id) == 200


async def test_a_bundler_that_never_answers_does_not_keep_the_call_from_the_next(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "ATTEMPT_SECONDS", 0.4)
    monkeypatch.setattr(witnesses, "HINT_SECONDS", 0.05)
    first, second = install_two_bundlers(wallet)
    prepared = await wallet.prepare(CALL)
    first.resume = asyncio.Event()
    first.is_blind = True
    call_id = await wallet.send(prepared, wallet.owner)
    assert (first.sent, second.sent, await wallet.state(call_id)) == (1, 1, "submitted")


async def test_a_bundler_that_hangs_hides_nothing_that_the_node_shows(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.mempool.mine()
    hanging = asyncio.Event()

    async def hang(_: Any) -> Any:
        await hanging.wait()

    monkeypatch.setattr(witnesses, "HINT_SECONDS", 0.05)
    monkeypatch.setattr(wallet.mempool, "receipt", hang)
    monkeypatch.setattr(wallet.mempool, "lookup", hang)
    assert await wallet.status(call_id) == 200
