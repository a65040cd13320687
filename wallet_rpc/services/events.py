"""Publication of events in the event log of the caller's organisation.

The order is: announce the event, make the change, append the event. A server that ends in between leaves the
announcement, and another one appends the event later, marked as not certain. So no event is lost (specs/events.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeAlias

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.event import Event, EventType, MarkedEvent
from wallet_rpc.domain.nonce import OWNER_ENTITY
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.errors import Unavailable, WalletError
from wallet_rpc.ports import Ports
from wallet_rpc.ports.events import EventStore
from wallet_rpc.primitives import ChainId, UnixSeconds

_ONCE = frozenset(
    {
        EventType.SESSION_CREATED,
        EventType.SESSION_ACTIVATED,
        EventType.SESSION_REVOKED,
        EventType.SESSION_REMOVED,
        EventType.SESSION_EXPIRED,
    }
)
"""The types of which a session has at most one event, although several requests may make the change."""
SharedEvent: TypeAlias = tuple[OrganizationId, Event]
"""An event for the log of another organisation than the caller's."""
ANOTHER_ORGANIZATION = "another organization"
"""The name of an organisation for the others."""
ANNOUNCED_SECONDS = 60
"""Time after which an announced event is appended without its change's end; longer than a request may take."""


async def publish(ports: Ports, *events: Event, elsewhere: Iterable[SharedEvent] = ()) -> None:
    """Append events that have happened. Raises: Unavailable.

    Use `publishing` around the change itself where the end of the server must not lose the event.
    """
    for log, marked in _mark_all(ports, events, elsewhere):
        await log.append(*marked)


@asynccontextmanager
async def publishing(ports: Ports, *events: Event, elsewhere: Iterable[SharedEvent] = ()) -> AsyncIterator[None]:
    """Publish the events of the change that the block makes, also if the server ends during the change.

    Those `elsewhere` are published in the logs of other organisations, which `share_event` returns. An error of the
    block other than `Unavailable` means that nothing was changed: then nothing is published.
    """
    logs = _mark_all(ports, events, elsewhere)
    at = ports.clock.now() + ANNOUNCED_SECONDS
    await asyncio.gather(*(log.announce(_doubt(each), at=at) for log, marked in logs for each in marked))
    try:
        yield
    except Unavailable:
        raise
    except WalletError:
        for log, marked in logs:
            for each in marked:
                await log.withdraw(each.mark)
        raise
    with suppress(Unavailable):  # the announcements publish them later
        for log, marked in logs:
            await log.append(*marked)


async def share_event(ports: Ports, session: SessionReference, event: Event, **facts: Any) -> list[SharedEvent]:
    """Return an event for each other organisation that controls the session, for its own log.

    Entity id 0 stands for all sessions of the account. `data` has `facts` and the entity id only, and the session's id
    is the one in that organisation, so that nothing of the caller's organisation is in the event.
    """
    controllers = await ports.store.stops.list_controllers(session)
    is_account = session.entity_id == OWNER_ENTITY
    data = facts if is_account else {"entityId": int(session.entity_id), **facts}
    found = {
        one.organization: replace(event, session_id=None if is_account else one.session_id, data=data)
        for one in controllers
        if one.organization != ports.store.stops.organization
    }
    return list(found.items())


async def announce_end(ports: Ports, session: Session) -> None:
    """Announce the expiry of an active session for the second after its deadline on the chain, if it has one."""
    if session.deadline != 0:
        expired = describe_session(session, EventType.SESSION_EXPIRED, at=session.deadline + 1)
        left = expired.time - ports.now_on(session.chain_id)
        await ports.store.events.announce(_mark(ports, expired), at=ports.clock.now() + left)


class AnnouncedEnds:
    """The announced ends of sessions, which follow the clocks of their chains as these are moved."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self.followed: dict[ChainId, int] = {}
        """The moves of each chain's clock when the ends were scheduled; set by the caller."""

    @property
    def moves(self) -> dict[ChainId, int]:
        """The moves of each chain's clock, of the chains that have their own."""
        chains = self._ports.chains.items()
        return {chain_id: chain.clock.moves for chain_id, chain in chains if chain.clock is not None}

    def find_wait(self, event: Event) -> int:
        """Return the seconds after which to look if an event has come; 0 for one that has."""
        chain = None if event.chain_id is None else self._ports.chains.get(event.chain_id)
        if event.type is not EventType.SESSION_EXPIRED or chain is None or chain.clock is None:
            return 0
        return max(event.time - chain.clock.now(), 0)


def describe_session(session: Session, kind: EventType, *, at: UnixSeconds, **facts: Any) -> Event:
    """Return an event of a session; `facts` are JSON values with camelCase names."""
    return Event(
        type=kind, time=at, account=session.account, chain_id=session.chain_id, session_id=session.id, data=facts
    )


def _mark_all(
    ports: Ports, events: Iterable[Event], elsewhere: Iterable[SharedEvent]
) -> list[tuple[EventStore, tuple[MarkedEvent, ...]]]:
    """Return the logs of a change, the caller's first, each with its marked events."""
    own = ports.store.events
    logs = [(own, tuple(_mark(ports, event) for event in events))]
    return logs + [(own.log_of(organization), (_mark(ports, event),)) for organization, event in elsewhere]


def _doubt(marked: MarkedEvent) -> MarkedEvent:
    """Return the event as it is published if its change's end is not known."""
    return replace(marked, event=replace(marked.event, is_certain=False))


def _mark(ports: Ports, event: Event) -> MarkedEvent:
    """Mark an event: those of one kind that a session has only once have the same mark."""
    entity_id = event.data.get("entityId")
    if event.type in _ONCE and (event.session_id is not None or entity_id is not None):
        subject = f"{event.account}:{entity_id}" if event.session_id is None else event.session_id.hex()
        return MarkedEvent(mark=f"{event.chain_id}:{subject}:{event.type}", event=event)
    return MarkedEvent(mark=ports.entropy.random_bytes(12).hex(), event=event)
