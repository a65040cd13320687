"""Contract of `ports.storage.UnsignedSessions`: limits, entity ids and repeats, as the earlier sequence of commands."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import ACCOUNT, CHAIN, FAR_FUTURE, NOW, a_session
from tests.contract.unsigned import MANY, SOON, TRUSTED, an_unsigned_session
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.redis_unsigned import _COMMON_TEXT, LAST_ENTITY_ID
from wallet_rpc.domain.session_record import EntityChoice, UnsignedSession
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports.storage import ENTITY_RANGE_SIZE, RESERVED_IDS
from wallet_rpc.primitives import Address, EntityId

OTHER = Address(b"\x33" * 20)


async def claim(store: RedisStore, session: UnsignedSession, *, limit: int, now: int = NOW) -> bool:
    return await store.unsigned_sessions.claim(session, limit=limit, now=now)


async def create(
    store: RedisStore,
    session: UnsignedSession,
    *,
    limit: int = MANY,
    now: int = NOW,
    at_least: int = 1,
    random_start: int | None = None,
) -> int | None:
    choice = EntityChoice(at_least=EntityId(at_least), random_start=random_start)
    return await store.unsigned_sessions.create(session, choice, limit=limit, now=now)


async def write(store: RedisStore, session: UnsignedSession, *, limit: int) -> bool:
    """Claim and create a session, each within the limit."""
    return await claim(store, session, limit=limit) and await create(store, session, limit=limit) is not None


async def test_concurrent_requests_never_exceed_the_limit_of_an_account(store: RedisStore) -> None:
    found = await asyncio.gather(*(create(store, an_unsigned_session(n), limit=3) for n in range(20)))

    assert sorted(filter(None, found)) == [1, 2, 3]
    assert found.count(None) == 17


async def test_concurrent_claims_never_exceed_the_limit_of_a_holder(store: RedisStore) -> None:
    accounts = [Address(secrets.token_bytes(20)) for _ in range(20)]
    sessions = [an_unsigned_session(n, account=each) for n, each in enumerate(accounts)]

    found = await asyncio.gather(*(claim(store, each, limit=5) for each in sessions))

    assert found.count(True) == 5
    assert await claim(store, an_unsigned_session(20, holder="b"), limit=5)


async def test_untrusted_callers_do_not_use_up_the_limit_of_trusted_ones_or_other_accounts(store: RedisStore) -> None:
    await store.sessions.trust(ACCOUNT, CHAIN, TRUSTED, forget_at=FAR_FUTURE)
    for number in range(3):
        assert await create(store, an_unsigned_session(number), limit=3)
    assert await create(store, an_unsigned_session(3), limit=3) is None

    assert await create(store, an_unsigned_session(4, caller=TRUSTED), limit=3) == 4
    assert await create(store, an_unsigned_session(5, account=OTHER), limit=3) == 1
    assert await create(store, an_unsigned_session(6, chain_id=CHAIN + 1), limit=3) == 1


async def test_a_session_beyond_the_limit_is_not_written_and_takes_no_entity_id(store: RedisStore) -> None:
    assert await create(store, an_unsigned_session(1), limit=1) == 1
    for _ in range(3):
        assert await create(store, an_unsigned_session(2), limit=1) is None

    assert await store.sessions.get(ACCOUNT, CHAIN, an_unsigned_session(2).id) is None
    assert await create(store, an_unsigned_session(2), limit=2) == 2


async def test_a_session_without_an_entity_id_is_neither_written_nor_counted(store: RedisStore) -> None:
    with pytest.raises(LimitExceeded):
        await create(store, an_unsigned_session(1), limit=1, at_least=ENTITY_RANGE_SIZE)

    assert await store.sessions.get(ACCOUNT, CHAIN, an_unsigned_session(1).id) is None
    assert await create(store, an_unsigned_session(2), limit=1) == 1


async def test_a_repeat_keeps_the_entity_id_and_a_used_id_is_replaced(store: RedisStore) -> None:
    session = an_unsigned_session(1)
    assert [await create(store, session, limit=1) for _ in range(3)] == [1, 1, 1]

    assert [await create(store, session, limit=1, at_least=2) for _ in range(2)] == [2, 2]
    assert await create(store, an_unsigned_session(2)) == 3

    found = await store.sessions.get(ACCOUNT, CHAIN, session.id)
    assert found is not None
    assert found.entity_id == 2


async def test_ids_below_the_random_start_are_left_out_once(store: RedisStore) -> None:
    assert await create(store, an_unsigned_session(1)) == 1
    assert await create(store, an_unsigned_session(2), random_start=70_000) == 70_000
    assert await create(store, an_unsigned_session(3), random_start=90_000) == 70_001
    assert await create(store, an_unsigned_session(4)) == 70_002
    await store.sessions.trust(ACCOUNT, CHAIN, TRUSTED, forget_at=FAR_FUTURE)
    owners = an_unsigned_session(5, caller=TRUSTED)
    start = ENTITY_RANGE_SIZE
    assert await create(store, owners, at_least=start, random_start=RESERVED_IDS) == start + RESERVED_IDS


async def test_a_signed_released_or_expired_session_is_no_longer_counted(store: RedisStore) -> None:
    first, second, third = (an_unsigned_session(number) for number in (1, 2, 3))
    session = replace(a_session(), holder="a")
    assert await write(store, first, limit=1)
    assert not await claim(store, second, limit=1)
    assert await create(store, second, limit=1) is None
    await store.sessions.activate(session, forget_at=None)

    assert await write(store, second, limit=1)
    await store.unsigned_sessions.release(second)
    assert await store.sessions.get(ACCOUNT, CHAIN, second.id) is None
    assert await write(store, third, limit=1)
    last = an_unsigned_session(4, forget_at=SOON + 9)
    assert not await claim(store, last, limit=1, now=SOON - 1)
    assert await create(store, last, limit=1, now=SOON - 1) is None
    assert await claim(store, last, limit=1, now=SOON)
    assert await create(store, last, limit=1, now=SOON)


class Model:
    """The unsigned sessions of one account as the earlier sequence of commands kept them, one step after the other."""

    def __init__(self) -> None:
        self.next = {"open": 1, "trusted": ENTITY_RANGE_SIZE}
        self.counted: dict[bool, dict[int, int]] = {False: {}, True: {}}
        """Time of expiry by session, for both classes of callers."""

    def create(self, number: int, now: int, limit: int, at_least: int, *, is_trusted: bool) -> int | None:
        """Return the entity id, None for a session beyond the limit, and -1 without an id."""
        counted = self.counted[is_trusted]
        range_, entity_id = "open", max(self.next["open"], at_least)
        if entity_id >= ENTITY_RANGE_SIZE:
            range_, entity_id = "trusted", max(self.next["trusted"], at_least)
            if not is_trusted or entity_id > LAST_ENTITY_ID:
                return -1
        if number not in counted and sum(end > now for end in counted.values()) >= limit:
            return None
        counted[number] = SOON + number
        self.next[range_] = entity_id + 1
        return entity_id


@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 12),
            st.booleans(),
            st.sampled_from([1, 1, 1, 5, ENTITY_RANGE_SIZE - 1, ENTITY_RANGE_SIZE, LAST_ENTITY_ID]),
            st.booleans(),
        ),
        min_size=1,
        max_size=25,
    ),
    limit=st.integers(1, 4),
)
async def test_sessions_are_created_as_by_the_earlier_sequence_of_commands(
    redis_url: str, steps: list[tuple[int, bool, int, bool]], limit: int
) -> None:
    """Each step is (seconds that pass, is trusted, `at_least`, is released)."""
    model, now, given_out = Model(), SOON, set()
    async with RedisStore.open(redis_url, prefix=f"test-{secrets.token_hex(8)}") as store:
        await store.sessions.trust(ACCOUNT, CHAIN, TRUSTED, forget_at=FAR_FUTURE)
        for number, (passed, is_trusted, at_least, is_released) in enumerate(steps):
            now += passed
            session = an_unsigned_session(
                number, caller=TRUSTED if is_trusted else "a stranger", forget_at=SOON + number
            )
            expected = model.create(number, now, limit, at_least, is_trusted=is_trusted)
            try:
                found = await create(store, session, limit=limit, now=now, at_least=at_least)
            except LimitExceeded:
                found = -1
            assert found == expected
            stored = await store.sessions.get(ACCOUNT, CHAIN, session.id)
            assert (None if stored is None else stored.entity_id) == (found if found and found > 0 else None)
            assert found not in given_out
            given_out |= {found} - {None, -1}
            if is_released:
                await store.unsigned_sessions.release(session)
                model.counted[is_trusted].pop(number, None)


@settings(max_examples=15)
@given(ends=st.lists(st.integers(1, 100), min_size=1, max_size=8), now=st.integers(0, 101))
async def test_an_expired_session_is_distinguished_from_an_unknown_one(
    redis_url: str, ends: list[int], now: int
) -> None:
    async with RedisStore.open(redis_url, prefix=f"test-{secrets.token_hex(8)}") as store:
        created = [an_unsigned_session(number, forget_at=SOON + end) for number, end in enumerate(ends)]
        for session in created:
            await create(store, session)

        for session in created:
            found = await store.unsigned_sessions.is_forgotten(ACCOUNT, CHAIN, session.id, now=SOON + now)
            assert found == (session.forget_at <= SOON + now)
        unknown = an_unsigned_session(99).id
        assert not await store.unsigned_sessions.is_forgotten(OTHER, CHAIN, created[0].id, now=SOON + 999)
        assert not await store.unsigned_sessions.is_forgotten(ACCOUNT, CHAIN, unknown, now=SOON + 999)


async def test_the_index_keeps_as_many_expired_sessions_as_the_limit_of_an_account(store: RedisStore) -> None:
    for number in range(8):
        now = SOON + 10 * number
        assert await create(store, an_unsigned_session(number, forget_at=now + 10), limit=2, now=now)

    forgotten = [
        await store.unsigned_sessions.is_forgotten(ACCOUNT, CHAIN, an_unsigned_session(n).id, now=SOON + 999)
        for n in range(8)
    ]
    assert forgotten == [False] * 5 + [True] * 3


async def test_a_record_that_was_stored_by_an_earlier_server_is_read(store: RedisStore) -> None:
    """It was compressed with the text of that server."""
    raw = bytes.fromhex("23cf798644020abc6180e60b0328c0eb1b03432363135333730bcbc4a4e494d43474be522d0037")
    session = an_unsigned_session(1, holder="0123456789abcdef" * 2)
    key = store.unsigned_sessions.session_key(ACCOUNT, CHAIN, session.id)
    link = store.unsigned_sessions._link
    await link.command("SET", key, raw)

    found = await store.sessions.get(ACCOUNT, CHAIN, session.id)
    assert await create(store, session, at_least=8) == 8

    assert found is not None
    assert (found.entity_id, found.key, found.permissions) == (7, session.key, session.permissions)
    assert (found.holder, found.created_at, found.deadline) == (session.holder, session.created_at, session.deadline)
    assert await link.command("GET", key) == raw[:-1] + b"8"
    assert (
        hashlib.sha256(_COMMON_TEXT).hexdigest().startswith("a5822f2da9f242df")
    )  # other records use other parts of it
