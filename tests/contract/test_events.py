"""Event logs: each event once, in order, within limits; announcements of a server that ended; events of calls."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import time
from dataclasses import replace

import pytest

from tests.contract.sample import ACCOUNT, CHAIN, NOW, ORGANIZATION, SIGNED, a_call, a_marked_event
from tests.contract.waiting import until
from tests.support.clocks import FixedClock
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.call_state import Evidence
from wallet_rpc.domain.event import EventLimits, EventType
from wallet_rpc.errors import Unavailable
from wallet_rpc.event_delivery import append_announced
from wallet_rpc.ports.events import FIRST_EVENT
from wallet_rpc.services.events import ANNOUNCED_SECONDS


async def marks_of(store: RedisStore, after: str = FIRST_EVENT) -> list[str]:
    """Return the marks of the events, which these tests repeat in `data`."""
    return [each.event.data["mark"] for each in (await store.events.read(after, limit=1000)).events]


async def append(store: RedisStore, *marks: str) -> None:
    await store.events.append(*(a_marked_event(mark, data={"mark": mark}) for mark in marks))


async def test_events_are_read_in_their_order_from_any_position(store: RedisStore) -> None:
    for number in range(6):
        await append(store, f"{number}")
    page = await store.events.read(FIRST_EVENT, limit=4)

    assert [each.event.data["mark"] for each in page.events] == ["0", "1", "2", "3"]
    assert page.events[0].text.startswith(f'{{"id":"{page.events[0].id}","type":"session.paused",')
    assert await marks_of(store, page.events[3].id) == ["4", "5"]
    assert await marks_of(store, page.last) == []


async def test_an_event_is_appended_once_by_any_number_of_writers(store: RedisStore) -> None:
    await asyncio.gather(*(append(store, "one", "two") for _ in range(20)))

    assert await marks_of(store) == ["one", "two"]


async def test_an_organization_reads_only_its_own_events(store: RedisStore) -> None:
    await store.for_organization(ORGANIZATION).events.append(a_marked_event())

    assert await marks_of(store) == []
    assert len((await store.for_organization(ORGANIZATION).events.read(FIRST_EVENT, limit=9)).events) == 1


async def test_the_oldest_events_beyond_the_number_are_deleted_and_readers_learn_it(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.events, "_limits", EventLimits(entries=3, seconds=60))
    for number in range(10):
        await append(store, f"{number}")
    page = await store.events.read(FIRST_EVENT, limit=9)

    assert await marks_of(store) == ["7", "8", "9"]
    assert FIRST_EVENT < page.trimmed < page.events[0].id


async def test_old_events_are_deleted_and_the_log_of_an_idle_organization_expires(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(store, "old")
    monkeypatch.setattr(store.events, "_limits", EventLimits(seconds=1))
    deadline = time.monotonic() + 30
    first = (await store.events.read(FIRST_EVENT, limit=1)).events[0].id
    while (await marks_of(store))[:1] == ["old"] and time.monotonic() < deadline:
        await append(store, f"{time.monotonic_ns()}")
        await asyncio.sleep(0.05)
    assert (await store.events.read(FIRST_EVENT, limit=1)).trimmed >= first

    async def are_gone() -> bool:
        return not await marks_of(store)

    await until(are_gone)
    page = await store.events.read(FIRST_EVENT, limit=1)
    assert page.events == ()
    assert page.trimmed == page.last > first, "the deleted ones count as deleted"
    await append(store, "next")
    assert (await store.events.read(page.last, limit=1)).events[0].event.data == {"mark": "next"}


async def test_ids_rise_when_the_clock_of_redis_goes_back(store: RedisStore) -> None:
    ahead = f"{(int(time.time()) + 3600) * 1000}-7"
    await store.events._link.command("HSET", store.events.ends_key, "last", ahead)
    await append(store, "one", "two")

    page = await store.events.read(ahead, limit=9)
    assert [each.id for each in page.events] == [ahead[:-1] + "8", ahead[:-1] + "9"]


async def test_an_announced_event_is_appended_at_its_time_unless_it_was_before(store: RedisStore) -> None:
    for mark in ("withdrawn", "made", "crashed"):
        await store.events.announce(a_marked_event(mark, data={"mark": mark}), at=NOW)
    await store.events.announce(a_marked_event("later", data={"mark": "later"}), at=NOW + 9)
    await append(store, "made")
    await store.events.withdraw("withdrawn")

    assert await store.events.append_announced(now=NOW - 1) == NOW
    assert await store.events.append_announced(now=NOW) == NOW + 9
    assert await marks_of(store) == ["made", "crashed"]


async def test_a_hint_at_an_announcement_is_kept_when_another_is_added_then(store: RedisStore) -> None:
    await store.event_schedule.add(ORGANIZATION, at=NOW)
    assert await store.event_schedule.list_ready(now=NOW - 1) == []
    ((organization, count),) = await store.event_schedule.list_ready(now=NOW)
    await store.event_schedule.add(ORGANIZATION, at=NOW + 5)
    await store.event_schedule.move(organization, count, at=None)

    ((_, count),) = await store.event_schedule.list_ready(now=NOW)
    await store.event_schedule.move(organization, count, at=NOW + 5)
    assert await store.event_schedule.list_ready(now=NOW + 4) == []
    ((_, count),) = await store.event_schedule.list_ready(now=NOW + 5)
    await store.event_schedule.move(organization, count, at=None)
    assert await store.event_schedule.list_ready(now=NOW + 999) == []


async def test_each_change_of_a_call_has_one_event_and_a_lost_race_has_none(store: RedisStore) -> None:
    call = a_call()
    await asyncio.gather(*(store.calls.claim(call, SIGNED) for _ in range(5)))
    pending = call.after_attempt(Evidence.IN_MEMPOOL, at=NOW)
    other = call.after_attempt(Evidence.REFUSED, at=NOW, error={"reason": "refused", "message": "no"})
    await store.calls.update(call, pending)
    await store.calls.update(call, other)

    events = [each.event for each in (await store.events.read(FIRST_EVENT, limit=9)).events]
    assert [each.type for each in events] == [EventType.CALL_SUBMITTED, EventType.CALL_PENDING]
    assert all((each.account, each.chain_id, each.is_certain) == (ACCOUNT, CHAIN, True) for each in events)
    key = store.calls.events_key(CHAIN, call.hash)
    assert await store.calls._link.command("LLEN", key) == 2
    await store.calls.append_events(CHAIN, call.hash)
    assert await store.calls._link.command("EXISTS", key) == 0
    assert len((await store.events.read(FIRST_EVENT, limit=9)).events) == 2


async def test_the_events_of_a_writer_that_ended_are_appended_in_their_order(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end(*_: object) -> None:
        raise Unavailable("the writer ends here")

    call = a_call()
    with monkeypatch.context() as ended:
        ended.setattr(store.events, "append_texts", end)
        await store.calls.claim(call, SIGNED)
        pending = await store.calls.update(call, call.after_attempt(Evidence.IN_MEMPOOL, at=NOW))
    assert (await store.events.read(FIRST_EVENT, limit=9)).events == ()
    await store.calls.update(pending, replace(pending, is_noted=True))
    await store.calls.append_events(CHAIN, call.hash)

    types = [each.event.type for each in (await store.events.read(FIRST_EVENT, limit=9)).events]
    assert types == [EventType.CALL_SUBMITTED, EventType.CALL_PENDING]


@pytest.mark.parametrize(
    ("step", "is_revoked", "types"),
    [("announced", False, ["session.revoked"]), ("changed", True, ["session.revoked"]), ("claimed", False, [])],
)
async def test_no_event_is_lost_when_the_server_is_killed(
    redis_server: RedisServer, step: str, is_revoked: bool, types: list[str]
) -> None:
    """Kill a real process after each of its writes; another one appends the event, marked as not certain."""
    prefix = f"killed-{secrets.token_hex(8)}"
    arguments = [sys.executable, "-m", "tests.contract.publishing", redis_server.url, prefix, step]
    process = await asyncio.create_subprocess_exec(*arguments)
    assert await process.wait() == -signal.SIGKILL

    async with RedisStore.open(redis_server.url, prefix=prefix) as store:
        clock = FixedClock(NOW + ANNOUNCED_SECONDS - 1)
        await append_announced(store, clock)
        assert (await store.events.read(FIRST_EVENT, limit=9)).events == ()
        clock.seconds = NOW + ANNOUNCED_SECONDS
        await append_announced(store, clock)
        events = [each.event for each in (await store.events.read(FIRST_EVENT, limit=9)).events]
        assert [(each.type, each.is_certain) for each in events] == [(each, False) for each in types]
        assert await store.sessions.is_revoked(ACCOUNT, CHAIN, 1) is is_revoked
        await store.calls.append_events(CHAIN, a_call().hash)
        found = (await store.events.read(FIRST_EVENT, limit=9)).events[len(types) :]
        assert [(each.event.type, each.event.is_certain) for each in found] == (
            [("call.submitted", True)] if step == "claimed" else []
        )
        assert await store.event_schedule.list_ready(now=NOW + 10**6) == []
