"""Commands and scripts of the storage: each may be repeated, and each script keeps to the keys of one slot."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
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
    a_call,
    a_marked_event,
    a_session,
    an_event,
    an_organization,
    some_claims,
)
from tests.contract.sample_store import (
    GROUP,
    KEY,
    THEIRS,
    UNSIGNED,
    fill_organization,
    fill_shared,
)
from tests.contract.unsigned import reserve_entity
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.event import EventType
from wallet_rpc.domain.session_group import SessionFilter
from wallet_rpc.domain.session_record import EntityChoice
from wallet_rpc.ports.events import FIRST_EVENT


@pytest.fixture
async def redis(redis_server: RedisServer) -> Redis:
    return Redis.from_url(redis_server.url, single_connection_client=True)


def _is_named(word: str, named: Sequence[str]) -> bool:
    """Return True for a key that a script names, itself or by a prefix that ends with a colon."""
    return word in named or any(name.endswith(":") and word.startswith(name) for name in named)


async def run_scripts(store: RedisStore) -> None:
    await fill_organization(store)
    await fill_shared(store)
    await store.outbox._take_from(0, NOW)
    await store.events.read(FIRST_EVENT, limit=1)
    await store.events.withdraw("announced")
    ((organization, count),) = await store.event_schedule.list_ready(now=FAR_FUTURE)
    await store.event_schedule.move(organization, count, at=await store.events.append_announced(now=FAR_FUTURE))


async def test_every_script_touches_only_the_keys_it_names_and_these_share_a_slot(
    store: RedisStore, redis: Redis, redis_url: str
) -> None:
    """In a cluster such a script fails; here the server's monitor shows the keys of each one."""
    async with RedisStore.open(redis_url, prefix=secrets.token_hex(8)) as other:
        await run_scripts(other)  # Redis knows the scripts now, so that the monitor shows no sources
    async with redis.monitor() as monitor:
        await run_scripts(store)
        await store.directory._link.command_on_masters("PING")
        named: list[str] = []
        touched: set[str] = set()
        async for seen in monitor.listen():
            if (words := seen["command"].split(" "))[0] == "PING":
                break
            assert words[0] != "EVAL"
            if words[0] == "EVALSHA":
                named = words[3 : 3 + int(words[2])]
                assert len({key_slot(key.encode()) for key in named}) == 1
            elif seen["client_type"] == "lua" and words[0] != "TIME":
                # the key is the second word, except in stream commands; a prefix names several keys of its slot
                keys = {word for word in words[1:] if _is_named(word, named)}
                assert len(keys) == 1
                touched |= keys
    await redis.aclose()

    assert len(touched) == 67


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
    assert await store.unsigned_sessions.claim(UNSIGNED, limit=1, now=NOW)
    assert await store.unsigned_sessions.create(UNSIGNED, EntityChoice(), limit=1, now=NOW) == 1
    await store.sessions.activate(a_session(), forget_at=FAR_FUTURE)
    assert await reserve_entity(store, ACCOUNT, CHAIN) == 2
    await store.unsigned_sessions.release(UNSIGNED)
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
    await store.events.announce(a_marked_event("two"), at=NOW)
    await store.events.append(a_marked_event("one"))
    assert await store.events.append_announced(now=NOW) is None
    types = [each.event.type for each in (await store.events.read(FIRST_EVENT, limit=9)).events]
    assert types == [EventType.CALL_SUBMITTED, *[EventType.SESSION_PAUSED] * 2]
    await store.directory.add_organization(an_organization())
    await store.directory.add_key(KEY)
    assert await store.directory.revoke_key(KEY.id, at=NOW)
    assert not await store.directory.revoke_key(KEY.id, at=NOW)
    assert len(await store.directory.keys_of(ORGANIZATION)) == 1
