"""The undo log over a real Redis that has a record of each kind: a revert restores the state of its chain only."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.contract.sample import ACCOUNT, CHAIN, FAR_FUTURE, NOW, ORGANIZATION, SIGNED, a_call, a_marked_event
from tests.contract.sample_store import CONSENT_NONCE, INDEXED, PAUSE, fill_organization, fill_shared
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_state_keys import find_state_key
from wallet_rpc.adapters.redis_store import KEEP_CALLS_SECONDS, RedisOrganizationStore, RedisStore
from wallet_rpc.adapters.redis_undo import UndoLog
from wallet_rpc.adapters.state_rows import format_section, parse_section
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.session_reference import SessionQuery
from wallet_rpc.domain.session_stop import OWNER, StopScope
from wallet_rpc.primitives import ChainId, EntityId, SessionId

OTHER_CHAIN = ChainId(4242)
OTHER_ORGANIZATION = OrganizationId("org_other0000000000000000")
PERMANENT = {
    "audit", "events", "events-due", "facts-lease", "grants", "incidents", "key", "limit", "organization",
    "organizations", "outbox", "ready", "relayer-turn", "session-index", "token", "webhooks",
}  # fmt: skip
"""First words of the tags of keys that no revert changes; those of events have members that one changes."""
Values = dict[str, Any]


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_server.url, single_connection_client=True) as client:
        yield client


async def read_all(store: RedisStore, redis: Any) -> Values:
    """Return the values of all keys of a store, by the keys without its prefix."""
    prefix = store.outbox.schedule_key(0).partition("{")[0]
    found: Values = {}
    for key in [key.decode() async for key in redis.scan_iter(f"{prefix}*")]:
        kind = (await redis.type(key)).decode()
        read: dict[str, Any] = {
            "string": lambda key=key: redis.get(key),
            "hash": lambda key=key: redis.hgetall(key),
            "list": lambda key=key: redis.lrange(key, 0, -1),
            "set": lambda key=key: redis.smembers(key),
            "zset": lambda key=key: redis.zrange(key, 0, -1, withscores=True),
            "stream": lambda key=key: redis.xrange(key),
        }
        found[key.removeprefix(prefix)] = await read[kind]()
    return found


def state_of(values: Values) -> Values:
    """Return the values that are state of chains; the sorted sets of the index of sessions are."""
    return {key: value for key, value in values.items() if find_state_key(key) is not None or "{sessions:" in key}


def rest_of(values: Values) -> Values:
    """Return the other values, without hints: those of the outbox, and those at announced events."""
    rest = {key: value for key, value in values.items() if key not in state_of(values)}
    return {key: value for key, value in rest.items() if not key.startswith(("{outbox:", "{events-due}"))}


def other_call(number: int, chain_id: ChainId = CHAIN) -> CallRecord:
    return replace(a_call(number=number, nonce=NonceKey(entity_id=1).nonce(number)), chain_id=chain_id)


async def change_all(store: RedisOrganizationStore, *, chain_id: ChainId = CHAIN) -> None:
    """Change, add and remove records of each kind."""
    session = replace(INDEXED, chain_id=chain_id)
    added = replace(session, id=SessionId(b"n" * 16), entity_id=EntityId(9))
    await store.session_index.add(added, now=NOW, tags=["new", "tag"])
    await store.stops.pause(session.reference, "org_x", PAUSE)
    await store.stops.use_nonce(ACCOUNT, chain_id, CONSENT_NONCE + 1, until=FAR_FUTURE)
    await store.sessions.revoke(ACCOUNT, chain_id, 5)
    await store.calls.claim(other_call(7, chain_id), SIGNED)
    await store.approvals.add(other_call(8, chain_id))
    if chain_id != CHAIN:
        return
    await store.session_index.set_tags(INDEXED.id, ["changed"])
    await store.stops.resume(INDEXED.reference, OWNER)
    await store.stops.set_switch(StopScope.parse("tag:x"), PAUSE)
    call = await store.calls.get(CHAIN, a_call().hash)
    assert call is not None
    await store.calls.update(call, replace(call, state=CallState.REPLACED))
    await store.sessions.trust(ACCOUNT, CHAIN, "another caller", forget_at=FAR_FUTURE)
    await store.events.append(a_marked_event(f"{CHAIN}:mark"))


async def open_undo(store: RedisStore, *chain_ids: ChainId) -> UndoLog:
    undo = store.undo_log(chain_ids)
    await undo.load(keeps_snapshots=True)
    return undo


async def fill(store: RedisStore) -> None:
    await fill_organization(store)
    await fill_organization(store.for_organization(ORGANIZATION))
    await fill_shared(store)


async def test_every_key_is_state_of_a_chain_or_stays(store: RedisStore, redis: Redis) -> None:
    await fill(store)
    for key in await read_all(store, redis):
        kind = key.partition("{")[2].partition("}")[0].partition(":")[0]
        assert key in state_of({key: 0}) or kind in PERMANENT, key


def without_announcements(values: Values) -> Values:
    """Return the values without announcements whose marks are random: they name no chain, and end within a minute."""
    return {key: value for key, value in values.items() if key.rpartition(":")[2] not in {"announced", "due"}}


def undo_pattern(store: RedisStore) -> str:
    return "undo:" + store.outbox.schedule_key(0).partition("{")[0] + "*"


async def test_a_revert_restores_every_record(store: RedisStore, redis: Redis) -> None:
    await fill(store)
    undo = await open_undo(store, CHAIN)
    before = await read_all(store, redis)
    await undo.add_snapshot(CHAIN, 1)
    await change_all(store)
    await change_all(store.for_organization(ORGANIZATION))
    await fill_organization(store.for_organization(OTHER_ORGANIZATION))
    changed = await read_all(store, redis)
    different = {key for key in state_of(changed) if changed[key] != before.get(key)}
    assert len(different) > 60
    await undo.revert(CHAIN, 1)
    after = await read_all(store, redis)
    assert without_announcements(state_of(after)) == without_announcements(state_of(before))
    assert rest_of(after) == rest_of(changed)
    assert [key async for key in redis.scan_iter(undo_pattern(store)) if not key.endswith(b":chains")] == []


async def test_a_revert_leaves_other_chains_and_what_is_common(store: RedisStore, redis: Redis) -> None:
    await fill(store)
    undo = await open_undo(store, CHAIN, OTHER_CHAIN)
    for chain_id in (CHAIN, OTHER_CHAIN):
        await undo.add_snapshot(chain_id, 1)
    for organization in (store, store.for_organization(ORGANIZATION)):
        await change_all(organization, chain_id=OTHER_CHAIN)
        await organization.stops.set_switch(StopScope.parse("tag:x"), PAUSE)
        await organization.session_index.set_tags(SessionId(b"n" * 16), ["new", "tag", "more"])
    before = await read_all(store, redis)
    for organization in (store, store.for_organization(ORGANIZATION)):
        await organization.session_index.add(replace(INDEXED, id=SessionId(b"m" * 16)), now=NOW, tags=["new", "tag"])
        await organization.stops.pause(INDEXED.reference, "org_x", PAUSE)
        await organization.calls.claim(other_call(9), SIGNED)
        await organization.approvals.add(other_call(9))
        await organization.events.append(a_marked_event(f"{CHAIN}:mark"), a_marked_event(f"{OTHER_CHAIN}:mark"))
    await undo.revert(CHAIN, 1)
    after = await read_all(store, redis)
    changed = {key.partition("{")[2].partition("}")[0].split(":")[0] for key in after if after[key] != before.get(key)}
    assert changed <= {"events", "outbox", "events-due"}  # the log itself stays
    marks = [mark for mark, _ in after[f"{{events:{store.stops.organization}}}:marks"]]
    assert f"{OTHER_CHAIN}:mark".encode() in marks
    assert f"{CHAIN}:mark".encode() not in marks


async def test_snapshots_are_nested_and_survive_a_restart(store: RedisStore, redis: Redis) -> None:
    await fill(store)
    undo = await open_undo(store, CHAIN)
    states = []
    for number in (1, 2, 3):
        states.append(state_of(await read_all(store, redis)))
        await undo.add_snapshot(CHAIN, number)
        await store.sessions.revoke(ACCOUNT, CHAIN, EntityId(number))
        await store.session_index.set_tags(INDEXED.id, [f"tag {number}"])
        await store.calls.claim(other_call(number + 20), SIGNED)
    again = store.undo_log([CHAIN])
    await again.load(keeps_snapshots=True)
    await store.stops.pause(INDEXED.reference, "org_x", PAUSE)
    added = await store.calls.get(CHAIN, other_call(23).hash)  # a key that was added before the restart
    assert added is not None
    await store.calls.update(added, replace(added, state=CallState.REPLACED))
    await again.revert(CHAIN, 3)
    assert state_of(await read_all(store, redis)) == states[2]
    await store.stops.pause(INDEXED.reference, "org_x", PAUSE)  # the first change of its key after snapshot 2
    await again.revert(CHAIN, 2)
    assert state_of(await read_all(store, redis)) == states[1]
    assert not again.has_snapshot(CHAIN, 2)
    assert not again.has_snapshot(CHAIN, 3)
    await again.revert(CHAIN, 3)
    assert state_of(await read_all(store, redis)) == states[1]
    await store.sessions.revoke(ACCOUNT, CHAIN, EntityId(9))
    await again.revert(CHAIN, 1)
    assert state_of(await read_all(store, redis)) == states[0]


async def test_a_snapshot_of_a_new_chain_ends_those_of_the_one_before(store: RedisStore, redis: Redis) -> None:
    await fill(store)
    undo = await open_undo(store, CHAIN)
    for number in (1, 2):
        await undo.add_snapshot(CHAIN, number)
        await store.sessions.revoke(ACCOUNT, CHAIN, EntityId(number + 30))
    await undo.add_snapshot(CHAIN, 1)
    before = state_of(await read_all(store, redis))
    await store.sessions.revoke(ACCOUNT, CHAIN, EntityId(33))
    assert not undo.has_snapshot(CHAIN, 2)
    await undo.revert(CHAIN, 1)
    assert state_of(await read_all(store, redis)) == before


async def test_a_command_that_writes_to_the_same_redis_is_undone_too(
    store: RedisStore, redis: Redis, redis_server: RedisServer
) -> None:
    await fill(store)
    undo = await open_undo(store, CHAIN)
    before = state_of(await read_all(store, redis))
    await undo.add_snapshot(CHAIN, 1)
    prefix = store.outbox.schedule_key(0).partition(":")[0]
    async with RedisStore.open(redis_server.url, prefix=prefix) as of_command:
        await of_command.join_undo_logs()
        await of_command.stops.set_switch(StopScope.parse("tag:x"), PAUSE)
        await of_command.stops.pause(INDEXED.reference, "org_x", PAUSE)
    await undo.revert(CHAIN, 1)
    assert state_of(await read_all(store, redis)) == before


async def test_a_restored_call_is_delivered_again(store: RedisStore) -> None:
    await store.calls.claim(other_call(1), SIGNED)
    undo = await open_undo(store, CHAIN)
    await undo.add_snapshot(CHAIN, 1)
    stored = await store.calls.get(CHAIN, other_call(1).hash)
    assert stored is not None
    await store.calls.update(stored, replace(stored, state=CallState.REPLACED))
    for entry in await store.outbox.take(now=FAR_FUTURE):
        await store.outbox.finish(entry, next_at=None)
    assert await store.outbox.take(now=FAR_FUTURE) == ()
    await undo.revert(CHAIN, 1)
    assert [entry.operation_hash for entry in await store.outbox.take(now=NOW)] == [stored.hash]
    assert await store.calls.signed(CHAIN, stored.hash) == SIGNED


async def test_a_state_is_replaced_by_rows_that_were_read(store: RedisStore, redis: Redis) -> None:
    await fill(store)
    undo = await open_undo(store, CHAIN)
    await undo.add_snapshot(CHAIN, 1)
    before, rows = await read_all(store, redis), await undo.read_rows(CHAIN)
    assert {row.name for row in rows} == {key for key in before if find_state_key(key) is not None}
    await change_all(store)
    await undo.replace(CHAIN, parse_section(json.loads(json.dumps(format_section(CHAIN, rows))), CHAIN))
    after = await read_all(store, redis)
    assert state_of(after) == state_of(before)
    assert not undo.has_snapshot(CHAIN, 1)
    await undo.replace(CHAIN, [])
    assert without_announcements(state_of(await read_all(store, redis))) == {}
    assert (await store.session_index.page(SessionQuery(), now=NOW, after=b"", limit=9)).sessions == ()
    await undo.replace(CHAIN, rows)
    assert state_of(await read_all(store, redis)) == state_of(before)
    signed = store.calls.signed_key(CHAIN, a_call().hash)
    assert 0 < await redis.ttl(signed) <= KEEP_CALLS_SECONDS


@pytest.mark.parametrize(
    "row",
    [
        ["{key:wrk}", "hash", "", ["record", "{}"]],
        ["{audit:org_open}:entries", "list", "", ["x"]],
        ["{token:a}", "string", "", ["x"]],
        ["{call:1:aa}", "hash", "", ["call", "x"]],
        [f"{{call:{CHAIN}:aa}}", "stream", "", ["call", "x"]],
        [f"{{call:{CHAIN}:aa}}", "hash", "", ["call"]],
        [f"{{call:{CHAIN}:aa}}", "hash", "soon", ["call", "x"]],
        [f"{{call:{CHAIN}:aa}}", "zset", "", ["call", "x"]],
        [f"{{call:{CHAIN}:aa}}", "string", "", ["\u2203"]],
        [f"{{call:{CHAIN}:aa}}", "string", "", []],
    ],
)
def test_rows_that_are_no_state_of_the_chain_are_rejected(row: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"a wallet section whose keys are complete|latin-1|could not convert"):
        parse_section({"format": 1, "chainId": CHAIN, "keys": [row]}, CHAIN)
