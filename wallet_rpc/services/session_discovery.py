"""Search for sessions that only the chain knows, by the events of an account in bounded ranges of blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from wallet_rpc.domain.contracts import ALLOWLIST_MODULE
from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.domain.session_state import SessionStatus
from wallet_rpc.domain.validation_events import (
    ValidationEvent,
    allowlist_topics,
    read_allowlist_names,
    read_validation_events,
    validation_topics,
)
from wallet_rpc.errors import NotFound, Unavailable
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.ports.node import NO_LOGS, FoundLog, LogQuery
from wallet_rpc.primitives import Address, EntityId
from wallet_rpc.services.session_lookup import find_by_entity
from wallet_rpc.services.session_reservations import read_open_calls
from wallet_rpc.services.session_rows import RowNames
from wallet_rpc.services.session_view import SessionOverview, describe_stored, read_view

DISCOVERY_BLOCKS = 20_000
"""Maximum number of blocks that one request searches."""
_STEP_BLOCKS = 2_000
"""Number of blocks after which a search ends if it has found enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredSessions:
    """Sessions that an account has had by its events in a range of blocks, the newest event first."""

    sessions: tuple[SessionOverview, ...]
    first_block: int
    """The first block that was searched."""
    last_block: int
    """The last block that was searched."""


@dataclass(slots=True, kw_only=True)
class AllowlistSearch:
    """A search for a session's rows in the Allowlist, from the newest block back to its installation."""

    chain: ChainPorts
    reference: SessionReference
    first_block: int | None = None
    """The first block that was searched; None before the search, and for a node that does not search its logs."""
    is_complete: bool = False
    """True once the search has reached the block that installed the session."""

    async def find_names(self) -> RowNames:
        """Search, and return the names of the rows. Raises: Unavailable."""
        node, account, entity_id = self.chain.node, self.reference.account, self.reference.entity_id
        newest = await node.block_number()
        installing = LogQuery(addresses=(account,), topics=validation_topics(entity_id))
        changing = LogQuery(addresses=(ALLOWLIST_MODULE,), topics=allowlist_topics(account, entity_id))
        logs: list[FoundLog] = []
        first = newest + 1
        while first > 0 and newest - first + 1 < DISCOVERY_BLOCKS and not self.is_complete:
            blocks, to_latest = range(max(first - _STEP_BLOCKS, 0), first), first == newest + 1
            try:
                events, changes = await asyncio.gather(
                    node.find_logs(installing, blocks, to_latest=to_latest),
                    node.find_logs(changing, blocks, to_latest=to_latest),
                )
            except Unavailable as error:
                if error.reason != NO_LOGS:
                    raise
                break
            logs += changes
            self.first_block = first = blocks.start
            self.is_complete = first == 0 or any(
                each.is_installation for each in read_validation_events(events, account)
            )
        found = read_allowlist_names(logs, account, entity_id)
        return found.tokens, found.targets


async def discover_sessions(
    ports: Ports, chain: ChainPorts, account: Address, *, last_block: int | None, limit: int
) -> DiscoveredSessions:
    """Find the sessions that an account has had, from a block backwards until `limit` are found.

    All sessions of the last searched step are returned, so there may be more. Raises: Unavailable, with reason
    `NO_LOGS` from a node that does not search its logs.
    """
    newest = await chain.node.block_number()
    last = newest if last_block is None else min(last_block, newest)
    events: list[ValidationEvent] = []
    first = last + 1
    while first > 0 and last - first + 1 < DISCOVERY_BLOCKS and len({each.entity_id for each in events}) < limit:
        blocks = range(max(first - _STEP_BLOCKS, 0), first)
        found = LogQuery(addresses=(account,), topics=validation_topics())
        logs = await chain.node.find_logs(found, blocks, to_latest=first == newest + 1)
        events += read_validation_events(logs, account)
        first = blocks.start
    rows: Sequence[FoundLog] = ()
    if events:
        changes = LogQuery(addresses=(ALLOWLIST_MODULE,), topics=allowlist_topics(account))
        rows = await chain.node.find_logs(changes, range(first, last + 1), to_latest=last == newest)
    by_entity: dict[EntityId, ValidationEvent] = {}
    for event in events:
        by_entity.setdefault(event.entity_id, event)
    items = await asyncio.gather(*(_read_found(ports, chain, account, event, rows) for event in by_entity.values()))
    return DiscoveredSessions(sessions=tuple(items), first_block=first, last_block=last)


async def _read_found(
    ports: Ports, chain: ChainPorts, account: Address, event: ValidationEvent, logs: Sequence[FoundLog]
) -> SessionOverview:
    """Describe a session whose event was found, by its record here and by the chain."""
    reference = SessionReference(account=account, chain_id=chain.chain_id, entity_id=event.entity_id)
    named, open_calls = await asyncio.gather(find_by_entity(ports, reference), read_open_calls(ports, reference))
    tags = () if named.id is None else (await ports.store.session_index.tags([named.id]))[0]

    async def find_names() -> RowNames:
        found = read_allowlist_names(logs, account, event.entity_id)
        return found.tokens, found.targets

    try:
        view = await read_view(ports, chain, named, open_calls=open_calls, tags=tags, find_names=find_names)
    except NotFound:
        return describe_stored(NamedSession(reference=reference), None, tags=(), state=SessionStatus.REMOVED)
    return view.item
