"""Contract of `ports.storage.Sessions` on a real Redis: compact records and older versions."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.contract.sample import ACCOUNT, CHAIN, SIGNER, a_session
from tests.contract.unsigned import SOON, write_pending
from wallet_rpc import wire
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.records import KeyType, Session, SessionKey, SessionState
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import Address, SessionId

OTHER = Address(b"\x33" * 20)
VERSION_1_FILE = Path(__file__).parent / "sessions_of_form_1.json"
"""Hashes in record version 1, which servers wrote before the compact form."""
FIVE: list[dict[str, Any]] = json.loads(json.loads(VERSION_1_FILE.read_text())[1]["hash"]["record"])["permissions"]


@pytest.fixture
async def redis(redis_server: RedisServer) -> Redis:
    return Redis.from_url(redis_server.url, single_connection_client=True)


def pending_session(number: int = 1) -> Session:
    return a_session(number=number, state=SessionState.PENDING)


async def test_a_session_is_found_by_its_account_and_chain_only(store: RedisStore) -> None:
    await store.sessions.activate(a_session(), forget_at=None)
    await write_pending(store, pending_session(2))
    for session in (a_session(), pending_session(2)):
        assert await store.sessions.get(ACCOUNT, CHAIN, session.id) == session
        assert await store.sessions.get(OTHER, CHAIN, session.id) is None
        assert await store.sessions.get(ACCOUNT, CHAIN + 1, session.id) is None
    assert await store.sessions.get(ACCOUNT, CHAIN, SessionId(bytes(16))) is None


async def test_a_pending_session_is_deleted_at_its_expiry_and_an_active_one_is_not(store: RedisStore) -> None:
    soon = int(time.time()) + 2
    await write_pending(store, pending_session(1), forget_at=soon)
    await write_pending(store, pending_session(2), forget_at=soon)
    await store.sessions.activate(a_session(number=2), forget_at=None)

    await asyncio.sleep(soon + 0.1 - time.time())

    assert await store.sessions.get(ACCOUNT, CHAIN, pending_session(1).id) is None
    assert await store.sessions.get(ACCOUNT, CHAIN, pending_session(2).id) == a_session(number=2)


async def test_an_active_session_does_not_become_pending_again(store: RedisStore) -> None:
    await store.sessions.activate(a_session(), forget_at=None)

    await write_pending(store, pending_session())

    assert await store.sessions.get(ACCOUNT, CHAIN, a_session().id) == a_session()


async def test_a_record_of_a_newer_server_is_neither_read_nor_overwritten(store: RedisStore, redis: Redis) -> None:
    session = a_session()
    key = store.sessions.session_key(ACCOUNT, CHAIN, session.id)
    await redis.hset(key, mapping={"record": '{"version":3}', "version": "3"})

    with pytest.raises(Unavailable, match="version 3, expected at most 2: run a newer server") as read:
        await store.sessions.get(ACCOUNT, CHAIN, session.id)
    with pytest.raises(Unavailable, match="version 3") as written:
        await store.sessions.activate(session, forget_at=None)

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
        await store.sessions.activate(replace(found, state=SessionState.ACTIVE), forget_at=None)

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
    await write_pending(store, session)
    now = store.unsigned_sessions.session_key(session.account, session.chain_id, session.id)
    return (await redis.memory_usage(before) or 0), (await redis.memory_usage(now) or 0)


async def test_a_compact_record_needs_a_fraction_of_the_memory(store: RedisStore, redis: Redis) -> None:
    for old, max_ratio in zip(json.loads(VERSION_1_FILE.read_text())[:2], (0.3, 0.2), strict=True):
        session = wire.decode(Session, json.loads(old["hash"]["record"]))
        before, now = await sizes(store, redis, old["hash"], session)
        assert 0 < now < before * max_ratio
    await redis.aclose()


async def test_a_contract_key_reads_back(store: RedisStore) -> None:
    session = replace(pending_session(), key=SessionKey(type=KeyType.CONTRACT, address=SIGNER))
    await write_pending(store, session)

    assert await store.sessions.get(ACCOUNT, CHAIN, session.id) == session
