"""Fan-out of event logs: one loop in a process reads the logs that have readers, and hands each event to all of them.

A reader begins at any position. It reads the log itself up to the newest event, and gets the later ones from the loop.
Its queue is bounded: a reader that falls behind is ended, and may begin again at its position.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.event import read_position
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports.events import FIRST_EVENT, EventStore, LoggedEvent
from wallet_rpc.services.event_counts import FollowerKind, event_observer

FEED_SECONDS = 0.2
"""Interval at which the loop reads the logs."""
QUEUED_EVENTS = 256
"""Maximum number of events that wait for one reader."""
PAGE_EVENTS = 100
"""Number of events that one command reads."""

EVENTS_TRIMMED = "events_trimmed"
"""Reason of a gap: events after the position were deleted before they were read."""
POSITION_UNKNOWN = "event_id_unknown"
"""Reason of a gap: the position is later than every event, as after a Redis lost its newest writes."""
SLOW_READER = "slow_reader"
"""Reason of an end: more events waited than may wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The next events of a reader, and what it has to tell its client."""

    events: tuple[LoggedEvent, ...] = ()
    gap: str | None = None
    """Reason why events before these are missing."""
    resumed_at: str | None = None
    """Position after a gap, from which on no event is missing."""
    end: str | None = None
    """Reason why nothing follows."""


@dataclass(slots=True, eq=False)
class _Queue:
    """The events that wait for one reader."""

    events: deque[LoggedEvent] = field(default_factory=deque)
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    has_gap: bool = False
    """True if the loop itself missed events."""
    end: str | None = None

    def put(self, events: tuple[LoggedEvent, ...]) -> None:
        """Add events, or drop all of them if too many wait."""
        self.events.extend(events)
        if len(self.events) > QUEUED_EVENTS:
            self.events.clear()
            self.end = self.end or SLOW_READER
        self.arrival.set()


@dataclass(slots=True, eq=False)
class _Channel:
    """The log of one organisation, as the loop reads it."""

    log: EventStore
    position: str | None = None
    """Id of the newest event that the loop has read; None until it is known."""
    queues: set[_Queue] = field(default_factory=set)


class EventFeed:
    """The logs that have readers in this process."""

    def __init__(self, log_of: Callable[[OrganizationId], EventStore]) -> None:
        self._log_of = log_of
        self._channels: dict[OrganizationId, _Channel] = {}
        self._has_readers = asyncio.Event()

    @property
    def readers(self) -> int:
        """The number of readers."""
        return sum(len(channel.queues) for channel in self._channels.values())

    @contextmanager
    def open_reader(
        self, organization: OrganizationId, *, after: str | None, kind: FollowerKind | None = None
    ) -> Iterator[EventReader]:
        """Open a reader of a log that begins after a position, or with the next event for None.

        A reader for a client has a kind, by which it is counted.
        """
        channel = self._channels.setdefault(organization, _Channel(self._log_of(organization)))
        queue = _Queue()
        channel.queues.add(queue)
        self._has_readers.set()
        if kind is not None:
            event_observer().count_open(kind, 1)
        try:
            yield EventReader(channel, queue, after, kind)
        finally:
            if kind is not None:
                event_observer().count_open(kind, -1)
            channel.queues.discard(queue)
            if not channel.queues:
                self._channels.pop(organization, None)

    async def run(self) -> None:
        """Read the logs that have readers until cancelled."""
        while True:
            await self._has_readers.wait()
            await asyncio.gather(*(self._poll(channel) for channel in list(self._channels.values())))
            if not self._channels:
                self._has_readers.clear()
            await asyncio.sleep(FEED_SECONDS)

    async def _poll(self, channel: _Channel) -> None:
        """Hand the new events of a log to its readers, as far as the store is available."""
        with suppress(Unavailable):
            while channel.position is not None and channel.queues:
                page = await channel.log.read(channel.position, limit=PAGE_EVENTS)
                has_gap = _is_later(page.trimmed, channel.position) or _is_later(channel.position, page.last)
                for queue in channel.queues:
                    queue.has_gap |= has_gap
                    queue.put(page.events)
                channel.position = page.events[-1].id if page.events else page.last
                if len(page.events) < PAGE_EVENTS:
                    return


class EventReader:
    """A reader of one log."""

    def __init__(self, channel: _Channel, queue: _Queue, after: str | None, kind: FollowerKind | None) -> None:
        self._kind = kind
        self._channel = channel
        self._queue = queue
        self._is_live = False
        self.position = after
        """Id of the newest event that was returned, or the position at which the reader began."""
        self.start = after
        """Position at which the reader began; None until the first batch is read, if it begins with the next event."""

    def close(self, reason: str) -> None:
        """End the reader: its next batch has this reason."""
        self._queue.end = reason
        self._queue.arrival.set()

    def count_sent(self) -> None:
        """Count an event that is sent to the reader's client."""
        if self._kind is not None:
            event_observer().count_sent(self._kind)

    async def read(self, *, wait_seconds: float) -> Batch:
        """Return the next events; a batch without any after this time. Raises: Unavailable."""
        if self._channel.position is None:
            self._channel.position = (await self._channel.log.read(FIRST_EVENT, limit=1)).last
        if self.position is None:
            self.position = self.start = self._channel.position
        if self._queue.has_gap:
            self._queue.has_gap = self._is_live = False
        if self._queue.end == SLOW_READER and not self._is_live:
            self._queue.end = None  # the log has the events that were dropped
        if self._queue.end is not None:
            return self._end()
        return await (self._read_queue(wait_seconds) if self._is_live else self._read_log(self.position))

    def _end(self, events: tuple[LoggedEvent, ...] = ()) -> Batch:
        """Return the last batch, with the reason of the end."""
        if self._queue.end == SLOW_READER and self._kind is not None:
            event_observer().count_lagging(self._kind)
        return Batch(events=events, end=self._queue.end)

    async def _read_log(self, position: str) -> Batch:
        """Read the log itself; once it is read to its end, the queue has all later events, unless it overflowed."""
        page = await self._channel.log.read(position, limit=PAGE_EVENTS)
        gap = EVENTS_TRIMMED if _is_later(page.trimmed, position) else None
        if _is_later(position, page.last):
            gap = POSITION_UNKNOWN
            self.position = page.last
        elif gap is not None:
            self.position = page.trimmed
        resumed_at = None if gap is None else self.position
        if page.events:
            self.position = page.events[-1].id
        self._is_live = len(page.events) < PAGE_EVENTS and self._queue.end is None
        return Batch(events=page.events, gap=gap, resumed_at=resumed_at)

    async def _read_queue(self, wait_seconds: float) -> Batch:
        queue = self._queue
        queue.arrival.clear()
        if not queue.events:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await queue.arrival.wait()
        events = tuple(each for each in queue.events if self.position is None or _is_later(each.id, self.position))
        queue.events.clear()
        if events:
            self.position = events[-1].id
        return Batch(events=events) if queue.end is None else self._end(events)


def _is_later(one: str, other: str) -> bool:
    return read_position(one) > read_position(other)
