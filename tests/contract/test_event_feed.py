"""The feed of event logs over real Redis: no gap between log and queue, bounded queues, one reader for all clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from tests.contract.sample import a_marked_event
from wallet_rpc.adapters.redis_events import format_event
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION
from wallet_rpc.domain.event import EventFilter
from wallet_rpc.metrics.catalogue import FOLLOWERS, LAGGING
from wallet_rpc.metrics.events import EventMetrics
from wallet_rpc.metrics.instruments import Instruments
from wallet_rpc.ports.events import FIRST_EVENT
from wallet_rpc.services import event_feed
from wallet_rpc.services.event_counts import FollowerKind, report_events_to
from wallet_rpc.services.event_feed import QUEUED_EVENTS, SLOW_READER, EventFeed, EventReader


@pytest.fixture
async def feed(store: RedisStore) -> AsyncIterator[EventFeed]:
    found = EventFeed(lambda organization: store.for_organization(organization).events)
    running = asyncio.create_task(found.run())
    yield found
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def append(store: RedisStore, numbers: range) -> None:
    for number in numbers:
        await store.events.append(a_marked_event(f"{number}", data={"number": number}))


async def read(reader: EventReader, count: int) -> list[int]:
    """Read this number of events, and return their numbers."""
    found: list[int] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            batch = await reader.read(wait_seconds=1)
            assert (batch.gap, batch.end) == (None, None)
            found += [each.event.data["number"] for each in batch.events]
    return found


async def test_a_reader_gets_each_event_once_while_others_are_appended(store: RedisStore, feed: EventFeed) -> None:
    await append(store, range(250))
    with ExitStack() as opened:
        readers = [opened.enter_context(feed.open_reader(OPEN_ORGANIZATION, after=FIRST_EVENT)) for _ in range(5)]
        reading = [asyncio.create_task(read(each, 400)) for each in readers]
        await append(store, range(250, 400))
        assert await asyncio.gather(*reading) == [list(range(400))] * 5
        assert feed.readers == 5
    assert feed.readers == 0


async def test_any_number_of_readers_costs_one_reading_of_the_log(
    store: RedisStore, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as opened:
        readers = [opened.enter_context(feed.open_reader(OPEN_ORGANIZATION, after=None)) for _ in range(50)]
        for each in readers:
            for _ in range(2):
                await each.read(wait_seconds=0)  # from now on they are live
        requests = 0
        original = store.events.read

        async def count(after: str, *, limit: int) -> object:
            nonlocal requests
            requests += 1
            return await original(after, limit=limit)

        monkeypatch.setattr(store.events, "read", count)
        await append(store, range(3))
        assert await asyncio.gather(*(read(each, 3) for each in readers)) == [[0, 1, 2]] * 50
        assert requests <= 20


async def test_a_reader_that_falls_behind_is_ended_and_goes_on_at_its_position(
    store: RedisStore, feed: EventFeed
) -> None:
    total = 2 * QUEUED_EVENTS
    metrics = Instruments()
    report_events_to(EventMetrics(metrics))
    with feed.open_reader(OPEN_ORGANIZATION, after=FIRST_EVENT, kind=FollowerKind.STREAM) as reader:
        assert metrics.registry.get_sample_value(FOLLOWERS.name, {"kind": "stream"}) == 1
        await append(store, range(1))
        assert await read(reader, 1) == [0]
        await append(store, range(1, total))
        numbers = [0]
        async with asyncio.timeout(30):
            while (batch := await reader.read(wait_seconds=0.1)).end is None:
                numbers += [each.event.data["number"] for each in batch.events]
                await asyncio.sleep(0.3)
        assert batch.end == SLOW_READER
        position = reader.position
    report_events_to(None)
    metrics.flush()
    counts = [metrics.registry.get_sample_value(each.name, {"kind": "stream"}) for each in (FOLLOWERS, LAGGING)]
    assert counts == [0, 1]
    with feed.open_reader(OPEN_ORGANIZATION, after=position) as reader:
        assert numbers + await read(reader, total - len(numbers)) == list(range(total))


async def test_a_slow_reader_of_old_events_is_not_ended(
    store: RedisStore, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "FEED_SECONDS", 0.01)
    total = 3 * QUEUED_EVENTS
    await append(store, range(total // 2))
    with feed.open_reader(OPEN_ORGANIZATION, after=FIRST_EVENT) as reader:
        first = await reader.read(wait_seconds=0)
        await append(store, range(total // 2, total))
        await asyncio.sleep(0.1)
        assert await read(reader, total - len(first.events)) == list(range(len(first.events), total))


async def test_an_event_of_a_newer_server_is_delivered_too(store: RedisStore, feed: EventFeed) -> None:
    text = format_event(a_marked_event("new").event).replace("session.paused", "session.frozen")
    await store.events.append_texts(("new", text))
    await append(store, range(1))
    with feed.open_reader(OPEN_ORGANIZATION, after=FIRST_EVENT) as reader:
        events = [each.event for each in (await reader.read(wait_seconds=1)).events]
    assert [each.type for each in events] == ["session.frozen", "session.paused"]
    assert all(EventFilter(types=frozenset({"session"})).matches(each) for each in events)
