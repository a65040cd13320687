"""What is particular to Redis: the keys, their slots, their lives, and the commands in use."""

from __future__ import annotations

import time

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from tests.contract.sample import ACCOUNT, CHAIN, FAR_FUTURE, SIGNER, a_call, a_session, an_account
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import KEEP_CALLS_SECONDS, RedisStore
from wallet_rpc.primitives import Address, EntityId, SessionId

SECRET_CALLER = "api-key-7f3a"


async def _fill(store: RedisStore) -> None:
    await store.accounts.add(an_account(), after=0)
    await store.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=EntityId(1), trusted=True)
    await store.sessions.put(a_session(), forget_at=FAR_FUTURE)
    await store.sessions.put(a_session(number=2), forget_at=None)
    await store.sessions.trust(ACCOUNT, CHAIN, SECRET_CALLER, forget_at=FAR_FUTURE)
    await store.calls.claim(a_call())


@pytest.fixture
async def redis(redis_server: RedisServer) -> Redis:
    return Redis.from_url(redis_server.url, single_connection_client=True)


async def test_the_keys_are_those_that_the_specification_lists(store: RedisStore, redis: Redis) -> None:
    await _fill(store)
    prefix = store.accounts.list_key(SIGNER).partition("{")[0]
    lives = {key.decode(): await redis.ttl(key) async for key in redis.scan_iter(f"{prefix}*")}
    await redis.aclose()

    calls = store.calls
    forever = {
        store.accounts.list_key(SIGNER),
        store.accounts.hint_key(ACCOUNT),
        store.sessions.entities_key(ACCOUNT, CHAIN),
        store.sessions.session_key(ACCOUNT, CHAIN, a_session(number=2).id),
    }
    month = {calls.call_key(CHAIN, a_call().hash), calls.nonce_key(CHAIN, ACCOUNT, a_call().nonce)}
    bounded = {
        store.sessions.session_key(ACCOUNT, CHAIN, a_session().id),
        store.sessions.trust_key(ACCOUNT, CHAIN, SECRET_CALLER),
    }
    assert set(lives) == forever | month | bounded
    assert {key for key, life in lives.items() if life == -1} == forever
    assert all(KEEP_CALLS_SECONDS - 60 < lives[key] <= KEEP_CALLS_SECONDS for key in month)
    assert all(abs(lives[key] - (FAR_FUTURE - time.time())) < 60 for key in bounded)


async def test_a_spoiled_record_is_not_the_callers_fault(store: RedisStore, redis: Redis) -> None:
    await store.calls.claim(a_call())
    await redis.hset(store.calls.call_key(CHAIN, a_call().hash), "record", '{"version": 1}')
    await redis.aclose()

    with pytest.raises(ValueError, match="a kept record is malformed"):
        await store.calls.get(CHAIN, a_call().hash)


async def test_a_callers_name_is_not_in_redis(store: RedisStore) -> None:
    assert SECRET_CALLER not in store.sessions.trust_key(ACCOUNT, CHAIN, SECRET_CALLER)


def test_all_keys_of_an_account_on_a_chain_share_a_slot_and_accounts_are_spread() -> None:
    sessions = RedisStore.open("redis://nowhere").sessions

    def slots(account: Address) -> set[int]:
        keys = (
            sessions.entities_key(account, CHAIN),
            sessions.session_key(account, CHAIN, SessionId(bytes(16))),
            sessions.session_key(account, CHAIN, SessionId(b"\x01" * 16)),
            sessions.trust_key(account, CHAIN, "alice"),
        )
        return {key_slot(key.encode()) for key in keys}

    found = [slots(Address(number.to_bytes(20, "big"))) for number in range(50)]
    assert all(len(slot) == 1 for slot in found)
    assert len(set.union(*found)) > 40


async def test_every_script_touches_the_one_key_it_names(store: RedisStore, redis: Redis) -> None:
    """In a cluster a script that reaches beyond its key fails; here the server tells what each one touched."""
    async with redis.monitor() as monitor:
        await _fill(store)
        await store.calls.settle(a_call())
        await store.ping()
        script_key, touched = "", []
        async for seen in monitor.listen():
            words = seen["command"].split(" ")
            if words[0] == "PING":
                break
            if words[0] in {"EVALSHA", "EVAL"}:
                assert words[2] == "1"
                script_key = words[3]
            elif seen["client_type"] == "lua":
                touched.append((script_key, words[1]))
    await redis.aclose()

    assert len({key for key, _ in touched}) == 7
    assert all(script == key for script, key in touched)
