"""The budgets of policies, in a real Redis: no sequence and no crowd gets beyond a limit."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.sample import CHAIN, ENDS, NOW, SENDERS, a_ledger, a_reservation, settle_once
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger, PendingReservation, RedisBudgets, Reservation
from wallet_rpc.domain.policy import MAX_POLICY_WEI, PolicyDenialReason, PolicyLimits

FREE = PolicyLimits()
ETHER = 10**18
MANY = settings(max_examples=40)


@pytest.fixture
def budgets(store: RedisStore) -> RedisBudgets:
    return store.budgets


async def reserve(
    budgets: RedisBudgets, ledger: Ledger, reservation: Reservation, limits: PolicyLimits, *, now: int = NOW
) -> PolicyDenialReason | None:
    exceeded = await budgets.reserve(ledger, reservation, limits, now=now)
    return None if exceeded is None else exceeded.reason


async def take(
    budgets: RedisBudgets, ledger: Ledger, *, now: int = ENDS, most: int = 100
) -> tuple[PendingReservation, ...]:
    return await budgets.lease_pending(ledger, now=now, lease_seconds=30, most=most)


async def test_promises_add_up_to_the_wei(budgets: RedisBudgets) -> None:
    book = a_ledger()
    for number, cost in enumerate((10**15 - 1, 1, 7 * ETHER + 3, MAX_POLICY_WEI // 2)):
        assert await budgets.reserve(book, a_reservation(number, cost=cost), FREE, now=NOW) is None
    assert await budgets.read_totals(book) == (10**15 + 7 * ETHER + 3 + MAX_POLICY_WEI // 2, 4)


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        (PolicyLimits(total_wei=199), PolicyDenialReason.TOTAL_WEI),
        (PolicyLimits(total_operations=1), PolicyDenialReason.TOTAL_OPERATIONS),
        (PolicyLimits(sender_wei=199), PolicyDenialReason.SENDER_WEI),
        (PolicyLimits(sender_operations=1), PolicyDenialReason.SENDER_OPERATIONS),
        (PolicyLimits(total_wei=0), PolicyDenialReason.TOTAL_WEI),
    ],
)
async def test_a_limit_that_would_be_exceeded_is_named(
    budgets: RedisBudgets, limits: PolicyLimits, refusal: PolicyDenialReason
) -> None:
    book = a_ledger()
    await budgets.reserve(book, a_reservation(1), FREE, now=NOW)
    assert await reserve(budgets, book, a_reservation(2), limits) is refusal
    assert await budgets.read_totals(book) == (100, 1)


async def test_a_limit_may_be_reached(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(), PolicyLimits(total_wei=200, total_operations=3, sender_wei=200, sender_operations=3)
    await settle_once(budgets, book, 0)
    for number in (1, 2):
        assert await budgets.reserve(book, a_reservation(number), limits, now=NOW) is None
        (due,) = await take(budgets, book)
        await budgets.settle(book, due, cost=100, now=NOW)
    assert await budgets.read_totals(book, SENDERS[0]) == (200, 3)


async def test_senders_have_limits_of_their_own(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(), PolicyLimits(sender_wei=100, sender_operations=1)
    for sender in (0, 1, 2):
        assert await budgets.reserve(book, a_reservation(sender, sender=sender), limits, now=NOW) is None
    assert await budgets.read_totals(book, SENDERS[1]) == (100, 1)
    assert await reserve(budgets, book, a_reservation(9, sender=1), limits) is PolicyDenialReason.SENDER_WEI


async def test_policies_have_budgets_of_their_own(budgets: RedisBudgets) -> None:
    for book in (a_ledger(), a_ledger()):
        assert await budgets.reserve(book, a_reservation(), PolicyLimits(total_operations=1), now=NOW) is None


async def test_preparing_again_counts_the_dearest_once(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(), PolicyLimits(total_operations=1, sender_wei=150)
    for operation, cost in enumerate((100, 150, 120)):
        promise = a_reservation(cost=cost, operation=operation, ends=ENDS + operation)
        assert await budgets.reserve(book, promise, limits, now=NOW) is None
    assert await budgets.read_totals(book) == (150, 1)
    assert await reserve(budgets, book, a_reservation(cost=151, operation=9), limits) is PolicyDenialReason.SENDER_WEI
    assert await take(budgets, book, now=ENDS + 1) == ()
    (due,) = await take(budgets, book, now=ENDS + 2)
    assert [int.from_bytes(one) & 0xFF for one in due.operation_hashes] == [2, 1, 0]


async def test_a_promise_is_due_when_it_ends_and_rests_after_a_look(budgets: RedisBudgets) -> None:
    book, promise = a_ledger(), a_reservation()
    await budgets.reserve(book, promise, FREE, now=NOW)
    assert await take(budgets, book, now=ENDS - 1) == ()
    (due,) = await take(budgets, book, now=ENDS)
    assert (due.chain_id, due.sender, due.nonce, due.valid_until) == (CHAIN, SENDERS[0], 1, ENDS)
    assert due.operation_hashes == (promise.operation_hash,)
    assert await take(budgets, book, now=ENDS + 29) == ()
    assert await take(budgets, book, now=ENDS + 30) == (due,)


async def test_what_was_sent_is_looked_up_soon(budgets: RedisBudgets) -> None:
    book, promise = a_ledger(), a_reservation()
    await budgets.reserve(book, promise, FREE, now=NOW)
    await budgets.expedite(book, promise.identity, now=NOW + 5)
    await budgets.expedite(book, "1:00:0", now=NOW + 5)
    assert len(await take(budgets, book, now=NOW + 5)) == 1


async def test_a_promise_without_an_end_rests_longer_the_older_it_is(budgets: RedisBudgets) -> None:
    book = a_ledger()
    await budgets.reserve(book, replace(a_reservation(), is_open_ended=True), FREE, now=NOW)
    looked_at = [now for now in range(ENDS, ENDS + 20_000, 10) if await take(budgets, book, now=now)]
    rests = [later - earlier for earlier, later in pairwise(looked_at)]
    assert looked_at[0] == ENDS
    assert rests[:4] == [30, 30, 60, 120]
    assert rests == sorted(rests)
    assert rests[-1] == 3600
    await budgets.expedite(book, a_reservation().identity, now=ENDS + 20_000)
    (due,) = await take(budgets, book, now=ENDS + 20_000)
    assert due.is_open_ended


@pytest.mark.parametrize("renewed", [False, True])
async def test_a_nonce_once_promised_without_an_end_stays_so(budgets: RedisBudgets, renewed: bool) -> None:
    book = a_ledger()
    for operation, lasts in enumerate((renewed, not renewed, False)):
        promise = replace(a_reservation(operation=operation, ends=ENDS + operation), is_open_ended=lasts)
        assert await budgets.reserve(book, promise, FREE, now=NOW) is None
    (due,) = await take(budgets, book, now=ENDS + 2)
    assert (due.valid_until, due.is_open_ended, len(due.operation_hashes)) == (ENDS + 2, True, 3)
    assert await budgets.read_totals(book) == (100, 1)


async def test_a_promise_without_an_end_that_landed_leaves_a_rolling_window(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(60), PolicyLimits(total_operations=1, window_seconds=60)
    await budgets.reserve(book, replace(a_reservation(1), is_open_ended=True), limits, now=NOW)
    (due,) = await take(budgets, book)
    await budgets.settle(book, due, cost=90, now=ENDS)
    assert await reserve(budgets, book, a_reservation(2), limits, now=ENDS + 59) is PolicyDenialReason.TOTAL_OPERATIONS
    assert await budgets.reserve(book, a_reservation(2), limits, now=ENDS + 60) is None


async def test_a_released_promise_is_free_again(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(), PolicyLimits(total_wei=200, sender_operations=1)
    await budgets.reserve(book, a_reservation(), limits, now=NOW)
    (due,) = await take(budgets, book)
    await budgets.release(book, due, now=ENDS)
    await budgets.release(book, due, now=ENDS)
    assert await budgets.read_totals(book) == (0, 0)
    assert await budgets.reserve(book, a_reservation(2), limits, now=ENDS) is None


@pytest.mark.parametrize(("cost", "left"), [(30, 30), (None, 100), (0, 0), (500, 100)])
async def test_what_landed_counts_with_what_it_cost(budgets: RedisBudgets, cost: int | None, left: int) -> None:
    book = a_ledger()
    await budgets.reserve(book, a_reservation(), FREE, now=NOW)
    (due,) = await take(budgets, book)
    await budgets.settle(book, due, cost=cost, now=ENDS)
    await budgets.settle(book, due, cost=0, now=ENDS)
    assert await budgets.read_totals(book) == (left, 1)
    assert await take(budgets, book, now=ENDS + 1000) == ()


async def test_a_promise_renewed_meanwhile_is_not_settled(budgets: RedisBudgets) -> None:
    book = a_ledger()
    await budgets.reserve(book, a_reservation(), FREE, now=NOW)
    (due,) = await take(budgets, book)
    await budgets.reserve(book, a_reservation(operation=1, ends=ENDS + 600), FREE, now=ENDS)
    await budgets.release(book, due, now=ENDS)
    assert await budgets.read_totals(book) == (100, 1)


async def test_a_rolling_window_forgets_what_ended_long_ago(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(3600), PolicyLimits(total_wei=100, total_operations=1, window_seconds=3600)
    await budgets.reserve(book, a_reservation(1), FREE, now=NOW)
    (due,) = await take(budgets, book)
    await budgets.settle(book, due, cost=90, now=ENDS)
    again = a_reservation(2, cost=20, ends=ENDS + 4000)
    assert await reserve(budgets, book, again, limits, now=ENDS + 3599) is PolicyDenialReason.TOTAL_WEI
    assert await budgets.reserve(book, again, limits, now=ENDS + 3600) is None
    assert await budgets.read_totals(book) == (20, 1)


async def test_an_open_promise_never_leaves_a_rolling_window(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(60), PolicyLimits(total_wei=100, window_seconds=60)
    await budgets.reserve(book, a_reservation(1), FREE, now=NOW)
    assert await reserve(budgets, book, a_reservation(2), limits, now=NOW + 10**6) is PolicyDenialReason.TOTAL_WEI


async def test_the_policy_of_an_operation_is_remembered(budgets: RedisBudgets) -> None:
    book, promise = a_ledger(), a_reservation()
    await budgets.reserve(book, promise, FREE, now=NOW)
    assert await budgets.find_policy(CHAIN, promise.operation_hash) == book.policy_id
    assert await budgets.find_policy(CHAIN + 1, promise.operation_hash) is None


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3 * ETHER), st.integers(0, 2)), min_size=20, max_size=60),
    st.integers(ETHER, 20 * ETHER),
    st.integers(ETHER, 10 * ETHER),
    st.integers(1, 12),
    st.sampled_from([0, 3600]),
)
@MANY
async def test_a_crowd_never_gets_beyond_any_limit(
    budgets: RedisBudgets,
    wishes: list[tuple[int, int, int]],
    total: int,
    own: int,
    count: int,
    window: int,
) -> None:
    book = a_ledger(window)
    await settle_once(budgets, book, 0, 1)
    limits = PolicyLimits(total_wei=total, sender_wei=own, total_operations=count, sender_operations=max(1, count // 2))
    promises = [
        a_reservation(number, cost=cost, sender=sender, operation=turn)
        for turn, (number, cost, sender) in enumerate(wishes)
    ]
    answers = await asyncio.gather(*(budgets.reserve(book, one, limits, now=NOW) for one in promises))
    dearest: dict[str, int] = {}
    for promise, answer in zip(promises, answers, strict=True):
        if answer is None:
            dearest[promise.identity] = max(dearest.get(promise.identity, 0), promise.cost)
    assert await budgets.read_totals(book) == (sum(dearest.values()), len(dearest) + 2)
    assert sum(dearest.values()) <= total
    assert len(dearest) + 2 <= max(count, 2)
    for sender in SENDERS:
        mine = [cost for identity, cost in dearest.items() if sender.hex() in identity]
        assert await budgets.read_totals(book, sender) == (sum(mine), len(mine) + (sender != SENDERS[2]))
        assert sum(mine) <= own
        assert len(mine) <= max(1, count // 2)
