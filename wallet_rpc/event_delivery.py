"""Work on event logs while a server runs: their readers, announced events whose time has come, and webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.webhook_sender import HttpWebhookSender
from wallet_rpc.domain.event import Event
from wallet_rpc.edge.observe import log_incident
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import Clock, Ports
from wallet_rpc.services.event_feed import EventFeed
from wallet_rpc.services.events import AnnouncedEnds
from wallet_rpc.services.webhook_delivery import WebhookDelivery

SWEEP_SECONDS = 1.0
"""Interval at which a replica looks for announced events whose time has come."""
_LAST_TIME = 1 << 48
"""A time after all announcements: of an end that a contract can store."""
_PAUSE_SECONDS = 1.0
"""Pause after work that failed unexpectedly."""


@asynccontextmanager
async def run_events(store: RedisStore, ports: Ports, real_clock: Clock) -> AsyncIterator[EventFeed]:
    """Run the work while the block runs, and yield the feed of all logs; webhooks are sent by the real clock."""
    clock, ends = ports.clock, AnnouncedEnds(ports)
    feed = EventFeed(lambda organization: store.for_organization(organization).events)

    async def append_announced_often() -> None:
        while True:
            with suppress(Unavailable):
                await append_announced(store, clock, ends)
            await asyncio.sleep(SWEEP_SECONDS)

    async with HttpWebhookSender(real_clock, allows_private=ports.rules.allows_private_webhooks) as sender:
        webhooks = WebhookDelivery(
            feed,
            sender,
            real_clock,
            lambda organization: store.for_organization(organization).webhooks,
            store.list_webhook_organizations,
        )
        works = (feed.run, append_announced_often, webhooks.run)
        running = [asyncio.create_task(_repeat(work)) for work in works]
        try:
            yield feed
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def append_announced(store: RedisStore, clock: Clock, ends: AnnouncedEnds | None = None) -> None:
    """Append the announced events of all organisations whose time has come. Raises: Unavailable.

    Several replicas may do so at once: each event is appended once. `ends` follow the clocks of chains.
    """
    now, find_wait = clock.now(), _wait_never if ends is None else ends.find_wait
    if ends is not None and (moves := ends.moves) != ends.followed:
        for organization, _ in await store.event_schedule.list_ready(now=_LAST_TIME):
            await store.for_organization(organization).events.reschedule(now=now, find_wait=find_wait)
        ends.followed = moves
    for organization, count in await store.event_schedule.list_ready(now=now):
        events = store.for_organization(organization).events
        next_at = await events.append_announced(now=now, find_wait=find_wait)
        await store.event_schedule.move(organization, count, at=next_at)


def _wait_never(_: Event) -> int:
    return 0


async def _repeat(work: Callable[[], Awaitable[None]]) -> None:
    """Run work again after an unexpected exception, which is a bug and is logged."""
    while True:
        try:
            await work()
        except Exception as raised:
            log_incident(raised, method="(events)", event="event_delivery_failed")
        await asyncio.sleep(_PAUSE_SECONDS)
