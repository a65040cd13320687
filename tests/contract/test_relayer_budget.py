"""The relayer's daily budget, in a real Redis: no crowd and no repeat gets beyond it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import FixedClock
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer_budget import DAY_SECONDS, DailyWei, Expense, RelayerBudget
from wallet_rpc.errors import Rejected
from wallet_rpc.primitives import Address, Hash32

MIDNIGHT = 20_000 * DAY_SECONDS
NOON = MIDNIGHT + DAY_SECONDS // 2
ACCOUNTS = [Address(bytes([n]) * 20) for n in (0xA1, 0xA2, 0xA3)]
chains = itertools.count(1)
"""Each example has a chain of its own, and so a budget."""


def expense(number: int, cost: int, account: int = 0, *, chain_id: int = 1) -> Expense:
    return Expense(chain_id=chain_id, account=ACCOUNTS[account], transaction=Hash32(number.to_bytes(32)), cost=cost)


def budget(store: RedisStore, total: int, account: int, clock: FixedClock | None = None) -> RelayerBudget:
    return store.relayer_budget(DailyWei(total=total, account=account), FixedClock(NOON) if clock is None else clock)


async def refusal(budget: RelayerBudget, expected_expense: Expense) -> Rejected | None:
    try:
        await budget.take(expected_expense)
    except Rejected as refused:
        return refused
    return None


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 4 * 10**17), st.integers(0, 2)), min_size=6, max_size=30),
    st.integers(0, 3 * 10**18),
    st.integers(0, 10**18),
)
@settings(max_examples=30)
async def test_a_crowd_never_gets_beyond_the_budget(
    store: RedisStore, wishes: list[tuple[int, int, int]], total: int, account: int
) -> None:
    chain_id, asked = next(chains), budget(store, total, account)
    distinct = {number: (cost, who) for number, cost, who in wishes}
    expenses = [expense(n, cost, who, chain_id=chain_id) for n, (cost, who) in distinct.items()] * 2
    answers = await asyncio.gather(*(refusal(asked, one) for one in expenses))
    taken = {one.transaction: one for one, answer in zip(expenses, answers, strict=True) if answer is None}
    assert sum(one.cost for one in taken.values()) <= total
    for whose in ACCOUNTS:
        assert sum(one.cost for one in taken.values() if one.account == whose) <= account
    for one in expenses:  # what was refused had no room
        if one.transaction not in taken:
            own = sum(other.cost for other in taken.values() if other.account == one.account)
            assert sum(other.cost for other in taken.values()) + one.cost > total or own + one.cost > account


async def test_a_refusal_tells_the_numbers_and_when_it_is_free_again(store: RedisStore) -> None:
    asked = budget(store, 10**18, 100)
    await asked.take(expense(1, 70))
    refused = await refusal(asked, expense(2, 31))
    assert refused is not None
    assert refused.message == (
        f"the relayer of this server pays at most 100 wei a day for {ACCOUNTS[0]} on chain 0x1: today 70 are spent, "
        "and this removal may cost 31; try again from 2024-10-05T00:00:00Z on, or send a transaction of your own"
    )
    numbers = {"limit": "0x64", "spent": "0x46", "cost": "0x1f", "retryAfter": DAY_SECONDS // 2}
    assert refused.data == {"reason": "relayer_budget_used_up", **numbers}
    assert await refusal(asked, expense(2, 30)) is None


async def test_the_budget_in_all_is_of_every_account(store: RedisStore) -> None:
    asked = budget(store, 10**15 + 1, 10**15)
    await asked.take(expense(1, 10**15))
    refused = await refusal(asked, expense(2, 2, 1))
    assert refused is not None
    assert "wei a day in all on chain 0x1: today 1000000000000000 are spent" in refused.message
    assert await refusal(asked, expense(3, 1, 1)) is None


async def test_more_than_a_whole_day_has_is_never_free(store: RedisStore) -> None:
    refused = await refusal(budget(store, 100, 100), expense(1, 101))
    assert refused is not None
    assert "try again when gas is cheaper" in refused.message
    assert "retryAfter" not in refused.data


@pytest.mark.parametrize(("passed", "is_free"), [(0, False), (DAY_SECONDS // 2 - 1, False), (DAY_SECONDS // 2, True)])
async def test_a_new_day_has_a_budget_of_its_own(store: RedisStore, passed: int, is_free: bool) -> None:
    clock = FixedClock(NOON)
    asked = budget(store, 100, 100, clock)
    await asked.take(expense(1, 100))
    clock.seconds += passed
    assert (await refusal(asked, expense(2, 100)) is None) is is_free


async def test_a_repeat_is_counted_once(store: RedisStore) -> None:
    asked = budget(store, 100, 100)
    for _ in range(2):
        await asked.take(expense(1, 60))
    assert await refusal(asked, expense(2, 40)) is None


async def test_every_chain_has_a_budget_of_its_own(store: RedisStore) -> None:
    asked = budget(store, 100, 100)
    await asked.take(expense(1, 100, chain_id=1))
    assert await refusal(asked, expense(2, 1, chain_id=1)) is not None
    assert await refusal(asked, expense(2, 100, chain_id=10)) is None
    assert await refusal(asked, expense(3, 1, chain_id=10)) is not None


async def test_what_was_not_spent_is_given_back_once(store: RedisStore) -> None:
    clock = FixedClock(NOON)
    asked = budget(store, 100, 100, clock)
    await asked.take(expense(1, 60))
    await asked.take(expense(2, 40))
    clock.seconds = MIDNIGHT + DAY_SECONDS  # midnight has passed
    for _ in range(2):
        await asked.give_back(expense(1, 60))
    await asked.give_back(expense(3, 40))
    clock.seconds = NOON
    assert await refusal(asked, expense(4, 61)) is not None
    assert await refusal(asked, expense(4, 60)) is None
    assert await refusal(asked, replace(expense(5, 0), account=ACCOUNTS[1])) is None
