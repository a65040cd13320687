"""Properties of the storage that are specific to Redis: keys, slots, expiry and commands."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from tests.contract.sample import (
    ACCOUNT,
    CHAIN,
    FAR_FUTURE,
    NOW,
    ORGANIZATION,
    SIGNED,
    SIGNER,
    a_call,
    a_group,
    a_key,
    a_session,
    an_account,
    an_event,
    an_install,
    an_organization,
    some_claims,
)
from tests.support.api_keys import caller_of
from wallet_rpc.adapters.jwt_tokens import SKEW_SECONDS
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_outbox import SHARDS
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import KEEP_CALLS_SECONDS, RedisOrganizationStore, RedisStore
from wallet_rpc.adapters.redis_unsigned import EXPIRED_INDEX_SECONDS
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.records import SessionState
from wallet_rpc.domain.session_group import SessionFilter
from wallet_rpc.domain.session_record import UnsignedSession, UnsignedSessionLimits
from wallet_rpc.primitives import Address, EntityId, SessionId

SECRET_CALLER = "api-key-7f3a"
SECRET_KEY = "wrk_one"
THEIRS = an_account()
KEY = a_key(SECRET_KEY, requests_per_month=9)
UNSIGNED = UnsignedSession(
    account=ACCOUNT,
    chain_id=CHAIN,
    id=a_session(number=3).id,
    holder=a_session(number=3).holder,
    is_trusted=False,
    forget_at=FAR_FUTURE,
)
ONE_EACH = UnsignedSessionLimits(per_holder=1, per_account=1)
GROUP = a_group(1, an_install(1), an_install(2))


async def _fill(storage: RedisOrganizationStore) -> None:
    await storage.accounts.add(THEIRS, after=0)
    await storage.accounts.find_by_signer(SIGNER)
    await storage.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=EntityId(1), trusted=True)
    await storage.accounts.confirm(THEIRS)
    await storage.unsigned_sessions.claim(UNSIGNED, ONE_EACH, now=NOW)
    await storage.sessions.save(a_session(number=3, state=SessionState.PENDING), forget_at=FAR_FUTURE)
    await storage.sessions.save(a_session(), forget_at=FAR_FUTURE)
    await storage.sessions.save(a_session(number=2), forget_at=None)
    await storage.sessions.revoke(ACCOUNT, CHAIN, 1)
    await storage.sessions.set_expiry(ACCOUNT, CHAIN, 1, at=NOW)
    await storage.sessions.trust(ACCOUNT, CHAIN, SECRET_CALLER, forget_at=FAR_FUTURE)
    await storage.calls.claim(a_call(), SIGNED)
    await storage.calls.update(a_call(), a_call())
    await storage.groups.register(GROUP)
    await storage.groups.revoke(GROUP.id, GROUP.installs[0].session_id, at=NOW)
    await storage.tokens.add(some_claims())
    await storage.tokens.revoke(some_claims().id, until=FAR_FUTURE)
    await storage.audit.append(an_event())


def _find_outbox(store: RedisStore, keys: Iterable[str]) -> set[str]:
    """Return the key of the outbox's shard that has the call."""
    found = {store.outbox.schedule_key(shard) for shard in range(SHARDS)} & set(keys)
    assert len(found) == 1
    return found


async def _fill_shared(store: RedisStore) -> None:
    await store.directory.add_organization(an_organization())
    await store.directory.add_key(KEY)
    await store.directory.revoke_key(KEY.id, at=NOW)
    await store.limiter.take(caller_of(KEY, token=some_claims()), 1, now=int(time.time()))
    await store.check_writable()


@pytest.fixture
async def redis(redis_server: RedisServer) -> Redis:
    return Redis.from_url(redis_server.url, single_connection_client=True)


async def _expiry_times(store: RedisStore, redis: Redis) -> dict[str, int]:
    """Return every key of the store with the seconds until its expiry; -1 for none."""
    prefix = store.accounts.list_key(SIGNER).partition("{")[0]
    return {key.decode(): await redis.ttl(key) async for key in redis.scan_iter(f"{prefix}*")}


@pytest.mark.parametrize("organization", [OPEN_ORGANIZATION, ORGANIZATION])
async def test_an_organizations_keys_are_those_in_the_specification(
    store: RedisStore, redis: Redis, organization: OrganizationId
) -> None:
    storage = store.for_organization(organization)
    await _fill(storage)
    expiry_times = await _expiry_times(store, redis)
    await redis.aclose()

    sessions, calls, tokens = storage.sessions, storage.calls, storage.tokens
    forever = {
        storage.accounts.list_key(SIGNER),
        storage.accounts.index_key(SIGNER),
        storage.accounts.confirmed_key(SIGNER),
        storage.accounts.hint_key(ACCOUNT),
        storage.accounts.name_key(THEIRS.id),
        sessions.entities_key(ACCOUNT, CHAIN),
        sessions.revoked_key(ACCOUNT, CHAIN),
        sessions.end_key(ACCOUNT, CHAIN, 1),
        sessions.session_key(ACCOUNT, CHAIN, a_session(number=2).id),
        storage.groups.records_key,
        storage.groups.sessions_key,
        storage.groups.by_creation_key,
        storage.groups.by_expiry_key,
        storage.groups.revoked_key,
        storage.audit.entries_key(),
        storage.audit.head_key(),
    }
    call = a_call()
    month = {key(CHAIN, call.hash) for key in (calls.call_key, calls.signed_key)}
    month |= {calls.nonce_key(CHAIN, ACCOUNT, call.nonce)}
    bounded = {
        sessions.session_key(ACCOUNT, CHAIN, a_session().id),
        sessions.trust_key(ACCOUNT, CHAIN, SECRET_CALLER),
        storage.unsigned_sessions.session_key(ACCOUNT, CHAIN, UNSIGNED.id),
        storage.unsigned_sessions.holder_key(UNSIGNED.holder),
    }
    expired_index = storage.unsigned_sessions.index_keys(ACCOUNT, CHAIN)[0]
    skewed = {tokens.token_key(some_claims().id), tokens.revoked_key(some_claims().id)}
    forever |= (outbox := _find_outbox(store, expiry_times))
    assert set(expiry_times) == forever | month | bounded | skewed | {expired_index}
    assert {key for key, seconds in expiry_times.items() if seconds == -1} == forever
    assert all(KEEP_CALLS_SECONDS - 60 < expiry_times[key] <= KEEP_CALLS_SECONDS for key in month)
    left = FAR_FUTURE - time.time()
    assert all(abs(expiry_times[key] - left) < 50 for key in bounded)
    assert abs(expiry_times[expired_index] - left - EXPIRED_INDEX_SECONDS) < 50
    assert all(abs(expiry_times[key] - left - SKEW_SECONDS) < 50 for key in skewed)
    prefix = store.directory._link.prefix + ("" if organization == OPEN_ORGANIZATION else f":{organization}")
    shared = {getter(ACCOUNT, CHAIN) for getter in (sessions.entities_key, sessions.revoked_key)}
    expected = set() if organization == OPEN_ORGANIZATION else shared | {sessions.end_key(ACCOUNT, CHAIN, 1)} | outbox
    assert {key for key in expiry_times if not key.startswith(f"{prefix}:{{")} == expected


async def test_the_shared_keys_are_those_in_the_specification(store: RedisStore, redis: Redis) -> None:
    await _fill_shared(store)
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
    await _fill_shared(store)
    await _fill(store)
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
            sessions.entities_key(account, CHAIN),
            sessions.session_key(account, CHAIN, SessionId(bytes(16))),
            sessions.session_key(account, CHAIN, SessionId(b"\x01" * 16)),
            unsigned.session_key(account, CHAIN, SessionId(bytes(16))),
            *unsigned.index_keys(account, CHAIN),
            sessions.trust_key(account, CHAIN, "alice"),
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


async def test_every_script_touches_only_the_keys_it_names_and_these_share_a_slot(
    store: RedisStore, redis: Redis
) -> None:
    """In a cluster such a script fails; here the server's monitor shows the keys of each one."""
    async with redis.monitor() as monitor:
        await _fill(store)
        await _fill_shared(store)
        await store.outbox._take_from(0, NOW)
        await store.directory._link.command("PING")
        named: list[str] = []
        touched: set[str] = set()
        async for seen in monitor.listen():
            if (words := seen["command"].split(" "))[0] == "PING":
                break
            if words[0] in {"EVALSHA", "EVAL"}:
                named = words[3 : 3 + int(words[2])]
                assert len({key_slot(key.encode()) for key in named}) == 1
            elif seen["client_type"] == "lua":
                keys = set(words[1:]) & set(named)  # the key is the second word, except in stream commands
                assert len(keys) == 1
                touched |= keys
    await redis.aclose()

    assert len(touched) == 31


async def test_every_command_is_idempotent(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lost connection the link repeats a command, of which only the reply may be lost."""
    run, command = Link.run, Link.command

    async def run_twice(*arguments: Any) -> Any:
        await run(*arguments)
        return await run(*arguments)

    async def command_twice(*arguments: Any) -> Any:
        await command(*arguments)
        return await command(*arguments)

    monkeypatch.setattr(Link, "run", run_twice)
    monkeypatch.setattr(Link, "command", command_twice)
    first, second = (install.session_id for install in GROUP.installs)

    assert await store.accounts.add(THEIRS, after=0)
    assert await store.accounts.find_by_id(THEIRS.id) == (THEIRS,)
    assert await store.unsigned_sessions.claim(UNSIGNED, ONE_EACH, now=NOW) is None
    await store.sessions.save(a_session(number=3, state=SessionState.PENDING), forget_at=FAR_FUTURE)
    await store.sessions.save(a_session(), forget_at=FAR_FUTURE)
    entity_id = await store.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=EntityId(1), trusted=False)
    assert entity_id == 2  # the repeat skips 1
    assert await store.calls.claim(a_call(), SIGNED) is None
    assert await store.groups.register(GROUP) == GROUP
    assert await store.groups.revoke(GROUP.id, first, at=NOW)
    assert not await store.groups.revoke(GROUP.id, first, at=NOW)
    page = await store.groups.page(SessionFilter(), now=GROUP.installs[1].expires_at - 1, offset=0, limit=9)
    assert [each.install.session_id for each in page] == [second]
    assert await store.groups.page(SessionFilter(), now=GROUP.installs[1].expires_at, offset=0, limit=9) == ()
    assert await store.tokens.revoke(some_claims().id, until=FAR_FUTURE)
    assert not await store.tokens.revoke(some_claims().id, until=FAR_FUTURE)
    for number in range(2):
        await store.audit.append(an_event(number=number))
    assert (await store.audit.verify()).failure is None
    assert (await store.audit.head()).count == 2
    await store.directory.add_organization(an_organization())
    await store.directory.add_key(KEY)
    assert await store.directory.revoke_key(KEY.id, at=NOW)
    assert not await store.directory.revoke_key(KEY.id, at=NOW)
    assert len(await store.directory.keys_of(ORGANIZATION)) == 1
