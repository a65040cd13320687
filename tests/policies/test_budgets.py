"""The budgets of policies on a real Redis: no sequence of requests and no concurrency exceeds a limit."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.sample import CHAIN, NOW, SENDERS, VALID_UNTIL, a_ledger, a_reservation, settle_once
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
    budgets: RedisBudgets, ledger: Ledger, *, now: int = VALID_UNTIL, most: int = 100
) -> tuple[PendingReservation, ...]:
    return await budgets.lease_pending(ledger, now=now, lease_seconds=30, most=most)


async def test_reservations_add_up_to_the_wei(budgets: RedisBudgets) -> None:
    ledger = a_ledger()
    for number, cost in enumerate((10**15 - 1, 1, 7 * ETHER + 3, MAX_POLICY_WEI // 2)):
        assert await budgets.reserve(ledger, a_reservation(number, cost=cost), FREE, now=NOW) is None
    assert await budgets.read_totals(ledger) == (10**15 + 7 * ETHER + 3 + MAX_POLICY_WEI // 2, 4)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (PolicyLimits(total_wei=199), PolicyDenialReason.TOTAL_WEI),
        (PolicyLimits(total_operations=1), PolicyDenialReason.TOTAL_OPERATIONS),
        (PolicyLimits(sender_wei=199), PolicyDenialReason.SENDER_WEI),
        (PolicyLimits(sender_operations=1), PolicyDenialReason.SENDER_OPERATIONS),
        (PolicyLimits(total_wei=0), PolicyDenialReason.TOTAL_WEI),
    ],
)
async def test_the_exceeded_limit_is_reported(
    budgets: RedisBudgets, limits: PolicyLimits, reason: PolicyDenialReason
) -> None:
    ledger = a_ledger()
    await budgets.reserve(ledger, a_reservation(1), FREE, now=NOW)
    assert await reserve(budgets, ledger, a_reservation(2), limits) is reason
    assert await budgets.read_totals(ledger) == (100, 1)


async def test_a_limit_may_be_reached(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(), PolicyLimits(total_wei=200, total_operations=3, sender_wei=200, sender_operations=3)
    await settle_once(budgets, ledger, 0)
    for number in (1, 2):
        assert await budgets.reserve(ledger, a_reservation(number), limits, now=NOW) is None
        (pending,) = await take(budgets, ledger)
        await budgets.settle(ledger, pending, cost=100, now=NOW)
    assert await budgets.read_totals(ledger, SENDERS[0]) == (200, 3)


async def test_each_sender_has_its_own_limits(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(), PolicyLimits(sender_wei=100, sender_operations=1)
    for sender in (0, 1, 2):
        assert await budgets.reserve(ledger, a_reservation(sender, sender=sender), limits, now=NOW) is None
    assert await budgets.read_totals(ledger, SENDERS[1]) == (100, 1)
    assert await reserve(budgets, ledger, a_reservation(9, sender=1), limits) is PolicyDenialReason.SENDER_WEI


async def test_each_policy_has_its_own_budget(budgets: RedisBudgets) -> None:
    for ledger in (a_ledger(), a_ledger()):
        assert await budgets.reserve(ledger, a_reservation(), PolicyLimits(total_operations=1), now=NOW) is None


async def test_preparing_again_counts_the_maximum_once(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(), PolicyLimits(total_operations=1, sender_wei=150)
    for operation, cost in enumerate((100, 150, 120)):
        reservation = a_reservation(cost=cost, operation=operation, valid_until=VALID_UNTIL + operation)
        assert await budgets.reserve(ledger, reservation, limits, now=NOW) is None
    assert await budgets.read_totals(ledger) == (150, 1)
    assert await reserve(budgets, ledger, a_reservation(cost=151, operation=9), limits) is PolicyDenialReason.SENDER_WEI
    assert await take(budgets, ledger, now=VALID_UNTIL + 1) == ()
    (pending,) = await take(budgets, ledger, now=VALID_UNTIL + 2)
    assert [int.from_bytes(one) & 0xFF for one in pending.operation_hashes] == [2, 1, 0]


async def test_a_reservation_is_looked_up_at_its_expiry_and_again_after_its_lease(budgets: RedisBudgets) -> None:
    ledger, reservation = a_ledger(), a_reservation()
    await budgets.reserve(ledger, reservation, FREE, now=NOW)
    assert await take(budgets, ledger, now=VALID_UNTIL - 1) == ()
    (pending,) = await take(budgets, ledger, now=VALID_UNTIL)
    assert (pending.chain_id, pending.sender, pending.nonce, pending.valid_until) == (CHAIN, SENDERS[0], 1, VALID_UNTIL)
    assert pending.operation_hashes == (reservation.operation_hash,)
    assert await take(budgets, ledger, now=VALID_UNTIL + 29) == ()
    assert await take(budgets, ledger, now=VALID_UNTIL + 30) == (pending,)


async def test_an_expedited_reservation_is_looked_up_soon(budgets: RedisBudgets) -> None:
    ledger, reservation = a_ledger(), a_reservation()
    await budgets.reserve(ledger, reservation, FREE, now=NOW)
    await budgets.expedite(ledger, reservation.identity, now=NOW + 5)
    await budgets.expedite(ledger, "1:00:0", now=NOW + 5)
    assert len(await take(budgets, ledger, now=NOW + 5)) == 1


async def test_the_lease_of_an_open_ended_reservation_grows_with_its_age(budgets: RedisBudgets) -> None:
    ledger = a_ledger()
    await budgets.reserve(ledger, replace(a_reservation(), is_open_ended=True), FREE, now=NOW)
    lookups = [now for now in range(VALID_UNTIL, VALID_UNTIL + 20_000, 10) if await take(budgets, ledger, now=now)]
    pauses = [later - earlier for earlier, later in pairwise(lookups)]
    assert lookups[0] == VALID_UNTIL
    assert pauses[:4] == [30, 30, 60, 120]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 3600
    await budgets.expedite(ledger, a_reservation().identity, now=VALID_UNTIL + 20_000)
    (pending,) = await take(budgets, ledger, now=VALID_UNTIL + 20_000)
    assert pending.is_open_ended


@pytest.mark.parametrize("renewed", [False, True])
async def test_a_renewed_open_ended_reservation_stays_open_ended(budgets: RedisBudgets, renewed: bool) -> None:
    ledger = a_ledger()
    for operation, is_open_ended in enumerate((renewed, not renewed, False)):
        reservation = replace(
            a_reservation(operation=operation, valid_until=VALID_UNTIL + operation), is_open_ended=is_open_ended
        )
        assert await budgets.reserve(ledger, reservation, FREE, now=NOW) is None
    (pending,) = await take(budgets, ledger, now=VALID_UNTIL + 2)
    assert (pending.valid_until, pending.is_open_ended, len(pending.operation_hashes)) == (VALID_UNTIL + 2, True, 3)
    assert await budgets.read_totals(ledger) == (100, 1)


async def test_a_settled_open_ended_reservation_leaves_a_rolling_window(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(60), PolicyLimits(total_operations=1, window_seconds=60)
    await budgets.reserve(ledger, replace(a_reservation(1), is_open_ended=True), limits, now=NOW)
    (pending,) = await take(budgets, ledger)
    await budgets.settle(ledger, pending, cost=90, now=VALID_UNTIL)
    assert (
        await reserve(budgets, ledger, a_reservation(2), limits, now=VALID_UNTIL + 59)
        is PolicyDenialReason.TOTAL_OPERATIONS
    )
    assert await budgets.reserve(ledger, a_reservation(2), limits, now=VALID_UNTIL + 60) is None


async def test_a_released_reservation_is_free_again(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(), PolicyLimits(total_wei=200, sender_operations=1)
    await budgets.reserve(ledger, a_reservation(), limits, now=NOW)
    (pending,) = await take(budgets, ledger)
    await budgets.release(ledger, pending, now=VALID_UNTIL)
    await budgets.release(ledger, pending, now=VALID_UNTIL)
    assert await budgets.read_totals(ledger) == (0, 0)
    assert await budgets.reserve(ledger, a_reservation(2), limits, now=VALID_UNTIL) is None


@pytest.mark.parametrize(("cost", "counted"), [(30, 30), (None, 100), (0, 0), (500, 100)])
async def test_a_settled_operation_counts_with_its_cost(budgets: RedisBudgets, cost: int | None, counted: int) -> None:
    ledger = a_ledger()
    await budgets.reserve(ledger, a_reservation(), FREE, now=NOW)
    (pending,) = await take(budgets, ledger)
    await budgets.settle(ledger, pending, cost=cost, now=VALID_UNTIL)
    await budgets.settle(ledger, pending, cost=0, now=VALID_UNTIL)
    assert await budgets.read_totals(ledger) == (counted, 1)
    assert await take(budgets, ledger, now=VALID_UNTIL + 1000) == ()


async def test_a_reservation_renewed_after_its_lease_is_not_settled(budgets: RedisBudgets) -> None:
    ledger = a_ledger()
    await budgets.reserve(ledger, a_reservation(), FREE, now=NOW)
    (pending,) = await take(budgets, ledger)
    await budgets.reserve(ledger, a_reservation(operation=1, valid_until=VALID_UNTIL + 600), FREE, now=VALID_UNTIL)
    await budgets.release(ledger, pending, now=VALID_UNTIL)
    assert await budgets.read_totals(ledger) == (100, 1)


async def test_a_rolling_window_drops_operations_settled_before_it(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(3600), PolicyLimits(total_wei=100, total_operations=1, window_seconds=3600)
    await budgets.reserve(ledger, a_reservation(1), FREE, now=NOW)
    (pending,) = await take(budgets, ledger)
    await budgets.settle(ledger, pending, cost=90, now=VALID_UNTIL)
    again = a_reservation(2, cost=20, valid_until=VALID_UNTIL + 4000)
    assert await reserve(budgets, ledger, again, limits, now=VALID_UNTIL + 3599) is PolicyDenialReason.TOTAL_WEI
    assert await budgets.reserve(ledger, again, limits, now=VALID_UNTIL + 3600) is None
    assert await budgets.read_totals(ledger) == (20, 1)


async def test_an_open_reservation_never_leaves_a_rolling_window(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(60), PolicyLimits(total_wei=100, window_seconds=60)
    await budgets.reserve(ledger, a_reservation(1), FREE, now=NOW)
    assert await reserve(budgets, ledger, a_reservation(2), limits, now=NOW + 10**6) is PolicyDenialReason.TOTAL_WEI


async def test_the_policy_of_an_operation_is_found(budgets: RedisBudgets) -> None:
    ledger, reservation = a_ledger(), a_reservation()
    await budgets.reserve(ledger, reservation, FREE, now=NOW)
    assert await budgets.find_policy(CHAIN, reservation.operation_hash) == ledger.policy_id
    assert await budgets.find_policy(CHAIN + 1, reservation.operation_hash) is None


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3 * ETHER), st.integers(0, 2)), min_size=20, max_size=60),
    st.integers(ETHER, 20 * ETHER),
    st.integers(ETHER, 10 * ETHER),
    st.integers(1, 12),
    st.sampled_from([0, 3600]),
)
@MANY
async def test_concurrent_reservations_never_exceed_a_limit(
    budgets: RedisBudgets,
    requests: list[tuple[int, int, int]],
    total: int,
    own: int,
    count: int,
    window: int,
) -> None:
    ledger = a_ledger(window)
    await settle_once(budgets, ledger, 0, 1)
    limits = PolicyLimits(total_wei=total, sender_wei=own, total_operations=count, sender_operations=max(1, count // 2))
    reservations = [
        a_reservation(number, cost=cost, sender=sender, operation=turn)
        for turn, (number, cost, sender) in enumerate(requests)
    ]
    answers = await asyncio.gather(*(budgets.reserve(ledger, one, limits, now=NOW) for one in reservations))
    costs: dict[str, int] = {}
    for reservation, answer in zip(reservations, answers, strict=True):
        if answer is None:
            costs[reservation.identity] = max(costs.get(reservation.identity, 0), reservation.cost)
    assert await budgets.read_totals(ledger) == (sum(costs.values()), len(costs) + 2)
    assert sum(costs.values()) <= total
    assert len(costs) + 2 <= max(count, 2)
    for sender in SENDERS:
        own_costs = [cost for identity, cost in costs.items() if sender.hex() in identity]
        assert await budgets.read_totals(ledger, sender) == (sum(own_costs), len(own_costs) + (sender != SENDERS[2]))
        assert sum(own_costs) <= own
        assert len(own_costs) <= max(1, count // 2)
