"""Stops in Redis: pauses by several parties, controllers, kill switches, used nonces and open calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from tests.contract.sample import ACCOUNT, CHAIN, ORGANIZATION, SIGNED, SIGNER, a_call
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import KEEP_CALLS_SECONDS, RedisStore
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import (
    ORGANIZATION_SCOPE,
    OWNER,
    Controller,
    ScopeKind,
    SessionStops,
    StopMode,
    StopRecord,
    StopScope,
)
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports.stops import MAX_SWITCHES
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId

SESSION = SessionReference(account=ACCOUNT, chain_id=CHAIN, entity_id=EntityId(3))
OTHERS = [
    replace(SESSION, entity_id=EntityId(4)),
    replace(SESSION, chain_id=CHAIN + 1),
    replace(SESSION, account=Address(bytes(19) + b"\7")),
]
OF_SESSION = NonceKey(entity_id=3).nonce(0)
WHOLE_ACCOUNT = replace(SESSION, entity_id=EntityId(0))
PAUSE = StopRecord(mode=StopMode.PAUSE, at=5, by="somebody")
REVOCATION = replace(PAUSE, mode=StopMode.REVOKE)
OTHER = OrganizationId("org_other")
NOTHING = SessionStops(pauses={})


async def test_a_session_without_facts_is_not_known(store: RedisStore) -> None:
    assert await store.stops.read(SESSION) == NOTHING
    assert not NOTHING.is_known


async def test_pauses_of_several_parties_are_separate(store: RedisStore) -> None:
    stops = store.for_organization(ORGANIZATION).stops
    await stops.pause(SESSION, OWNER, PAUSE)
    await stops.pause(SESSION, ORGANIZATION, PAUSE)
    await stops.pause(SESSION, ORGANIZATION, replace(PAUSE, at=6))
    found = await store.stops.read(SESSION)
    assert found.pauses == {OWNER: PAUSE, ORGANIZATION: replace(PAUSE, at=6)}
    assert [await store.stops.read(other) for other in OTHERS] == [NOTHING] * 3

    await stops.resume(SESSION, ORGANIZATION)
    assert (await store.stops.read(SESSION)).pauses == {OWNER: PAUSE}
    await stops.pause(SESSION, ORGANIZATION, PAUSE)
    await stops.resume(SESSION, None)
    assert await store.stops.read(SESSION) == NOTHING


@pytest.mark.parametrize("prefix", ["org_1", "org_12"])
async def test_an_organisation_whose_id_begins_like_another_is_another(store: RedisStore, prefix: str) -> None:
    for name in ("org_1", "org_12"):
        await store.stops.pause(SESSION, name, PAUSE)
    await store.stops.resume(SESSION, prefix)
    assert set((await store.stops.read(SESSION)).pauses) == {"org_1", "org_12"} - {prefix}


async def test_a_stop_of_the_account_holds_for_all_its_sessions_on_the_chain(store: RedisStore) -> None:
    await store.stops.pause(WHOLE_ACCOUNT, OWNER, PAUSE)
    assert [(await store.stops.read(each)).is_paused for each in (SESSION, *OTHERS)] == [True, True, False, False]
    await store.stops.resume(WHOLE_ACCOUNT, OWNER)
    await store.stops.revoke(WHOLE_ACCOUNT)
    assert [(await store.stops.read(each)).is_revoked for each in (SESSION, *OTHERS)] == [True, True, False, False]


async def test_controllers_are_listed_with_their_newest_key(store: RedisStore) -> None:
    first = Controller(organization=ORGANIZATION, key=SIGNER, session_id=SessionId(bytes(15) + b"\1"))
    second = Controller(organization=OTHER, key=SIGNER)
    newer = replace(first, key=Address(bytes(19) + b"\2"))
    for controller in (first, second, newer, newer):
        await store.stops.add_controller(SESSION, controller)
    found = await store.for_organization(OTHER).stops.read(SESSION)
    assert set(found.controllers) == {second, newer}
    assert found.is_known


async def test_switches_belong_to_one_organisation_and_are_read_by_others(store: RedisStore) -> None:
    mine, theirs = store.for_organization(ORGANIZATION).stops, store.for_organization(OTHER).stops
    assert await mine.set_switch(ORGANIZATION_SCOPE, PAUSE) == PAUSE
    assert (await theirs.switches(), await store.stops.switches()) == ({}, {})
    assert await theirs.switches(ORGANIZATION) == await mine.switches() == {ORGANIZATION_SCOPE: PAUSE}
    assert await theirs.remove_switch(ORGANIZATION_SCOPE) is None
    assert await mine.switches() == {ORGANIZATION_SCOPE: PAUSE}


async def test_a_switch_that_revokes_is_final(store: RedisStore) -> None:
    stops = store.stops
    for record, stored in ((PAUSE, PAUSE), (REVOCATION, REVOCATION), (PAUSE, REVOCATION)):
        assert await stops.set_switch(ORGANIZATION_SCOPE, record) == stored
    assert await stops.remove_switch(ORGANIZATION_SCOPE) == REVOCATION
    assert await stops.switches() == {ORGANIZATION_SCOPE: REVOCATION}


async def test_a_tag_may_look_like_the_text_of_a_revocation(store: RedisStore) -> None:
    record = replace(PAUSE, by='"mode":"revoke"')
    scope = StopScope(kind=ScopeKind.TAG, value='a:b "mode":"revoke"')
    assert await store.stops.set_switch(scope, record) == record
    assert await store.stops.switches() == {scope: record}
    assert await store.stops.remove_switch(scope) == record
    assert await store.stops.switches() == {}


async def test_the_number_of_switches_is_limited(store: RedisStore) -> None:
    tags = [StopScope(kind=ScopeKind.TAG, value=str(number)) for number in range(MAX_SWITCHES)]
    await asyncio.gather(*(store.stops.set_switch(scope, PAUSE) for scope in tags))
    assert await store.stops.set_switch(ORGANIZATION_SCOPE, PAUSE) is None
    assert await store.stops.set_switch(tags[0], REVOCATION) == REVOCATION
    assert len(await store.stops.switches()) == MAX_SWITCHES


async def test_a_nonce_is_used_once_by_all_organisations_together(store: RedisStore) -> None:
    stores = [store.stops, store.for_organization(ORGANIZATION).stops, store.for_organization(OTHER).stops] * 4
    uses = await asyncio.gather(*(stops.use_nonce(ACCOUNT, CHAIN, 9, until=4_000_000_000) for stops in stores))
    assert sorted(uses) == [False] * 11 + [True]
    assert await store.stops.use_nonce(ACCOUNT, CHAIN + 1, 9, until=4_000_000_000)


async def test_open_calls_are_those_of_sessions_that_are_not_final(store: RedisStore) -> None:
    calls, stops = store.calls, store.stops
    of_session = a_call(nonce=NonceKey(entity_id=3, parallel_key=9).nonce(0))
    of_owner = a_call(number=2, nonce=NonceKey(entity_id=0, is_global=True).nonce(0))
    other = a_call(number=3, nonce=NonceKey(entity_id=4).nonce(0))
    for call in (of_session, of_owner, other):
        assert await calls.claim(call, SIGNED) is None
    assert {opened for _, opened in await stops.open_calls()} == {of_session.hash, other.hash}
    assert await stops.open_calls(session=SESSION) == ((SESSION, of_session.hash),)
    assert len(await stops.open_calls(account=ACCOUNT)) == 2
    assert await store.for_organization(OTHER).stops.open_calls() == ()

    await calls.update(of_session, replace(of_session, state=CallState.CONFIRMED))
    assert await stops.open_calls(session=SESSION) == ()


async def test_open_calls_whose_records_are_deleted_are_forgotten(store: RedisStore) -> None:
    old = a_call(nonce=NonceKey(entity_id=3).nonce(0))
    new = replace(a_call(number=2, nonce=old.nonce), sent_at=old.sent_at + KEEP_CALLS_SECONDS)
    for call in (old, new):
        await store.stops.open_call(call)
    for selector in ({}, {"session": SESSION}, {"account": ACCOUNT}):
        assert [opened for _, opened in await store.stops.open_calls(**selector)] == [new.hash]


async def test_open_calls_are_the_oldest_first(store: RedisStore) -> None:
    calls = [replace(a_call(number=number), nonce=OF_SESSION, sent_at=1000 - number) for number in range(9)]
    for call in (*calls[::2], *calls[1::2], *calls):
        await store.stops.open_call(call)
    assert [opened for _, opened in await store.stops.open_calls(session=SESSION)] == [
        each.hash for each in calls[::-1]
    ]


async def test_the_lookup_of_a_session_reads_its_own_open_calls_only(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """The neighbours in the order of the members are those that differ in their last byte by one."""
    opened = [replace(a_call(number=number), nonce=OF_SESSION) for number in range(3)]
    neighbours = [
        replace(each, sender=Address(int.to_bytes(int.from_bytes(ACCOUNT) + step, 20)), chain_id=ChainId(CHAIN + more))
        for each in opened
        for step in (-1, 0, 1)
        for more in (-1, 0, 1)
        if step or more
    ]
    others = [
        replace(a_call(number=number), nonce=NonceKey(entity_id=entity).nonce(0))
        for number, entity in enumerate([*range(4, 200), 1, 2, 255, 256, 259, 3 << 8, 3 << 24], 100)
    ]
    for call in (*opened, *neighbours, *others):
        await store.stops.open_call(call)
    redis = Redis.from_url(redis_server.url, single_connection_client=True)
    await redis.config_resetstat()

    found = await store.stops.open_calls(session=SESSION)

    counts = await redis.info("commandstats")
    await redis.aclose()
    assert {name for _, name in found} == {each.hash for each in opened}
    sorted_sets = {name: each["calls"] for name, each in counts.items() if name.startswith("cmdstat_z")}
    assert sorted_sets == {"cmdstat_zrangebylex": 1, "cmdstat_zscore": len(opened)}
    assert len(await store.stops.open_calls(account=ACCOUNT)) == len(opened) * 3 + len(others)
    assert len(await store.stops.open_calls()) == len(opened) * 9 + len(others)


async def test_a_stop_of_a_newer_server_is_not_taken_for_none(store: RedisStore, redis_server: RedisServer) -> None:
    redis = Redis.from_url(redis_server.url, single_connection_client=True)
    await redis.hset(store.stops.paused_key(ACCOUNT, CHAIN), "3", 'owner {"version":2}')
    await redis.hset(store.stops.switches_key, "organization", '{"version":2}')
    await redis.aclose()
    for reading in (store.stops.read(SESSION), store.stops.switches()):
        with pytest.raises(Unavailable) as refused:
            await reading
        assert refused.value.reason == "newer_record"
