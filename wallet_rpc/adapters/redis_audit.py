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

from wallet_rpc.adapters.redis_link import Link, read
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.audit import (
    NOTHING,
    Broken,
    Entry,
    Event,
    Head,
    Reading,
    Trace,
    Why,
    conclude,
    follow,
    line_of,
    next_entry,
)
from wallet_rpc.domain.records import VERSION

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

_SEEN = """
return {redis.call('GET', KEYS[2]) or '', redis.call('LLEN', KEYS[1])}
"""
"""The head and the length of one moment."""

_AT_ONCE = 500
"""How many entries are read in one command."""
_TOGETHER = 100
"""How many entries are written in one command."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """An event that somebody wants written."""

    event: Event
    is_written: bool = False


class RedisAudit:
    """`memory.Audit` on Redis, and what proves it whole."""

    def __init__(self, link: Link, organization: OrganizationId) -> None:
        self._link = link
        self._organization = organization
        self._append = link.script(_APPEND)
        self._seen = link.script(_SEEN)
        self._turn = asyncio.Lock()
        self._head = ""
        """As it was kept when last seen."""
        self._waiting: list[_Waiting] = []
        self._last: tuple[str, Sequence[_Waiting]] = ("", ())
        """The head that was last to be written, and whose entries it ends; it may be unknown whether it was."""

    def entries_key(self) -> str:
        """Where the lines are: a list, oldest first."""
        return self._link.key(f"audit:{self._organization}", "entries")

    def head_key(self) -> str:
        """Where the head is: count, hash and its writer's mark."""
        return self._link.key(f"audit:{self._organization}", "head")

    async def append(self, event: Event) -> None:
        """Write the event as an entry of its own, hashed over the one before.

        When it fails, the entry may have been written.
        """
        mine = _Waiting(event)
        self._waiting.append(mine)
        try:
            async with self._link.in_time(), self._turn:
                if not mine.is_written:  # by whoever wrote before
                    await self._write(self._waiting[:_TOGETHER])
        finally:
            if not mine.is_written:
                self._waiting.remove(mine)

    async def _write(self, together: Sequence[_Waiting]) -> None:
        """Write what is not written yet, in one go, behind whatever others write meanwhile."""
        mark, unsure = secrets.token_hex(8), self._last
        while together:
            lines, head = [], _head(self._head)
            for each in together:
                entry = next_entry(head, each.event)
                lines.append(line_of(entry))
                head = Head(entry.number + 1, entry.hash)
            kept = f"{head.count} {head.hash} {mark}"
            self._last = kept, together
            other = await self._link.run(self._append, self._keys(), self._head, kept, *lines)
            self._head = kept if other is None else other.decode()
            for written, those in (self._last, unsure):
                if self._head == written:
                    self._done(those)
            together = [each for each in together if not each.is_written]

    def _done(self, those: Iterable[_Waiting]) -> None:
        for each in those:
            each.is_written = True
        self._waiting = [each for each in self._waiting if not each.is_written]

    async def head(self) -> Head:
        """The head that is kept."""
        return _head((await self._link.command("GET", self.head_key()) or b"").decode())

    async def entries(self, start: int, count: int) -> tuple[Entry, ...]:
        """At most `count` entries, oldest first, from the number `start`, while the log is whole."""
        return tuple(read(Entry, line, version=VERSION) for line in await self._lines(start, start + count))

    async def verify(self, expected: frozenset[Head | Trace] = frozenset()) -> Reading:
        """What reading the log of this moment shows: its first fault, or that it is whole, and with which head.

        A whole log that lacks what is `expected` of it is at fault too.
        """
        head, length = await self._link.run(self._seen, self._keys())
        reading = Reading(expected=expected)
        for start in range(0, length, _AT_ONCE):
            for line in await self._lines(start, min(start + _AT_ONCE, length)):
                reading = follow(reading, line)
        try:
            kept = _head(head.decode())
        except ValueError:
            return replace(reading, broken=Broken(reading.head.count, Why.ALTERED))
        return replace(reading, broken=conclude(reading, kept))

    async def _lines(self, start: int, end: int) -> list[bytes]:
        lines: list[bytes] = await self._link.command("LRANGE", self.entries_key(), start, end - 1)
        return lines

    def _keys(self) -> list[str]:
        return [self.entries_key(), self.head_key()]


def _head(kept: str) -> Head:
    """Raises: ValueError when it is none."""
    if kept == "":
        return NOTHING
    count, digest, _ = kept.split(" ")
    return Head(int(count), digest)
