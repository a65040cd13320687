"""Lifetimes of rules, tested against a real Redis: unsigned, kept by a signature or an outcome, never shortened."""

from __future__ import annotations

import time

import pytest

from tests.contract.test_rules import native, operation, reserve, session
from tests.contract.waiting import until
from wallet_rpc.adapters.redis_rules import RedisRules
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.rules.stored_rules import OWNER_SET, Outcome, RuleSet, StoredRules
from wallet_rpc.ports.rules import ReserveMode

RULES = RuleSet(rules=(native(5),), organization="org", changed_at=1, by="key")
END = 4_000_000_000
PERMANENT = -1


@pytest.fixture
def rules(store: RedisStore) -> RedisRules:
    return store.rules


async def write_unsigned(rules: RedisRules, *, forget_at: int | None, seconds: int = 1000) -> StoredRules:
    await rules.write(session(), "org", RULES, forget_at=forget_at, unsigned_until=int(time.time()) + seconds)
    stored = await rules.read(session())
    assert stored is not None
    return stored


async def seconds_left(rules: RedisRules) -> int:
    return int(await rules._link.command("TTL", rules.rules_key(session())))


async def wait_until_deleted(rules: RedisRules) -> None:
    async def is_deleted() -> bool:
        return await rules.read(session()) is None

    await until(is_deleted)


@pytest.mark.parametrize("forget_at", [None, END])
async def test_rules_of_an_unsigned_session_go_and_are_known_to_be_gone(
    rules: RedisRules, forget_at: int | None
) -> None:
    await write_unsigned(rules, forget_at=forget_at, seconds=1)
    assert not await rules.is_forgotten(session())
    await wait_until_deleted(rules)
    await rules.keep(session())  # too late: what is gone stays known
    assert await rules.is_forgotten(session())
    assert not await rules.is_forgotten(session(2))
    await rules.write(session(), OWNER_SET, RULES, replaces_all=True)
    assert not await rules.is_forgotten(session())
    await rules.write(session(), OWNER_SET, RuleSet(rules=(), organization="org", changed_at=2, by="x"))
    assert (await rules.read(session()), await rules.is_forgotten(session())) == (None, False)


@pytest.mark.parametrize("forget_at", [None, END])
async def test_a_signature_keeps_the_rules_for_the_session(rules: RedisRules, forget_at: int | None) -> None:
    await write_unsigned(rules, forget_at=forget_at)
    assert 0 < await seconds_left(rules) <= 1000
    for _ in range(2):
        await rules.keep(session())
        left = await seconds_left(rules)
        assert left == PERMANENT if forget_at is None else left > 10**8
    assert await rules._link.command("SCARD", rules.forgotten_key(session())) == 0


async def test_a_reservation_keeps_the_rules_for_its_outcome_and_the_chain_for_the_session(rules: RedisRules) -> None:
    stored, now = await write_unsigned(rules, forget_at=None), int(time.time())
    await reserve(rules, stored, operation(1), 1, now=now, mode=ReserveMode.CHECK)
    assert await seconds_left(rules) <= 1000
    await reserve(rules, stored, operation(1), 1, now=now)
    assert 29 * 86_400 < await seconds_left(rules) <= 30 * 86_400
    await rules.settle(operation(1), Outcome.NEVER, stored, now=now)
    assert await seconds_left(rules) <= 30 * 86_400
    await reserve(rules, stored, operation(2), 1, now=now)
    await rules.settle(operation(2), Outcome.SUCCEEDED, stored, now=now)
    assert await seconds_left(rules) == PERMANENT


async def test_no_write_shortens_the_life_of_rules(rules: RedisRules) -> None:
    now = int(time.time())
    await rules.write(session(), "org", RULES, forget_at=END)
    for soon in ({"forget_at": now + 9}, {"forget_at": END, "unsigned_until": now + 9}):
        for name, is_all in (("org", False), (OWNER_SET, True)):
            await rules.write(session(), name, RULES, replaces_all=is_all, **soon)
            assert await seconds_left(rules) > 10**8
    stored = await rules.read(session())
    assert stored is not None
    await reserve(rules, stored, operation(1), 1, now=now)
    assert await seconds_left(rules) > 10**8
    await rules.write(session(), "org", RULES)
    await rules.write(session(), "org", RULES, forget_at=END)
    assert await seconds_left(rules) == PERMANENT
