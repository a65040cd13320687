"""Properties of the storage that are specific to Redis: keys, slots and expiry."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from tests.contract.sample import (
    ACCOUNT,
    CHAIN,
    FAR_FUTURE,
    ORGANIZATION,
    SIGNED,
    SIGNER,
    a_call,
    a_session,
    some_claims,
)
from tests.contract.sample_store import (
    CONSENT_NONCE,
    INDEXED,
    KEY,
    SECRET_CALLER,
    SECRET_KEY,
    SESSION_CALL,
    THEIRS,
    UNSIGNED,
    UNSIGNED_RULED,
    fill_organization,
    fill_shared,
)
from wallet_rpc.adapters.jwt_tokens import SKEW_SECONDS
from wallet_rpc.adapters.redis_events import MARK_SECONDS
from wallet_rpc.adapters.redis_outbox import SHARDS
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import KEEP_CALLS_SECONDS, RedisOrganizationStore, RedisStore
from wallet_rpc.adapters.redis_unsigned import EXPIRED_INDEX_SECONDS
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.event import EVENT_LIMITS
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.primitives import Address, EntityId, SessionId

RULED = SessionReference(account=ACCOUNT, chain_id=CHAIN, entity_id=EntityId(1))
"""The session that has rules."""


def _find_outbox(store: RedisStore, keys: Iterable[str]) -> set[str]:
    """Return the key of the outbox's shard that has the call."""
    found = {store.outbox.schedule_key(shard) for shard in range(SHARDS)} & set(keys)
    assert 1 <= len(found) <= 2  # two calls
    return found


@pytest.fixture
async def redis(redis_server: RedisServer) -> Redis:
    return Redis.from_url(redis_server.url, single_connection_client=True)


async def _expiry_times(store: RedisStore, redis: Redis) -> dict[str, int]:
    """Return every key of the store with the seconds until its expiry; -1 for none."""
    prefix = store.accounts.list_key(SIGNER).partition("{")[0]
    return {key.decode(): await redis.ttl(key) async for key in redis.scan_iter(f"{prefix}*")}


def _permanent_keys(storage: RedisOrganizationStore) -> set[str]:
    """Return the keys of an organisation that never expire."""
    return {
        storage.accounts.list_key(SIGNER),
        storage.accounts.index_key(SIGNER),
        storage.accounts.confirmed_key(SIGNER),
        storage.accounts.hint_key(ACCOUNT),
        storage.accounts.name_key(THEIRS.id),
        storage.unsigned_sessions.entities_key(ACCOUNT, CHAIN),
        storage.sessions.revoked_key(ACCOUNT, CHAIN),
        storage.sessions.end_key(ACCOUNT, CHAIN, 1),
        storage.sessions.session_key(ACCOUNT, CHAIN, a_session(number=2).id),
        storage.groups.records_key,
        storage.groups.sessions_key,
        storage.groups.by_creation_key,
        storage.groups.by_expiry_key,
        storage.groups.revoked_key,
        storage.audit.entries_key(),
        storage.audit.head_key(),
        *storage.rules.keys(RULED),
        storage.approvals.key,
        storage.events.ends_key,
        storage.events.announced_key,
        storage.events.schedule_key,
        storage.grant_policy.refused_key(),
        *storage.stops.opened.keys,
        storage.stops.switches_key,
        storage.stops.paused_key(ACCOUNT, CHAIN),
        storage.stops.controllers_key(ACCOUNT, CHAIN),
        storage.session_index.entries_key,
        storage.session_index.tags_key,
        *storage.session_index.set_keys(INDEXED, tags=["tag"]),
    }


@pytest.mark.parametrize("organization", [OPEN_ORGANIZATION, ORGANIZATION])
async def test_an_organizations_keys_are_those_in_the_specification(
    store: RedisStore, redis: Redis, organization: OrganizationId
) -> None:
    storage = store.for_organization(organization)
    await fill_organization(storage)
    expiry_times = await _expiry_times(store, redis)
    await redis.aclose()

    sessions, calls, tokens = storage.sessions, storage.calls, storage.tokens
    forever = _permanent_keys(storage)
    call = a_call()
    schedule = {store.event_schedule.times_key, store.event_schedule.counts_key}
    events = {storage.events.stream_key: EVENT_LIMITS.seconds, storage.events.marks_key: MARK_SECONDS}
    month = {key(CHAIN, call.hash) for key in (calls.call_key, calls.signed_key, calls.events_key)}
    month |= {calls.nonce_key(CHAIN, ACCOUNT, each.nonce) for each in (call, SESSION_CALL)}
    month |= {key(CHAIN, SESSION_CALL.hash) for key in (calls.call_key, calls.signed_key, calls.events_key)}
    two_months = {calls.by_session.key(INDEXED.reference)}
    bounded = {
        sessions.session_key(ACCOUNT, CHAIN, a_session().id),
        storage.unsigned_sessions.trust_key(ACCOUNT, CHAIN, SECRET_CALLER),
        storage.unsigned_sessions.session_key(ACCOUNT, CHAIN, UNSIGNED.id),
        storage.unsigned_sessions.holder_key(UNSIGNED.holder),
        storage.stops.nonce_key(ACCOUNT, CHAIN, CONSENT_NONCE),
        storage.stops.creation_key(INDEXED.reference),
        storage.stops.creations_key(ACCOUNT, CHAIN),
        storage.rules.rules_key(UNSIGNED_RULED),
    }
    expired_index = storage.unsigned_sessions.index_keys(ACCOUNT, CHAIN)[0]
    skewed = {tokens.token_key(some_claims().id), tokens.revoked_key(some_claims().id)}
    forever |= (outbox := _find_outbox(store, expiry_times)) | schedule
    assert set(expiry_times) == forever | month | two_months | bounded | skewed | {expired_index, *events}
    assert {key for key, seconds in expiry_times.items() if seconds == -1} == forever
    assert all(KEEP_CALLS_SECONDS - 60 < expiry_times[key] <= KEEP_CALLS_SECONDS for key in month)
    assert all(0 <= 2 * KEEP_CALLS_SECONDS - expiry_times[key] < 60 for key in two_months)
    assert all(seconds - 60 < expiry_times[key] <= seconds for key, seconds in events.items())
    left = FAR_FUTURE - time.time()
    assert all(abs(expiry_times[key] - left) < 50 for key in bounded)
    assert abs(expiry_times[expired_index] - left - EXPIRED_INDEX_SECONDS) < 50
    assert all(abs(expiry_times[key] - left - SKEW_SECONDS) < 50 for key in skewed)
    prefix = store.directory._link.prefix + ("" if organization == OPEN_ORGANIZATION else f":{organization}")
    stops, entities = storage.stops, storage.unsigned_sessions.entities_key
    getters = entities, sessions.revoked_key, stops.paused_key, stops.controllers_key
    shared = {getter(ACCOUNT, CHAIN) for getter in getters} | {stops.nonce_key(ACCOUNT, CHAIN, CONSENT_NONCE)}
    shared |= {*storage.rules.keys(RULED), storage.rules.rules_key(UNSIGNED_RULED)}
    shared |= {stops.creation_key(INDEXED.reference), stops.creations_key(ACCOUNT, CHAIN)}
    expected = set() if organization == OPEN_ORGANIZATION else shared | {sessions.end_key(ACCOUNT, CHAIN, 1)} | outbox
    expected |= set() if organization == OPEN_ORGANIZATION else schedule
    assert {key for key in expiry_times if not key.startswith(f"{prefix}:{{")} == expected


async def test_the_shared_keys_are_those_in_the_specification(store: RedisStore, redis: Redis) -> None:
    await fill_shared(store)
    expiry_times = await _expiry_times(store, redis)
    await redis.aclose()

    directory, link = store.directory, store.directory._link
    month = f"{datetime.now(UTC):%Y-%m}"
    forever = {
        directory.organizations_key(),
        directory.organization_key(ORGANIZATION),
        directory.api_keys_key(ORGANIZATION),
        directory.api_key_key(KEY.id),
    }
    minutes = {link.key(f"limit:{each}", "minute") for each in (KEY.id, some_claims().id)} | {link.key("ready:0")}
    assert set(expiry_times) == forever | minutes | {link.key(f"limit:{KEY.id}", "month", month)}
    assert {key for key, seconds in expiry_times.items() if seconds == -1} == forever
    assert all(50 < expiry_times[key] <= 60 for key in minutes)


async def test_neither_an_api_key_nor_a_callers_name_is_in_redis(store: RedisStore, redis: Redis) -> None:
    await fill_shared(store)
    await fill_organization(store)
    found = [key async for key in redis.scan_iter(match=f"{store.directory._link.prefix}:*")]
    for key in list(found):
        match await redis.type(key):
            case b"hash":
                found += [part for pair in (await redis.hgetall(key)).items() for part in pair]
            case b"list":
                found += await redis.lrange(key, 0, -1)
            case b"zset":
                found += await redis.zrange(key, 0, -1)
            case b"set":
                found += await redis.smembers(key)
            case b"stream":
                found.append(repr(await redis.xrange(key)).encode())
            case _:
                found.append(await redis.get(key))
    await redis.aclose()

    assert KEY.digest.encode() in b" ".join(found)
    assert not any(secret.encode() in text for secret in (SECRET_KEY, SECRET_CALLER) for text in found)


async def test_a_malformed_record_is_not_the_callers_error(store: RedisStore, redis: Redis) -> None:
    await store.calls.claim(a_call(), SIGNED)
    await redis.hset(store.calls.call_key(CHAIN, a_call().hash), "call", '{"version": 1}')
    await redis.aclose()

    with pytest.raises(ValueError, match="the stored CallRecord record is malformed"):
        await store.calls.get(CHAIN, a_call().hash)


def test_all_keys_of_an_account_on_a_chain_share_a_slot_and_accounts_are_spread() -> None:
    store = RedisStore.open("redis://nowhere")
    sessions, unsigned = store.sessions, store.unsigned_sessions

    def slots(account: Address) -> set[int]:
        keys = (
            unsigned.entities_key(account, CHAIN),
            sessions.session_key(account, CHAIN, SessionId(bytes(16))),
            sessions.session_key(account, CHAIN, SessionId(b"\x01" * 16)),
            unsigned.session_key(account, CHAIN, SessionId(bytes(16))),
            *unsigned.index_keys(account, CHAIN),
            unsigned.trust_key(account, CHAIN, "alice"),
            sessions.revoked_key(account, CHAIN),
            sessions.end_key(account, CHAIN, 1),
        )
        return {key_slot(key.encode()) for key in keys}

    found = [slots(Address(number.to_bytes(20))) for number in range(50)]
    assert all(len(slot) == 1 for slot in found)
    assert len(set.union(*found)) > 40


def test_the_groups_and_the_log_of_an_organization_have_a_slot_each_and_organizations_are_spread() -> None:
    store = RedisStore.open("redis://nowhere")

    def slots(organization: OrganizationId) -> tuple[set[int], set[int]]:
        storage = store.for_organization(organization)
        groups = storage.groups
        group_keys = groups.records_key, groups.sessions_key, groups.by_creation_key, groups.by_expiry_key
        all_keys = (*group_keys, groups.revoked_key), storage.audit._keys()
        of_groups, of_audit = ({key_slot(key.encode()) for key in keys} for keys in all_keys)
        return of_groups, of_audit

    found = [each for number in range(50) for each in slots(OrganizationId(f"org_{number}"))]
    assert all(len(slot) == 1 for slot in found)
    assert len(set.union(*found)) > 80
