"""Lists of an organisation's sessions, with their state and what remains of their limits by the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from wallet_rpc.domain.permission import to_raw_permission
from wallet_rpc.domain.session_reference import IndexedSession, SessionQuery
from wallet_rpc.domain.session_state import SessionStatus
from wallet_rpc.errors import InvalidParams, Unavailable
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address
from wallet_rpc.services.session_lookup import name_stored
from wallet_rpc.services.session_reservations import read_open_calls
from wallet_rpc.services.session_view import (
    SessionOverview,
    describe_stored,
    read_known_grant,
    read_view,
)

_AT_ONCE = 20
"""Number of sessions that are read at once."""
_MOST_EXAMINED = 200
"""Maximum number of sessions that one request examines for a page of a state."""
_MOST_FUNCTIONS = 2_000
"""Number of granted functions after which a page ends, since each is a row to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSessions:
    """A page of sessions, newest first."""

    sessions: tuple[SessionOverview, ...]
    next_page: bytes
    """The place from which the next page continues; empty: no further page."""


def require_filter(ports: Ports, *, account: Address | None, key: Address | None, at: str) -> None:
    """Check that a caller with fewer rights than an API key says whose sessions it lists. Raises: InvalidParams."""
    if ports.caller.token is not None and account is None:
        raise InvalidParams("expected an account, which a session token has to give", field=at, reason="session_filter")
    if ports.caller.is_anonymous and account is None and key is None:
        raise InvalidParams(
            "expected an account or a key, one of which callers without an API key have to give",
            field=at,
            reason="session_filter",
        )


async def list_sessions(
    ports: Ports, query: SessionQuery, *, state: SessionStatus | None, after: bytes, limit: int
) -> ListedSessions:
    """Return up to `limit` sessions in a state; a page may be shorter, also if others follow. Raises: Unavailable."""
    found: list[SessionOverview] = []
    examined = functions = 0
    await ports.store.session_index.complete(ports.clock.now())
    while True:
        index = ports.store.session_index
        now, count = ports.clock.now(), min(_AT_ONCE, limit - len(found))
        page = await index.page(query, now=now, after=after, limit=count)
        tags = await index.tags([entry.id for entry in page.sessions])
        items = await asyncio.gather(*map(_read_item, [ports] * len(tags), page.sessions, tags))
        found += [item for item in items if item is not None and state in {None, item.state}]
        examined += count
        functions += sum(len(to_raw_permission(each).functions) for item in items if item for each in item.permissions)
        after = page.next_page
        if not after or len(found) == limit or examined >= _MOST_EXAMINED or functions >= _MOST_FUNCTIONS:
            return ListedSessions(sessions=tuple(found), next_page=after)


async def _read_item(ports: Ports, entry: IndexedSession, tags: Sequence[str]) -> SessionOverview | None:
    """Describe a session of the index; None, and no entry any more, for one whose record was deleted."""
    session = await ports.store.sessions.get(entry.account, entry.chain_id, entry.id)
    if session is None:
        await ports.store.session_index.remove(entry.id)
        return None
    named, open_calls = await asyncio.gather(name_stored(ports, session), read_open_calls(ports, entry.reference))
    chain = ports.chains.get(entry.chain_id)
    try:
        if chain is not None:
            return (await read_view(ports, chain, named, open_calls=open_calls, tags=tags)).item
    except Unavailable:
        pass
    return describe_stored(named, read_known_grant(named), tags=tags, state=SessionStatus.UNKNOWN)
