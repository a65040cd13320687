"""The relayer's daily budget on a real Redis, with concurrent and repeated requests."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clocks import FixedClock
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer_budget import DAY_SECONDS, DailyWei, Expense, RelayerBudget
from wallet_rpc.errors import Rejected
from wallet_rpc.primitives import Address, Hash32

MIDNIGHT = 20_000 * DAY_SECONDS
NOON = MIDNIGHT + DAY_SECONDS // 2
ACCOUNTS = [Address(bytes([n]) * 20) for n in (0xA1, 0xA2, 0xA3)]
chains = itertools.count(1)
"""Chain ids: each example has its own chain, and so its own budget."""


def expense(number: int, cost: int, account: int = 0, *, chain_id: int = 1) -> Expense:
    return Expense(chain_id=chain_id, account=ACCOUNTS[account], transaction=Hash32(number.to_bytes(32)), cost=cost)


def budget(store: RedisStore, total: int, account: int, clock: FixedClock | None = None) -> RelayerBudget:
    return store.relayer_budget(DailyWei(total=total, account=account), FixedClock(NOON) if clock is None else clock)


async def take(relayer_budget: RelayerBudget, one: Expense) -> Rejected | None:
    """Count an expense, or return the rejection."""
    try:
        await relayer_budget.take(one)
    except Rejected as error:
        return error
    return None


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 4 * 10**17), st.integers(0, 2)), min_size=6, max_size=30),
    st.integers(0, 3 * 10**18),
    st.integers(0, 10**18),
)
@settings(max_examples=30)
async def test_concurrent_expenses_never_exceed_the_budget(
    store: RedisStore, requests: list[tuple[int, int, int]], total: int, account: int
) -> None:
    chain_id = next(chains)
    relayer_budget = budget(store, total, account)
    distinct = {number: (cost, index) for number, cost, index in requests}
    expenses = [expense(n, cost, index, chain_id=chain_id) for n, (cost, index) in distinct.items()] * 2
    answers = await asyncio.gather(*(take(relayer_budget, one) for one in expenses))
    taken = {one.transaction: one for one, answer in zip(expenses, answers, strict=True) if answer is None}
    assert sum(one.cost for one in taken.values()) <= total
    for address in ACCOUNTS:
        assert sum(one.cost for one in taken.values() if one.account == address) <= account
    for one in expenses:  # a rejected expense would exceed a limit
        if one.transaction not in taken:
            own = sum(other.cost for other in taken.values() if other.account == one.account)
            assert sum(other.cost for other in taken.values()) + one.cost > total or own + one.cost > account


async def test_a_rejection_has_the_amounts_and_the_time_of_the_next_day(store: RedisStore) -> None:
    relayer_budget = budget(store, 10**18, 100)
    await relayer_budget.take(expense(1, 70))
    rejection = await take(relayer_budget, expense(2, 31))
    assert rejection is not None
    assert rejection.message == (
        f"this server's relayer pays at most 100 wei a day for {ACCOUNTS[0]} on chain 0x1: 70 wei are spent today, "
        "and this removal may cost 31 wei; try again after 2024-10-05T00:00:00Z, or send your own transaction"
    )
    numbers = {"limit": "0x64", "spent": "0x46", "cost": "0x1f", "retryAfter": DAY_SECONDS // 2}
    assert rejection.data == {"reason": "relayer_budget_used_up", **numbers}
    assert await take(relayer_budget, expense(2, 30)) is None


async def test_the_total_budget_counts_every_account(store: RedisStore) -> None:
    relayer_budget = budget(store, 10**15 + 1, 10**15)
    await relayer_budget.take(expense(1, 10**15))
    rejection = await take(relayer_budget, expense(2, 2, 1))
    assert rejection is not None
    assert "wei a day in total on chain 0x1: 1000000000000000 wei are spent today" in rejection.message
    assert await take(relayer_budget, expense(3, 1, 1)) is None


async def test_an_expense_above_a_days_budget_has_no_retry_time(store: RedisStore) -> None:
    rejection = await take(budget(store, 100, 100), expense(1, 101))
    assert rejection is not None
    assert "try again when gas is cheaper" in rejection.message
    assert "retryAfter" not in rejection.data


@pytest.mark.parametrize(("passed", "is_free"), [(0, False), (DAY_SECONDS // 2 - 1, False), (DAY_SECONDS // 2, True)])
async def test_each_day_has_its_own_budget(store: RedisStore, passed: int, is_free: bool) -> None:
    clock = FixedClock(NOON)
    relayer_budget = budget(store, 100, 100, clock)
    await relayer_budget.take(expense(1, 100))
    clock.seconds += passed
    assert (await take(relayer_budget, expense(2, 100)) is None) is is_free


async def test_a_repeat_is_counted_once(store: RedisStore) -> None:
    relayer_budget = budget(store, 100, 100)
    for _ in range(2):
        await relayer_budget.take(expense(1, 60))
    assert await take(relayer_budget, expense(2, 40)) is None


async def test_each_chain_has_its_own_budget(store: RedisStore) -> None:
    relayer_budget = budget(store, 100, 100)
    await relayer_budget.take(expense(1, 100, chain_id=1))
    assert await take(relayer_budget, expense(2, 1, chain_id=1)) is not None
    assert await take(relayer_budget, expense(2, 100, chain_id=10)) is None
    assert await take(relayer_budget, expense(3, 1, chain_id=10)) is not None


async def test_an_expense_is_given_back_once(store: RedisStore) -> None:
    clock = FixedClock(NOON)
    relayer_budget = budget(store, 100, 100, clock)
    await relayer_budget.take(expense(1, 60))
    await relayer_budget.take(expense(2, 40))
    clock.seconds = MIDNIGHT + DAY_SECONDS  # midnight has passed
    for _ in range(2):
        await relayer_budget.give_back(expense(1, 60))
    await relayer_budget.give_back(expense(3, 40))
    clock.seconds = NOON
    assert await take(relayer_budget, expense(4, 61)) is not None
    assert await take(relayer_budget, expense(4, 60)) is None
    assert await take(relayer_budget, replace(expense(5, 0), account=ACCOUNTS[1])) is None
