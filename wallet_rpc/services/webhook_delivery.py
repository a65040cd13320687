"""Delivery of events to webhooks: in order for each endpoint, by the one replica that holds the organisation's lease.

An event is sent until the endpoint takes it. After too many attempts it becomes a dead letter, and the next one is
sent. An endpoint may get an event again after a server's end, with the same id.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.event import Event
from wallet_rpc.domain.webhook import MAX_ATTEMPTS, DeadLetter, FailedAttempts, WebhookEndpoint, pause_after
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import Clock
from wallet_rpc.ports.events import LoggedEvent
from wallet_rpc.ports.webhooks import DeliveringWebhooks, WebhookSender, WebhookState
from wallet_rpc.services.event_counts import WebhookOutcome, event_observer
from wallet_rpc.services.event_feed import EVENTS_TRIMMED, EventFeed, EventReader
from wallet_rpc.wire import encode

SEARCH_SECONDS = 1.0
"""Interval at which a replica looks for organisations whose lease is free, and for new and deleted webhooks."""
_WAIT_SECONDS = 5.0
"""Time after which a worker that waits for events looks again."""
_JITTER = random.SystemRandom()


class _LostLeaseError(Exception):
    """Another replica delivers, or the webhook was deleted."""


class WebhookDelivery:
    """The deliveries of one replica."""

    def __init__(
        self,
        feed: EventFeed,
        sender: WebhookSender,
        clock: Clock,
        webhooks_of: Callable[[OrganizationId], DeliveringWebhooks],
        list_organizations: Callable[[], Awaitable[Iterable[OrganizationId]]],
    ) -> None:
        self._feed = feed
        self._sender = sender
        self._clock = clock
        self._webhooks_of = webhooks_of
        self._list_organizations = list_organizations
        self._running: dict[OrganizationId, dict[str, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Deliver until cancelled; then leave the leases to other replicas."""
        try:
            while True:
                with suppress(Unavailable):
                    for organization in await self._list_organizations():
                        await self._tend(organization)
                await asyncio.sleep(SEARCH_SECONDS * (0.5 + _JITTER.random()))
        finally:
            for organization in list(self._running):
                await self._stop(organization)
                with suppress(Unavailable):
                    await self._webhooks_of(organization).leave()

    async def _tend(self, organization: OrganizationId) -> None:
        """Extend or take the lease of an organisation, and run a worker for each of its webhooks while it holds."""
        webhooks = self._webhooks_of(organization)
        try:
            is_held = await webhooks.hold()
        except Unavailable:
            is_held = False  # the lease may end before it can be extended
        if not is_held:
            await self._stop(organization)
            return
        workers = self._running.setdefault(organization, {})
        states = {state.endpoint.id: state for state in await webhooks.list()}
        for name in workers.keys() - states.keys():
            workers.pop(name).cancel()
        for name, state in states.items():
            worker = workers.get(name)
            if worker is None or worker.done():
                if worker is not None and worker.exception() is not None:
                    raise RuntimeError("the worker of a webhook failed") from worker.exception()
                workers[name] = asyncio.create_task(self._work(organization, state))

    async def _stop(self, organization: OrganizationId) -> None:
        workers = self._running.pop(organization, {}).values()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, organization: OrganizationId, state: WebhookState) -> None:
        """Deliver the events of one webhook until the lease is lost, or the store is unavailable."""
        worker = _Worker(self._webhooks_of(organization), self._sender, self._clock, state)
        with suppress(_LostLeaseError, Unavailable):
            while True:
                with self._feed.open_reader(organization, after=worker.position) as reader:
                    await worker.deliver(reader)


class _Worker:
    """The deliveries to one endpoint."""

    def __init__(self, webhooks: DeliveringWebhooks, sender: WebhookSender, clock: Clock, state: WebhookState) -> None:
        self._webhooks = webhooks
        self._sender = sender
        self._clock = clock
        self._endpoint: WebhookEndpoint = state.endpoint
        self._failed = state.failed
        self.position = state.position
        """Id of the newest event that was taken or given up."""

    async def deliver(self, reader: EventReader) -> None:
        """Deliver the events of a reader until it ends, as one that fell behind does during retries."""
        while True:
            batch = await reader.read(wait_seconds=_WAIT_SECONDS)
            if batch.gap == EVENTS_TRIMMED and batch.resumed_at is not None:
                await self._give_up(batch.resumed_at, attempts=0, reason=batch.gap)
            for each in batch.events:
                if self._endpoint.event_filter.matches(each.event):
                    await self._send_until_taken(each)
            if batch.events and self.position != batch.events[-1].id:
                await self._advance(batch.events[-1].id)  # the last ones are of other types
            if batch.end is not None:
                return

    async def _send_until_taken(self, logged: LoggedEvent) -> None:
        failed = self._failed if self._failed is not None and self._failed.event_id == logged.id else None
        count = 0 if failed is None else failed.count
        pause = 0 if failed is None else failed.next_at - self._clock.now()
        while True:
            if pause > 0:
                await asyncio.sleep(pause * (0.75 + _JITTER.random() / 2))
            reason = await self._sender.send(self._endpoint, logged.id, logged.text.encode())
            if reason is None:
                event_observer().count_webhook(WebhookOutcome.DELIVERED)
                await self._advance(logged.id)
                return
            count += 1
            if count >= MAX_ATTEMPTS:
                await self._give_up(logged.id, attempts=count, reason=reason, event=logged.event)
                return
            event_observer().count_webhook(WebhookOutcome.FAILED)
            pause = pause_after(count)
            next_at = self._clock.now() + pause
            failure = FailedAttempts(event_id=logged.id, count=count, next_at=next_at, reason=reason)
            self._require(await self._webhooks.note_failure(self._endpoint.id, failure))

    async def _advance(self, position: str) -> None:
        self._require(await self._webhooks.advance(self._endpoint.id, position))
        self.position = position
        self._failed = None

    async def _give_up(self, position: str, *, attempts: int, reason: str, event: Event | None = None) -> None:
        """Store a dead letter, and go on after its event."""
        dead = DeadLetter(
            endpoint_id=self._endpoint.id,
            event_id=position,
            failed_at=self._clock.now(),
            attempts=attempts,
            reason=reason,
            event=None if event is None else encode(Event, event),
        )
        self._require(await self._webhooks.advance(self._endpoint.id, position, dead=dead))
        event_observer().count_webhook(WebhookOutcome.DEAD)
        self.position = position
        self._failed = None

    @staticmethod
    def _require(is_held: bool) -> None:
        if not is_held:
            raise _LostLeaseError
