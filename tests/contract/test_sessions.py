"""Contract of `ports.storage.Sessions` on a real Redis: compact records, limits of unsigned ones, older versions."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.contract.sample import ACCOUNT, CHAIN, FAR_FUTURE, NOW, SIGNER, a_session
from wallet_rpc import wire
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.records import KeyType, Session, SessionKey, SessionState
from wallet_rpc.domain.session_record import UnsignedSession, UnsignedSessionLimits
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports.storage import UnsignedSessionBound
from wallet_rpc.primitives import Address, SessionId

OTHER = Address(b"\x33" * 20)
VERSION_1_FILE = Path(__file__).parent / "sessions_of_form_1.json"
"""Hashes in record version 1, which servers wrote before the compact form."""
FIVE: list[dict[str, Any]] = json.loads(json.loads(VERSION_1_FILE.read_text())[1]["hash"]["record"])["permissions"]
SOON = int(time.time()) + 100_000


@pytest.fixture
async def redis(redis_server: RedisServer) -> Redis:
    return Redis.from_url(redis_server.url, single_connection_client=True)


def pending_session(number: int = 1) -> Session:
    return a_session(number=number, state=SessionState.PENDING)


async def test_a_session_is_found_by_its_account_and_chain_only(store: RedisStore) -> None:
    for session, forget_at in ((a_session(), None), (pending_session(2), SOON)):
        await store.sessions.save(session, forget_at=forget_at)

        assert await store.sessions.get(ACCOUNT, CHAIN, session.id) == session
        assert await store.sessions.get(OTHER, CHAIN, session.id) is None
        assert await store.sessions.get(ACCOUNT, CHAIN + 1, session.id) is None
    assert await store.sessions.get(ACCOUNT, CHAIN, SessionId(bytes(16))) is None


async def test_a_pending_session_is_deleted_at_its_expiry_and_an_active_one_is_not(store: RedisStore) -> None:
    soon = int(time.time()) + 2
    await store.sessions.save(pending_session(1), forget_at=soon)
    await store.sessions.save(pending_session(2), forget_at=soon)
    await store.sessions.save(a_session(number=2), forget_at=None)

    await asyncio.sleep(soon + 0.1 - time.time())

    assert await store.sessions.get(ACCOUNT, CHAIN, pending_session(1).id) is None
    assert await store.sessions.get(ACCOUNT, CHAIN, pending_session(2).id) == a_session(number=2)


async def test_a_pending_session_needs_an_expiry(store: RedisStore) -> None:
    with pytest.raises(ValueError, match="forget_at: received None"):
        await store.sessions.save(pending_session(), forget_at=None)


async def test_an_active_session_does_not_become_pending_again(store: RedisStore) -> None:
    await store.sessions.save(a_session(), forget_at=None)

    await store.sessions.save(pending_session(), forget_at=FAR_FUTURE)

    assert await store.sessions.get(ACCOUNT, CHAIN, a_session().id) == a_session()


async def test_a_record_of_a_newer_server_is_neither_read_nor_overwritten(store: RedisStore, redis: Redis) -> None:
    session = a_session()
    key = store.sessions.session_key(ACCOUNT, CHAIN, session.id)
    await redis.hset(key, mapping={"record": '{"version":3}', "version": "3"})

    with pytest.raises(Unavailable, match="version 3, expected at most 2: run a newer server") as read:
        await store.sessions.get(ACCOUNT, CHAIN, session.id)
    with pytest.raises(Unavailable, match="version 3") as written:
        await store.sessions.save(session, forget_at=None)

    assert read.value.reason == written.value.reason == "newer_record"
    assert await redis.hget(key, "record") == b'{"version":3}'
    await redis.aclose()


async def test_a_record_of_version_1_is_read_and_stored_in_version_2(store: RedisStore, redis: Redis) -> None:
    for old in json.loads(VERSION_1_FILE.read_text()):
        written = wire.decode(Session, json.loads(old["hash"]["record"]))
        names = written.account, written.chain_id, written.id
        key = store.sessions.session_key(*names)
        assert key.removeprefix(store.directory._link.prefix) == old["key"].removeprefix("wallet:1")
        await redis.hset(key, mapping=old["hash"])
        await redis.expireat(key, SOON)

        found = await store.sessions.get(*names)
        assert found == written
        await store.sessions.save(replace(found, state=SessionState.ACTIVE), forget_at=None)

        again = await store.sessions.get(*names)
        assert again == replace(written, state=SessionState.ACTIVE)
        assert await redis.hget(key, "version") == b"2"
        assert await redis.ttl(key) == -1
    await redis.aclose()


async def sizes(store: RedisStore, redis: Redis, old: dict[Any, Any], session: Session) -> tuple[int, int]:
    """Return the bytes of memory of an unsigned session in record version 1 and in the current one."""
    before = "before:" + store.sessions.session_key(ACCOUNT, CHAIN, session.id)
    await redis.hset(before, mapping=old)
    await redis.expireat(before, SOON)
    await store.sessions.save(session, forget_at=SOON)
    now = store.unsigned_sessions.session_key(session.account, session.chain_id, session.id)
    return (await redis.memory_usage(before) or 0), (await redis.memory_usage(now) or 0)


async def test_a_compact_record_needs_a_fraction_of_the_memory(store: RedisStore, redis: Redis) -> None:
    for old, max_ratio in zip(json.loads(VERSION_1_FILE.read_text())[:2], (0.3, 0.2), strict=True):
        session = wire.decode(Session, json.loads(old["hash"]["record"]))
        before, now = await sizes(store, redis, old["hash"], session)
        assert 0 < now < before * max_ratio
    await redis.aclose()


def unsigned_session(number: int, *, holder: str = "a", forget_at: int = SOON, **changes: Any) -> UnsignedSession:
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "chain_id": CHAIN,
        "id": SessionId(number.to_bytes(16, "big")),
        "is_trusted": False,
        "holder": holder,
        "forget_at": forget_at,
    }
    return UnsignedSession(**(values | changes))


BOUNDS = UnsignedSessionLimits(per_holder=5, per_account=3)


async def test_concurrent_claims_never_exceed_the_limit_of_an_account(store: RedisStore) -> None:
    claims = [store.unsigned_sessions.claim(unsigned_session(n, holder=str(n)), BOUNDS, now=NOW) for n in range(20)]

    found = await asyncio.gather(*claims)

    assert found.count(None) == 3
    assert set(found) == {None, UnsignedSessionBound.ACCOUNT}


async def test_concurrent_claims_never_exceed_the_limit_of_a_holder(store: RedisStore) -> None:
    accounts = [Address(secrets.token_bytes(20)) for _ in range(20)]
    claims = [
        store.unsigned_sessions.claim(unsigned_session(n, account=each), BOUNDS, now=NOW)
        for n, each in enumerate(accounts)
    ]

    found = await asyncio.gather(*claims)

    assert found.count(None) == 5
    assert set(found) == {None, UnsignedSessionBound.HOLDER}


async def test_untrusted_callers_do_not_use_up_the_limit_of_trusted_ones_or_other_accounts(store: RedisStore) -> None:
    for number in range(3):
        assert (
            await store.unsigned_sessions.claim(unsigned_session(number, holder=str(number)), BOUNDS, now=NOW) is None
        )
    assert await store.unsigned_sessions.claim(unsigned_session(3), BOUNDS, now=NOW) is UnsignedSessionBound.ACCOUNT

    assert await store.unsigned_sessions.claim(unsigned_session(4, is_trusted=True), BOUNDS, now=NOW) is None
    assert await store.unsigned_sessions.claim(unsigned_session(5, account=OTHER), BOUNDS, now=NOW) is None
    assert await store.unsigned_sessions.claim(unsigned_session(6, chain_id=CHAIN + 1), BOUNDS, now=NOW) is None


async def test_a_claim_rejected_for_the_account_does_not_count_for_the_holder(store: RedisStore) -> None:
    for number in range(3):
        await store.unsigned_sessions.claim(unsigned_session(number, holder="b"), BOUNDS, now=NOW)
    for number in range(3, 20):
        assert (
            await store.unsigned_sessions.claim(unsigned_session(number), BOUNDS, now=NOW)
            is UnsignedSessionBound.ACCOUNT
        )

    for number in range(20, 25):
        assert (
            await store.unsigned_sessions.claim(
                unsigned_session(number, account=OTHER, chain_id=number), BOUNDS, now=NOW
            )
            is None
        )


async def test_a_signed_released_or_expired_session_is_no_longer_counted(store: RedisStore) -> None:
    one = UnsignedSessionLimits(per_holder=1, per_account=1)
    session = replace(a_session(), holder="a")
    first = unsigned_session(1)
    assert await store.unsigned_sessions.claim(first, one, now=NOW) is None
    assert await store.unsigned_sessions.claim(unsigned_session(2), one, now=NOW) is UnsignedSessionBound.HOLDER
    await store.sessions.save(replace(session, state=SessionState.PENDING), forget_at=SOON)
    await store.sessions.save(session, forget_at=None)

    second = unsigned_session(2)
    assert await store.unsigned_sessions.claim(second, one, now=NOW) is None
    await store.unsigned_sessions.release(second)
    assert await store.unsigned_sessions.claim(unsigned_session(3), one, now=NOW) is None
    assert await store.unsigned_sessions.claim(unsigned_session(4), one, now=SOON - 1) is UnsignedSessionBound.HOLDER
    assert await store.unsigned_sessions.claim(unsigned_session(4, forget_at=SOON + 9), one, now=SOON) is None


@settings(max_examples=15)
@given(ends=st.lists(st.integers(1, 100), min_size=1, max_size=8), now=st.integers(0, 101))
async def test_an_expired_session_is_distinguished_from_an_unknown_one(
    redis_url: str, ends: list[int], now: int
) -> None:
    async with RedisStore.open(redis_url, prefix=f"test-{secrets.token_hex(8)}") as store:
        claimed = [unsigned_session(number, forget_at=SOON + end) for number, end in enumerate(ends)]
        bounds = UnsignedSessionLimits(per_holder=99, per_account=99)
        for session in claimed:
            await store.unsigned_sessions.claim(session, bounds, now=NOW)

        for session in claimed:
            found = await store.unsigned_sessions.is_forgotten(ACCOUNT, CHAIN, session.id, now=SOON + now)
            assert found == (session.forget_at <= SOON + now)
        assert not await store.unsigned_sessions.is_forgotten(OTHER, CHAIN, claimed[0].id, now=SOON + 999)
        assert not await store.unsigned_sessions.is_forgotten(ACCOUNT, CHAIN, unsigned_session(99).id, now=SOON + 999)


async def test_the_index_keeps_as_many_expired_sessions_as_the_limit_of_an_account(store: RedisStore) -> None:
    bounds = UnsignedSessionLimits(per_holder=99, per_account=2)
    for number in range(8):
        now = SOON + 10 * number
        assert (
            await store.unsigned_sessions.claim(unsigned_session(number, forget_at=now + 10), bounds, now=now) is None
        )

    forgotten = [
        await store.unsigned_sessions.is_forgotten(ACCOUNT, CHAIN, unsigned_session(n).id, now=SOON + 999)
        for n in range(8)
    ]
    assert forgotten == [False] * 5 + [True] * 3


async def test_a_contract_key_reads_back(store: RedisStore) -> None:
    session = replace(pending_session(), key=SessionKey(type=KeyType.CONTRACT, address=SIGNER))
    await store.sessions.save(session, forget_at=SOON)

    assert await store.sessions.get(ACCOUNT, CHAIN, session.id) == session
