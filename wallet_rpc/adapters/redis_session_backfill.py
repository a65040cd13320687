"""Backfill of the indexes of sessions and of their calls, with records that older servers wrote without them.

One scan of all keys adds the entries of every organisation, in a task of the process that first needs them. Adding is
idempotent, so that replicas may scan at once. A mark in Redis ends it. Servers without the indexes may still run while
others are upgraded, so the mark counts only once a scan began an hour after the first.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from wallet_rpc.adapters.redis_calls import RedisCalls
from wallet_rpc.adapters.redis_groups import RedisGroups
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_session_index import RedisSessionIndex
from wallet_rpc.adapters.redis_sessions import RedisSessions
from wallet_rpc.adapters.redis_unsigned import parse_short_id
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.session_reference import IndexedSession
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import Address, ChainId, EntityId, Hash32, SessionId, UnixSeconds
from wallet_rpc.time_budget import remaining_seconds, unlimited_context

REPEAT_SECONDS = 3_600
"""Time after the first scan from which another one is final: no server without the indexes runs any more."""
SCAN_WAIT_SECONDS = 1.0
"""Time for which a request waits for a scan."""
_AT_ONCE = 50
"""Number of records that are read at once."""

_SESSION_KEY = re.compile(
    r"(?:(org_[0-9A-Za-z]+):)?\{account:([0-9a-f]{40}):(\d+)\}:(?:session:([0-9a-f]{32})|unsigned:([-_0-9A-Za-z]{22}))"
)
_CALL_KEY = re.compile(r"(?:(org_[0-9A-Za-z]+):)?\{call:(\d+):([0-9a-f]{64})\}")
_PATTERN = "*{[ac]*"
"""Pattern of the keys of accounts and calls, and of a few others."""


class IndexedStore(Protocol):
    """The storage of an organisation that the backfill reads and writes."""

    sessions: RedisSessions
    session_index: RedisSessionIndex
    calls: RedisCalls
    groups: RedisGroups


class SessionBackfill:
    """The backfill of all organisations' indexes."""

    def __init__(self, link: Link, store_of: Callable[[OrganizationId], IndexedStore]) -> None:
        self._link = link
        self._store_of = store_of
        self.mark_key = link.key("session-index")
        """String: the time of the first complete scan, and `done` after the final one."""
        self._is_done = False
        self._scan: asyncio.Task[None] | None = None

    async def ensure(self, now: UnixSeconds) -> None:
        """Wait until the indexes have all records. Raises: Unavailable (session_index_incomplete) until then."""
        if self._is_done:
            return
        mark = await self._link.command("GET", self.mark_key)
        if mark == b"done":
            self._is_done = True
            return
        is_final = mark is not None and int(mark) + REPEAT_SECONDS <= now
        if mark is None or is_final:
            scan = self._start(now, is_final=is_final)
            if mark is None:
                await self._wait(scan)

    async def close(self) -> None:
        """Stop a running scan."""
        if self._scan is not None:
            self._scan.cancel()
            with suppress(asyncio.CancelledError, Unavailable):
                await self._scan

    def _start(self, now: UnixSeconds, *, is_final: bool) -> asyncio.Task[None]:
        """Start a scan, unless one is running."""
        if self._scan is None or self._scan.done():
            self._scan = asyncio.create_task(self._run(now, is_final=is_final), context=unlimited_context())
            self._scan.add_done_callback(lambda scan: scan.cancelled() or scan.exception())  # retrieves its error
        return self._scan

    async def _wait(self, scan: asyncio.Task[None]) -> None:
        await asyncio.wait({scan}, timeout=remaining_seconds(SCAN_WAIT_SECONDS))
        if not scan.done():
            raise Unavailable(
                "the index of sessions that an earlier version created is being built; try again",
                reason="session_index_incomplete",
                part="store",
            )
        await scan

    async def _run(self, now: UnixSeconds, *, is_final: bool) -> None:
        async for keys in self._link.scan_keys(_PATTERN):
            for start in range(0, len(keys), _AT_ONCE):
                await self._add_all(keys[start : start + _AT_ONCE], now)
        await self._link.command("SET", self.mark_key, "done" if is_final else str(now))

    async def _add_all(self, keys: Sequence[str], now: UnixSeconds) -> None:
        results = await asyncio.gather(*(self._add(key, now) for key in keys), return_exceptions=True)
        for result in results:
            if isinstance(result, ValueError) or (isinstance(result, Unavailable) and result.reason == "newer_record"):
                continue  # a malformed record; or one of a newer server, which indexes it itself
            if isinstance(result, BaseException):
                raise result

    async def _add(self, key: str, now: UnixSeconds) -> None:
        name = key.removeprefix(f"{self._link.prefix}:")
        if session := _SESSION_KEY.fullmatch(name):
            organization, account, chain_id, signed, unsigned = session.groups()
            session_id = parse_short_id(unsigned) if signed is None else SessionId.parse(f"0x{signed}")
            place = Address.parse(f"0x{account}"), ChainId(int(chain_id)), session_id
            await self._add_session(self._store_of(OrganizationId(organization or OPEN_ORGANIZATION)), key, place, now)
        elif call := _CALL_KEY.fullmatch(name):
            organization, chain_id, operation_hash = call.groups()
            calls = self._store_of(OrganizationId(organization or OPEN_ORGANIZATION)).calls
            record = await calls.get(ChainId(int(chain_id)), Hash32.parse(f"0x{operation_hash}"))
            if record is not None:
                await calls.by_session.add(record, is_backfill=True)

    async def _add_session(
        self, store: IndexedStore, key: str, place: tuple[Address, ChainId, SessionId], now: UnixSeconds
    ) -> None:
        """Add a session's entry unless it has one, and the label of its registration as its tag."""
        account, chain_id, session_id = place
        if await store.session_index.find(session_id) is not None:
            return
        session, seconds, group = await asyncio.gather(
            store.sessions.get(*place), self._link.command("TTL", key), store.groups.find_by_session(session_id)
        )
        if session is None or seconds == -2:
            return
        entry = IndexedSession(
            id=session_id,
            account=account,
            chain_id=chain_id,
            entity_id=EntityId(session.entity_id),
            key=session.key.address,
            created_at=session.created_at,
            forget_at=None if seconds == -1 else now + seconds,
        )
        tags = [] if group is None or not group.workflow_id else [group.workflow_id]
        await store.session_index.add(entry, now=now, tags=tags, is_backfill=True)
