"""Audit log of an organisation in Redis: an append-only list of lines and a separate head, in one slot.

One script appends an entry, and only if the head is still the one that the entry was hashed over. Of several concurrent
servers one succeeds, and the others hash again. Within a server, events that arrive during a write are written together
afterwards. The stored head contains its writer's random mark. After a lost response, a server recognizes its own
entries by this mark.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.audit import (
    EMPTY_HEAD,
    AuditEntry,
    AuditEvent,
    ExpectedEntry,
    IntegrityFailure,
    IntegrityFailureReason,
    LogHead,
    VerificationState,
    finish_verification,
    next_line,
    verify_line,
)
from wallet_rpc.domain.records import RECORD_VERSION

_APPEND = """
local head = redis.call('GET', KEYS[2]) or ''
if head ~= ARGV[1] and head ~= ARGV[2] then return head end
if head ~= ARGV[2] then
  redis.call('RPUSH', KEYS[1], unpack(ARGV, 3))
  redis.call('SET', KEYS[2], ARGV[2])
end
return false
"""
"""Append lines and set the head, if the head is still the one that the writer read; otherwise return the new head."""

_READ_HEAD = """
return {redis.call('GET', KEYS[2]) or '', redis.call('LLEN', KEYS[1])}
"""
"""Read the head and the length atomically."""

_AT_ONCE = 500
"""Maximum number of entries that one command reads."""
_WRITE_BATCH = 100
"""Maximum number of entries that one command writes."""


@dataclass(slots=True, eq=False)
class _PendingEvent:
    """Event in the write queue."""

    event: AuditEvent
    is_written: bool = False


class RedisAudit:
    """`ports.storage.AuditLog` on Redis, with the verification of its integrity."""

    def __init__(self, link: Link, organization: OrganizationId) -> None:
        self._link = link
        self._organization = organization
        self._append = link.script(_APPEND)
        self._read_head = link.script(_READ_HEAD)
        self._write_lock = asyncio.Lock()
        self._head = ""
        """Stored head when last seen."""
        self._waiting: list[_PendingEvent] = []
        self._last: tuple[str, Sequence[_PendingEvent]] = ("", ())
        """Head of the last write attempt and the events that it covers; the attempt may have failed or succeeded."""

    def entries_key(self) -> str:
        """Return the key of the lines: a list, oldest first."""
        return self._link.key(f"audit:{self._organization}", "entries")

    def head_key(self) -> str:
        """Return the key of the head: count, hash and its writer's mark."""
        return self._link.key(f"audit:{self._organization}", "head")

    async def append(self, event: AuditEvent) -> None:
        """Append the event as one entry, hashed over the previous entry.

        After an exception the entry may still have been written.
        """
        mine = _PendingEvent(event)
        self._waiting.append(mine)
        try:
            with self._link.deadline():
                async with self._write_lock:
                    if not mine.is_written:  # the previous writer may have written it
                        await self._write(self._waiting[:_WRITE_BATCH])
        finally:
            if not mine.is_written:
                self._waiting.remove(mine)

    async def _write(self, pending: Sequence[_PendingEvent]) -> None:
        """Write the pending events in one command; retry after a concurrent write of another server."""
        mark = secrets.token_hex(8)
        uncertain = self._last
        while pending:
            lines = []
            head = _parse_head(self._head)
            for each in pending:
                head, line = next_line(head, each.event)
                lines.append(line)
            new_head = f"{head.count} {head.hash} {mark}"
            self._last = new_head, pending
            other_head = await self._link.run(self._append, self._keys(), self._head, new_head, *lines)
            self._head = new_head if other_head is None else other_head.decode()
            for attempted_head, events in (self._last, uncertain):
                if self._head == attempted_head:
                    self._mark_written(events)
            pending = [each for each in pending if not each.is_written]

    def _mark_written(self, events: Iterable[_PendingEvent]) -> None:
        for each in events:
            each.is_written = True
        self._waiting = [each for each in self._waiting if not each.is_written]

    async def head(self) -> LogHead:
        """Return the stored head."""
        return _parse_head((await self._link.command("GET", self.head_key()) or b"").decode())

    async def entries(self, start: int, count: int) -> tuple[AuditEntry, ...]:
        """Return at most `count` entries from number `start`, oldest first; the log must be intact."""
        return tuple(
            decode_record(AuditEntry, line, version=RECORD_VERSION) for line in await self._lines(start, start + count)
        )

    async def verify(self, expected: frozenset[LogHead | ExpectedEntry] = frozenset()) -> VerificationState:
        """Verify the log and return its first integrity failure, if any, and its head.

        A log that lacks one of the `expected` heads and entries fails too.
        """
        head, length = await self._link.run(self._read_head, self._keys())
        state = VerificationState(expected=expected)
        for start in range(0, length, _AT_ONCE):
            for line in await self._lines(start, min(start + _AT_ONCE, length)):
                state = verify_line(state, line)
        try:
            stored_head = _parse_head(head.decode())
        except ValueError:
            return replace(state, failure=IntegrityFailure(state.head.count, IntegrityFailureReason.ALTERED))
        return replace(state, failure=finish_verification(state, stored_head))

    async def _lines(self, start: int, end: int) -> list[bytes]:
        lines: list[bytes] = await self._link.command("LRANGE", self.entries_key(), start, end - 1)
        return lines

    def _keys(self) -> list[str]:
        return [self.entries_key(), self.head_key()]


def _parse_head(text: str) -> LogHead:
    """Parse a stored head; the empty text is the head of an empty log. Raises: ValueError when it is malformed."""
    if text == "":
        return EMPTY_HEAD
    count, digest, _ = text.split(" ")
    return LogHead(int(count), digest)
