"""Backfill of the indexes of sessions and calls, with records that servers without these indexes wrote."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.contract.sample import ACCOUNT, CHAIN, FAR_FUTURE, NOW, a_call, a_group, a_session, an_install
from tests.contract.unsigned import write_pending
from wallet_rpc.adapters import redis_session_backfill
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_session_backfill import REPEAT_SECONDS
from wallet_rpc.adapters.redis_store import RedisOrganizationStore, RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.session_reference import SessionQuery, SessionReference
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import EntityId, Hash32

ORGANIZATIONS = (OPEN_ORGANIZATION, OrganizationId("org_one"), OrganizationId("org_Two2"))
RECENTLY = int(time.time()) - 1000
FIRST = SessionReference(account=ACCOUNT, chain_id=CHAIN, entity_id=EntityId(1))


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_server.url) as client:
        yield client


def session_call(number: int, *, entity_id: int = 1) -> CallRecord:
    nonce = NonceKey(entity_id=entity_id, is_global=True).nonce(number)
    return replace(a_call(number=number, nonce=nonce), sent_at=RECENTLY + number)


async def fill(store: RedisStore) -> None:
    """Write sessions and calls of three organisations as servers without indexes did."""
    for number, organization in enumerate(ORGANIZATIONS):
        storage = store.for_organization(organization)
        await write_pending(storage, a_session(number=10 + number))
        await storage.sessions.activate(a_session(number=20 + number), forget_at=FAR_FUTURE)
        await storage.sessions.activate(a_session(number=30 + number), forget_at=None)
        await storage.groups.register(a_group(number, an_install(30 + number), workflow_id="flow"))
        for call in (session_call(3 * number + 1), session_call(3 * number + 2), a_call(number=90 + number)):
            await storage.calls.claim(call, "{}")


async def forget_indexes(store: RedisStore, redis: Redis) -> None:
    """Delete the indexes, which leaves what a server without them wrote."""
    prefix = store.directory._link.prefix
    for pattern in ("*{sessions:*", "*}:calls:*"):
        async for key in redis.scan_iter(f"{prefix}:{pattern}"):
            await redis.delete(key)


async def listed(storage: RedisOrganizationStore, query: SessionQuery | None = None) -> list[int]:
    page = await storage.session_index.page(query or SessionQuery(), now=NOW, after=b"", limit=100)
    return sorted(int.from_bytes(each.id) for each in page.sessions)


async def calls_of(storage: RedisOrganizationStore) -> list[Hash32]:
    page = await storage.calls.page_of_session(FIRST, now=NOW, after=b"", limit=9)
    return [each.hash for each in page.calls]


async def test_old_records_are_indexed_once_for_every_organisation(store: RedisStore, redis: Redis) -> None:
    await fill(store)
    await forget_indexes(store, redis)
    assert await listed(store) == []

    await asyncio.gather(*(store.for_organization(each).session_index.complete(NOW) for each in ORGANIZATIONS))

    for number, organization in enumerate(ORGANIZATIONS):
        storage = store.for_organization(organization)
        assert await listed(storage) == [10 + number, 20 + number, 30 + number]
        assert await listed(storage, SessionQuery(tag="flow")) == [30 + number]
        expected = [session_call(3 * number + 2).hash, session_call(3 * number + 1).hash]
        assert await calls_of(storage) == expected
    pending = await store.session_index.find(a_session(number=10).id)
    signed = await store.session_index.find(a_session(number=30).id)
    assert pending is not None
    assert signed is not None
    assert (abs((pending.forget_at or 0) - FAR_FUTURE) > 0, signed.forget_at) == (True, None)


async def test_the_backfill_is_final_an_hour_after_the_first_scan(store: RedisStore, redis: Redis) -> None:
    await store.session_index.complete(NOW)
    mark = store._backfill.mark_key
    assert await redis.get(mark) == str(NOW).encode()

    await store.sessions.activate(a_session(number=5), forget_at=None)  # by a server without the index
    await store.session_index.complete(NOW + REPEAT_SECONDS - 1)
    assert await listed(store) == []

    await store.session_index.complete(NOW + REPEAT_SECONDS)
    assert store._backfill._scan is not None
    await store._backfill._scan
    assert await redis.get(mark) == b"done"
    assert await listed(store) == [5]


async def test_replicas_that_fill_the_index_at_once_agree(store: RedisStore, redis: Redis, redis_url: str) -> None:
    await fill(store)
    await forget_indexes(store, redis)
    name = store.directory._link.prefix.removesuffix(":1")
    replicas = [RedisStore.open(redis_url, prefix=name) for _ in range(3)]
    late = a_session(number=40)

    await asyncio.gather(
        *(replica.session_index.complete(NOW) for replica in replicas),
        store.sessions.activate(late, forget_at=None),
        store.sessions.revoke(ACCOUNT, CHAIN, 20),
    )
    for replica in replicas:
        await replica.close()

    assert set(await listed(store)) - {40} == {10, 20, 30}


async def test_a_request_does_not_wait_for_a_long_scan(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(store)
    going = asyncio.Event()
    add_all = redis_session_backfill.SessionBackfill._add_all

    async def add_later(backfill: Any, keys: Sequence[str], now: int) -> None:
        await going.wait()
        await add_all(backfill, keys, now)

    monkeypatch.setattr(redis_session_backfill.SessionBackfill, "_add_all", add_later)
    monkeypatch.setattr(redis_session_backfill, "SCAN_WAIT_SECONDS", 0.01)

    with pytest.raises(Unavailable) as error_info:
        await store.session_index.complete(NOW)
    assert (error_info.value.reason, error_info.value.retryable) == ("session_index_incomplete", True)

    going.set()
    scan = store._backfill._scan
    assert scan is not None
    await scan
    await store.session_index.complete(NOW)


async def test_a_malformed_record_does_not_stop_the_backfill(store: RedisStore, redis: Redis) -> None:
    await store.sessions.activate(a_session(number=2), forget_at=None)
    await redis.hset(store.sessions.session_key(ACCOUNT, CHAIN, a_session(number=7).id), "record", '{"version": 2}')

    await store.session_index.complete(NOW)

    assert await listed(store) == [2]


async def test_calls_of_a_session_are_listed_in_pages(store: RedisStore) -> None:
    calls = [session_call(number) for number in range(1, 6)]
    for call in calls:
        await store.calls.claim(call, "{}")
        await asyncio.sleep(0.002)  # the order is that of milliseconds
    await store.calls.claim(session_call(9, entity_id=2), "{}")

    newest = await store.calls.page_of_session(FIRST, now=NOW, after=b"", limit=3)
    rest = await store.calls.page_of_session(FIRST, now=NOW, after=newest.next_page, limit=3)
    assert [each.hash for each in (*newest.calls, *rest.calls)] == [call.hash for call in reversed(calls)]
    assert rest.next_page == b""


async def test_a_call_whose_record_is_gone_leaves_the_lists(store: RedisStore, redis: Redis) -> None:
    lost, kept = session_call(1), session_call(2)
    for call in (lost, kept):
        await store.calls.claim(call, "{}")
    await redis.delete(store.calls.call_key(CHAIN, lost.hash))

    later = int(time.time()) + 1000
    page = await store.calls.page_of_session(FIRST, now=later, after=b"", limit=9)

    assert [each.hash for each in page.calls] == [kept.hash]
    assert await redis.zrange(store.calls.by_session.key(FIRST), 0, -1) == [kept.hash]
