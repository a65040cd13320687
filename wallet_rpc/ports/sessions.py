"""Ports of an organisation's sessions: their index, and the policy on new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wallet_rpc.domain.grant_warnings import WarningCode
from wallet_rpc.domain.session_reference import IndexedSession, IndexedSessions, SessionQuery, SessionReference
from wallet_rpc.primitives import SessionId, UnixSeconds


class SessionIndex(Protocol):
    """The sessions that an organisation created: found by id, and listed by account, key, chain and tag."""

    async def complete(self, now: UnixSeconds) -> None:
        """Wait until the index has the sessions that servers without it created.

        Raises: Unavailable (session_index_incomplete) when that takes longer than a request may.
        """

    async def add(
        self,
        session: IndexedSession,
        *,
        now: UnixSeconds,
        tags: Sequence[str] | None = None,
        is_backfill: bool = False,
    ) -> None:
        """Add a session, or replace its entry; its tags stay unless some are given.

        Entries of sessions deleted by `now` are removed.
        A backfill leaves an entry that exists as it is.
        """

    async def remove(self, session_id: SessionId) -> None:
        """Remove a session and its tags."""

    async def find(self, session_id: SessionId) -> IndexedSession | None:
        """Return the session with an id."""

    async def find_by_entity(self, reference: SessionReference) -> IndexedSession | None:
        """Return the session with an account, chain and entity id, among the account's 10,000 newest sessions."""

    async def page(self, query: SessionQuery, *, now: UnixSeconds, after: bytes, limit: int) -> IndexedSessions:
        """Return up to `limit` sessions, newest first; `after` is the previous page's `next_page`, empty at first.

        A page may be shorter than `limit`, also if others follow.
        """

    async def set_tags(self, session_id: SessionId, tags: Sequence[str]) -> bool:
        """Replace the tags of a session; return False for a session that is not in the index."""

    async def tags(self, session_ids: Sequence[SessionId]) -> tuple[tuple[str, ...], ...]:
        """Return the tags of each session, sorted."""


class GrantPolicy(Protocol):
    """An organisation's policy on grants: the warnings that are errors."""

    async def refused_warnings(self) -> frozenset[WarningCode]:
        """Return the codes of the warnings with which no session is created."""
