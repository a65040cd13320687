"""Contract of `ports.rules.RuleStore`, tested against a real Redis: exact amounts, repeats, windows and ends."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.sample import ACCOUNT, CHAIN, NOW
from wallet_rpc.adapters.redis_rules import RedisRules
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.rules_scripts import MAX_OPEN
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.rules.decision import Demand, SumLimit
from wallet_rpc.domain.rules.periods import Period, find_window_ends
from wallet_rpc.domain.rules.rule import AmountRule, RateRule, SessionRule
from wallet_rpc.domain.rules.stored_rules import ExceededRate, ExceededSum, Outcome, RuleSet, StoredRules, SumUsage
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports.rules import ReserveMode, RuledOperation, RulesChanged
from wallet_rpc.primitives import EntityId, Hash32

MOST = 2**256 - 1
amounts = st.one_of(
    st.integers(0, 100), st.integers(0, MOST), st.sampled_from([10**15 - 1, 10**15, 2**53, 10**30, MOST])
)


@pytest.fixture
def rules(store: RedisStore) -> RedisRules:
    return store.rules


def session(number: int = 1) -> SessionReference:
    return SessionReference(account=ACCOUNT, chain_id=CHAIN, entity_id=EntityId(number))


def operation(nonce: int, *, number: int = 1, mark: int | None = None) -> RuledOperation:
    name = nonce if mark is None else mark
    return RuledOperation(session=session(number), nonce=nonce, hash=Hash32(name.to_bytes(32, "big")))


async def set_rules(rules: RedisRules, *given_rules: SessionRule, number: int = 1) -> StoredRules:
    rule_set = RuleSet(rules=given_rules, organization="org", changed_at=NOW, by="key")
    await rules.write(session(number), "org", rule_set)
    stored = await rules.read(session(number))
    assert stored is not None
    return stored


def native(limit: int, period: Period = Period.DAY) -> AmountRule:
    return AmountRule(type="amount", limit=limit, period=period)


def demand(stored: StoredRules, amount: int, *, now: int = NOW) -> Demand:
    amounts_by_name = {"native": amount} if amount else {}
    return Demand(amounts=amounts_by_name, window_ends=find_window_ends(now), sums=stored.sums, rates=stored.rates)


async def reserve(
    rules: RedisRules, stored: StoredRules, what: RuledOperation, amount: int, *, now: int = NOW, **changes: object
) -> ExceededSum | ExceededRate | None:
    mode = ReserveMode(str(changes.get("mode", ReserveMode.RESERVE)))
    until = None if "until" not in changes else int(str(changes["until"]))
    return await rules.reserve(what, stored, demand(stored, amount, now=now), mode=mode, now=now, until=until)


async def usage(rules: RedisRules, *, number: int = 1, now: int = NOW) -> SumUsage:
    found = await rules.usage(session(number), now=now)
    assert found is not None
    return found.sums[0]


@given(st.lists(amounts, min_size=1, max_size=5), amounts, st.integers(1, 2**31))
async def test_sums_are_exact_at_any_size(rules: RedisRules, some: list[int], limit: int, number: int) -> None:
    stored = await set_rules(rules, native(limit), number=number)
    total = (await usage(rules, number=number)).used
    for amount in some:
        what = operation(int.from_bytes(secrets.token_bytes(8)), number=number)
        exceeded = await reserve(rules, stored, what, amount)
        if exceeded is not None:
            assert isinstance(exceeded, ExceededSum)
            assert (amount > 0, exceeded.others) == (True, total)
            assert exceeded.others + amount > limit
            continue
        await rules.settle(what, Outcome.SUCCEEDED, stored, now=NOW)
        found = await usage(rules, number=number)
        assert found.used == total + amount
        total = found.used
        assert amount == 0 or total <= limit


async def test_a_limit_holds_to_the_last_unit(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(MOST))
    assert await reserve(rules, stored, operation(1), MOST - 1) is None
    assert await reserve(rules, stored, operation(2), 1) is None
    exceeded = await reserve(rules, stored, operation(3), 1)
    limit = SumLimit(rule=0, name="native", period=Period.DAY, limit=MOST)
    assert exceeded == ExceededSum(limit=limit, others=MOST, window_end=find_window_ends(NOW)[Period.DAY])
    assert await reserve(rules, stored, operation(3), 0) is None


async def test_a_repeat_reserves_once_and_a_check_writes_nothing(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(5))
    assert await reserve(rules, stored, operation(1), 4, mode="check") is None
    assert (await usage(rules)).reserved == 0
    for _ in range(3):
        assert await reserve(rules, stored, operation(1), 4) is None
    assert (await usage(rules)).reserved == 4


async def test_an_outcome_counts_once(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(5))
    await reserve(rules, stored, operation(1), 4)
    for outcome in (Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.NEVER, Outcome.REVERTED):
        assert await rules.settle(operation(1), outcome, stored, now=NOW)
    assert await usage(rules) == SumUsage(used=4, reserved=0)
    assert await reserve(rules, stored, operation(1), 4) is None
    assert await usage(rules) == SumUsage(used=4, reserved=0)


async def test_an_operation_without_a_reservation_is_counted_with_its_amounts(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(5))
    assert await rules.settle(operation(1), Outcome.NEVER, stored, now=NOW)
    assert not await rules.settle(operation(1), Outcome.SUCCEEDED, stored, now=NOW)
    for _ in range(2):
        assert await rules.settle(operation(1), Outcome.SUCCEEDED, stored, now=NOW, unreserved=demand(stored, 9))
    assert await usage(rules) == SumUsage(used=9, reserved=0)


async def test_a_reservation_ends_unless_it_is_renewed(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(5))
    await reserve(rules, stored, operation(1), 2, until=NOW + 10)
    await reserve(rules, stored, operation(2), 2, until=NOW + 10)
    assert await rules.renew(operation(2), stored, now=NOW + 9)
    assert (await usage(rules, now=NOW + 9)).reserved == 4
    assert (await usage(rules, now=NOW + 10)).reserved == 2
    assert not await rules.renew(operation(1), stored, now=NOW + 10)


async def test_a_replacement_that_is_never_stored_frees_nothing_of_the_first(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(9))
    await reserve(rules, stored, operation(1, mark=1), 3)
    await reserve(rules, stored, operation(1, mark=2), 7, until=NOW + 10)
    assert (await usage(rules)).reserved == 7
    assert (await usage(rules, now=NOW + 10)).reserved == 3


async def test_amounts_count_in_the_window_of_their_acceptance(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(5))
    tomorrow = find_window_ends(NOW)[Period.DAY]
    await reserve(rules, stored, operation(1), 5)
    assert await reserve(rules, stored, operation(2), 5, now=tomorrow) is None
    await rules.settle(operation(1), Outcome.SUCCEEDED, stored, now=tomorrow)
    assert await usage(rules, now=tomorrow) == SumUsage(used=0, reserved=5)


async def test_a_decision_under_replaced_rules_is_not_stored(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(5))
    await set_rules(rules, native(4))
    with pytest.raises(RulesChanged):
        await reserve(rules, stored, operation(1), 5)
    with pytest.raises(RulesChanged):
        await rules.settle(operation(1), Outcome.SUCCEEDED, stored, now=NOW)
    assert not await rules.renew(operation(1), stored, now=NOW)


async def test_used_amounts_stay_with_a_new_limit_and_go_with_the_last_rule(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(5))
    await reserve(rules, stored, operation(1), 3)
    await rules.settle(operation(1), Outcome.SUCCEEDED, stored, now=NOW)
    stored = await set_rules(rules, native(4))
    assert (await usage(rules)).used == 3
    assert await reserve(rules, stored, operation(2), 2) is not None
    empty = replace(stored.sets["org"], rules=())
    await rules.write(session(), "org", empty)
    assert await rules.read(session()) is None
    await set_rules(rules, native(4))
    assert await usage(rules) == SumUsage(used=0, reserved=0)


async def test_no_key_is_left_of_a_session_whose_last_rule_is_removed(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(5), RateRule(type="rate", limit=3, seconds=60))
    for number in (1, 2, 3):
        assert await reserve(rules, stored, operation(number), 1) is None
    await rules.settle(operation(1), Outcome.SUCCEEDED, stored, now=NOW)
    await rules.settle(operation(2), Outcome.REVERTED, stored, now=NOW)
    keys = rules.keys(session())[:5]
    assert [await rules._link.command("EXISTS", key) for key in keys] == [1] * 5

    await rules.write(session(), "org", replace(stored.sets["org"], rules=()))

    assert [await rules._link.command("EXISTS", key) for key in keys] == [0] * 5


async def test_a_rate_rolls(rules: RedisRules) -> None:
    stored = await set_rules(rules, RateRule(type="rate", limit=2, seconds=10))
    for second in (0, 4):
        assert await reserve(rules, stored, operation(second + 1), 0, now=NOW + second) is None
    exceeded = await reserve(rules, stored, operation(9), 0, now=NOW + 9)
    assert isinstance(exceeded, ExceededRate)
    assert (exceeded.others, exceeded.free_at) == (2, NOW + 10)
    assert await reserve(rules, stored, operation(9), 0, now=NOW + 10) is None
    await rules.settle(operation(5), Outcome.NEVER, stored, now=NOW + 10)
    assert await reserve(rules, stored, operation(10), 0, now=NOW + 10) is None
    assert await reserve(rules, stored, operation(11), 0, now=NOW + 10) is not None


async def test_the_number_of_reservations_has_a_limit(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(5))
    key = rules.keys(session())[2]
    text = '{"aa":{"a":{},"w":{},"v":"","u":""}}'
    pairs = [part for number in range(MAX_OPEN) for part in (f"x{number}", text)]
    await rules._link.command("HSET", key, *pairs)
    with pytest.raises(LimitExceeded):
        await reserve(rules, stored, operation(1), 1)


async def test_operations_of_one_nonce_count_as_reservations_each(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(MAX_OPEN + 2))
    operations = (f'"{number:064x}":{{"a":{{}},"w":{{"day":"0"}},"v":"","u":""}}' for number in range(MAX_OPEN))
    key = rules.keys(session())[2]
    await rules._link.command("HSET", key, "1", f"{{{','.join(operations)}}}")
    with pytest.raises(LimitExceeded):
        await reserve(rules, stored, operation(1, mark=MAX_OPEN), 1)
    assert await reserve(rules, stored, operation(1, mark=1), 1) is None
    assert await reserve(rules, stored, operation(2), 1, mode=ReserveMode.COUNT) is None


async def test_another_operation_of_a_nonce_whose_block_was_replaced_is_held_to_the_limit(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(10))
    assert await reserve(rules, stored, operation(1), 6) is None
    assert await rules.settle(operation(1), Outcome.SUCCEEDED, stored, now=NOW)
    second = operation(1, mark=2)
    assert isinstance(await reserve(rules, stored, second, 5), ExceededSum)
    assert await reserve(rules, stored, second, 4) is None
    assert await reserve(rules, stored, operation(1), 6) is None  # a repeat, which counts already
    assert await usage(rules) == SumUsage(used=6, reserved=4)
    for _ in range(2):
        assert await rules.settle(second, Outcome.SUCCEEDED, stored, now=NOW)
    assert await usage(rules) == SumUsage(used=10, reserved=0)


async def test_an_operation_is_reserved_until_it_ended_for_each_organisation_that_sent_it(store: RedisStore) -> None:
    rules, other = store.rules, store.for_organization(OrganizationId("org_other")).rules
    stored = await set_rules(rules, native(10))
    later = NOW + 1000

    async def reserve_for_both(what: RuledOperation, *, until: int | None = None) -> None:
        for each in (rules, other):
            changes = {} if until is None else {"until": until}
            assert await reserve(each, stored, what, 4, **changes) is None
        assert (await usage(rules, now=NOW)).reserved == 4, "once"

    await reserve_for_both(operation(1))
    for _ in range(2):
        assert await rules.settle(operation(1), Outcome.NEVER, stored, now=NOW)
        assert await usage(rules) == SumUsage(used=0, reserved=4), "the other organisation's may still be included"
    assert await other.settle(operation(1), Outcome.NEVER, stored, now=NOW)
    assert await usage(rules) == SumUsage(used=0, reserved=0)

    await reserve_for_both(operation(2), until=later)
    assert await rules.renew(operation(2), stored, now=NOW)
    assert (await usage(rules, now=NOW + 2000)).reserved == 4
    assert await rules.settle(operation(2), Outcome.NEVER, stored, now=NOW)
    assert (await usage(rules, now=NOW + 999)).reserved == 4
    assert (await usage(rules, now=later)).reserved == 0, "the other one ended before it stored its call"


async def test_amounts_of_old_windows_are_deleted_unless_a_reservation_counts_in_them(rules: RedisRules) -> None:
    stored = await set_rules(rules, native(10, Period.MINUTE), native(10**6, Period.TOTAL))
    waiting = operation(1)
    assert await reserve(rules, stored, operation(2), 4) is None
    assert await rules.settle(operation(2), Outcome.SUCCEEDED, stored, now=NOW)
    assert await reserve(rules, stored, waiting, 1) is None
    for minute in range(1, 200):
        what, now = operation(2 + minute), NOW + 60 * minute
        assert await reserve(rules, stored, what, 3, now=now) is None
        assert await rules.settle(what, Outcome.SUCCEEDED, stored, now=now)
    assert await rules._link.command("HLEN", rules.keys(session())[1]) <= 63, "an hour, the total, and the first minute"

    lower = await set_rules(rules, native(4, Period.MINUTE))
    again = await reserve(rules, lower, waiting, 1, now=NOW + 60 * 200)
    assert isinstance(again, ExceededSum)
    assert (again.others, again.window_end) == (4, NOW // 60 * 60 + 60)


async def test_what_counts_is_deleted_with_the_rules(rules: RedisRules) -> None:
    rule_set = RuleSet(rules=(native(5),), organization="org", changed_at=NOW, by="key")
    await rules.write(session(), "org", rule_set, forget_at=4_000_000_000)
    stored = await rules.read(session())
    assert stored is not None
    await reserve(rules, stored, operation(1), 1)
    keys = rules.keys(session())
    assert [await rules._link.command("TTL", keys[index]) > 10**9 for index in (0, 2)] == [True, True]
