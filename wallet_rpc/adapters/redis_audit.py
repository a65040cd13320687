"""An organisation's log in Redis: a list of lines that only grows, and its head apart from it. One slot.

The rule: an entry is written only behind the head that it was hashed over, by one script; of many servers at once one
wins and the others hash again. Within a server those who wait while one writes are written together, in one go. The
head that is kept carries its writer's random mark, by which a server whose answer was lost knows its own entries.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wallet_rpc.adapters.redis_link import Link, decode_record
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
    format_entry,
    next_entry,
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
"""Append lines, and set the head, unless the head is another than the writer saw; that one is answered then."""

_READ_HEAD = """
return {redis.call('GET', KEYS[2]) or '', redis.call('LLEN', KEYS[1])}
"""
"""The head and the length of one moment."""

_AT_ONCE = 500
"""How many entries are read in one command."""
_WRITE_BATCH = 100
"""How many entries are written in one command."""


@dataclass(slots=True, eq=False)
class _PendingEvent:
    """An event that somebody wants written."""

    event: AuditEvent
    is_written: bool = False


class RedisAudit:
    """`memory.AuditLog` on Redis, and what proves it whole."""

    def __init__(self, link: Link, organization: OrganizationId) -> None:
        self._link = link
        self._organization = organization
        self._append = link.script(_APPEND)
        self._read_head = link.script(_READ_HEAD)
        self._write_lock = asyncio.Lock()
        self._head = ""
        """As it was kept when last seen."""
        self._waiting: list[_PendingEvent] = []
        self._last: tuple[str, Sequence[_PendingEvent]] = ("", ())
        """The head that was last to be written, and whose entries it ends; it may be unknown whether it was."""

    def entries_key(self) -> str:
        """Where the lines are: a list, oldest first."""
        return self._link.key(f"audit:{self._organization}", "entries")

    def head_key(self) -> str:
        """Where the head is: count, hash and its writer's mark."""
        return self._link.key(f"audit:{self._organization}", "head")

    async def append(self, event: AuditEvent) -> None:
        """Write the event as an entry of its own, hashed over the one before.

        When it fails, the entry may have been written.
        """
        mine = _PendingEvent(event)
        self._waiting.append(mine)
        try:
            async with self._link.deadline(), self._write_lock:
                if not mine.is_written:  # by whoever wrote before
                    await self._write(self._waiting[:_WRITE_BATCH])
        finally:
            if not mine.is_written:
                self._waiting.remove(mine)

    async def _write(self, pending: Sequence[_PendingEvent]) -> None:
        """Write what is not written yet, in one go, behind whatever others write meanwhile."""
        mark, unsure = secrets.token_hex(8), self._last
        while pending:
            lines, head = [], _parse_head(self._head)
            for each in pending:
                entry = next_entry(head, each.event)
                lines.append(format_entry(entry))
                head = LogHead(entry.number + 1, entry.hash)
            kept = f"{head.count} {head.hash} {mark}"
            self._last = kept, pending
            other = await self._link.run(self._append, self._keys(), self._head, kept, *lines)
            self._head = kept if other is None else other.decode()
            for written, those in (self._last, unsure):
                if self._head == written:
                    self._mark_written(those)
            pending = [each for each in pending if not each.is_written]

    def _mark_written(self, events: Iterable[_PendingEvent]) -> None:
        for each in events:
            each.is_written = True
        self._waiting = [each for each in self._waiting if not each.is_written]

    async def head(self) -> LogHead:
        """The head that is kept."""
        return _parse_head((await self._link.command("GET", self.head_key()) or b"").decode())

    async def entries(self, start: int, count: int) -> tuple[AuditEntry, ...]:
        """At most `count` entries, oldest first, from the number `start`, while the log is whole."""
        return tuple(
            decode_record(AuditEntry, line, version=RECORD_VERSION) for line in await self._lines(start, start + count)
        )

    async def verify(self, expected: frozenset[LogHead | ExpectedEntry] = frozenset()) -> VerificationState:
        """What reading the log of this moment shows: its first fault, or that it is whole, and with which head.

        A whole log that lacks what is `expected` of it is at fault too.
        """
        head, length = await self._link.run(self._read_head, self._keys())
        reading = VerificationState(expected=expected)
        for start in range(0, length, _AT_ONCE):
            for line in await self._lines(start, min(start + _AT_ONCE, length)):
                reading = verify_line(reading, line)
        try:
            kept = _parse_head(head.decode())
        except ValueError:
            return replace(reading, failure=IntegrityFailure(reading.head.count, IntegrityFailureReason.ALTERED))
        return replace(reading, failure=finish_verification(reading, kept))

    async def _lines(self, start: int, end: int) -> list[bytes]:
        lines: list[bytes] = await self._link.command("LRANGE", self.entries_key(), start, end - 1)
        return lines

    def _keys(self) -> list[str]:
        return [self.entries_key(), self.head_key()]


def _parse_head(kept: str) -> LogHead:
    """Raises: ValueError when it is none."""
    if kept == "":
        return EMPTY_HEAD
    count, digest, _ = kept.split(" ")
    return LogHead(int(count), digest)
