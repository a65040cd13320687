"""Storage port of an organisation's event log, and the announcements of events that are about to happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.event import Event, EventFilter, MarkedEvent
from wallet_rpc.primitives import UnixSeconds

FIRST_EVENT = "0-0"
"""The position before the first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """An event of the log, and its JSON text with its id."""

    id: str
    event: Event
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events after a position, oldest first, and the ends of the log."""

    events: tuple[LoggedEvent, ...]
    trimmed: str
    """Id of the newest event that was deleted; `FIRST_EVENT` if none was."""
    last: str
    """Id of the newest event, also if it was deleted; `FIRST_EVENT` without any."""


class EventStore(Protocol):
    """An organisation's event log. Its oldest events are deleted."""

    async def append(self, *events: MarkedEvent) -> None:
        """Append events, and end their announcements; an event whose mark was appended lately is left out."""

    async def announce(self, event: MarkedEvent, *, at: UnixSeconds) -> None:
        """Store an event that is appended at the time `at`, unless it is appended or withdrawn before."""

    async def withdraw(self, mark: str) -> None:
        """Delete an announcement."""

    async def read(self, after: str, *, limit: int) -> EventPage:
        """Return up to `limit` events after the position `after`."""

    def log_of(self, organization: OrganizationId) -> EventStore:
        """Return the log of an organisation, for events of what it shares with this one: the sessions of an account."""


class Subscriber(Protocol):
    """A connection that receives notifications about events."""

    async def subscribe(self, event_filter: EventFilter, *, after: str | None) -> str:
        """Begin a subscription after a position, or with the next event for None, and return its id.

        Raises: LimitExceeded when the connection has too many.
        """

    async def unsubscribe(self, subscription: str) -> bool:
        """End a subscription; return False for one that the connection does not have."""
