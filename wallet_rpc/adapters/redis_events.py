"""Event logs in Redis: a stream for each organisation with its ends, and the announcements of events, in one slot.

One script appends events: each once under its mark, with ids that only rise, and deletes the oldest beyond the limits.
An announcement is stored with the time at which it is due. A hint in a shared slot says when an
organisation has one that is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.event import Event, EventLimits, EventType, MarkedEvent
from wallet_rpc.ports import LOOK_SECONDS
from wallet_rpc.ports.events import FIRST_EVENT, EventPage, LoggedEvent
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.wire import dump_json, load_json

MARK_SECONDS = 900
"""Time for which an appended event's mark is kept; repeated appends follow within a minute or two."""
_TRIMMED_AT_ONCE = 16
"""Maximum number of events that one append deletes for each event that it adds."""
_READY_AT_ONCE = 100
"""Maximum number of announcements, or of organisations, that one command reads."""

_APPEND = f"""
local stream, ends, marks, announced, due = unpack(KEYS)
local time = redis.call('TIME')
local now = tonumber(ARGV[4]) or time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('HGET', ends, 'last')
local added = 0
for i = 5, #ARGV, 2 do
  redis.call('HDEL', announced, ARGV[i])
  redis.call('ZREM', due, ARGV[i])
  if redis.call('ZADD', marks, 'NX', now, ARGV[i]) == 1 then
    local ms, sequence = now, 0
    if last then
      local last_ms, last_sequence = string.match(last, '^(%d+)-(%d+)$')
      if tonumber(last_ms) >= now then ms, sequence = tonumber(last_ms), tonumber(last_sequence) + 1 end
    end
    last = string.format('%.0f-%.0f', ms, sequence)
    redis.call('XADD', stream, last, 'event', ARGV[i + 1])
    redis.call('HSET', ends, 'last', last)
    added = added + 1
  end
end
if added == 0 then return 0 end
local excess = redis.call('XLEN', stream) - ARGV[1]
for i = 1, added * {_TRIMMED_AT_ONCE} do
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  local is_old = first and tonumber(string.match(first[1], '^%d+')) < now - ARGV[2]
  if not first or not (i <= excess or is_old) then break end
  redis.call('XDEL', stream, first[1])
  redis.call('HSET', ends, 'trimmed', first[1])
end
redis.call('PEXPIRE', stream, ARGV[2])
redis.call('ZREMRANGEBYSCORE', marks, '-inf', now - ARGV[3])
redis.call('PEXPIRE', marks, ARGV[3])
return added
"""
"""Append events whose marks are new, end their announcements, and delete the oldest events beyond the limits."""

_READ = """
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
local ends = redis.call('HMGET', KEYS[2], 'trimmed', 'last')
if redis.call('EXISTS', KEYS[1]) == 0 then ends[1] = ends[2] end
return {found, ends[1], ends[2]}
"""
"""Return the events after a position, the newest deleted id and the newest id; an expired stream was deleted."""

_ANNOUNCE = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 0
"""
"""Store an announcement and the time at which it is due."""

_WITHDRAW = """
redis.call('HDEL', KEYS[1], ARGV[1])
return redis.call('ZREM', KEYS[2], ARGV[1])
"""
"""Delete an announcement."""

_LIST_READY = f"""
local marks = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, {_READY_AT_ONCE})
local found = {{}}
for _, mark in ipairs(marks) do
  local text = redis.call('HGET', KEYS[1], mark)
  if text then found[#found + 1] = {{mark, text}} else redis.call('ZREM', KEYS[2], mark) end
end
return {{found, redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2] or false}}
"""
"""Return announcements that are due, with their marks, and the time of the first announcement."""

_HINT = """
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) > tonumber(ARGV[2]) then redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
return 0
"""
"""Note that an organisation has an announcement that is due at some time."""

_LIST_HINTS = f"""
local names = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, {_READY_AT_ONCE})
local found = {{}}
for _, name in ipairs(names) do found[#found + 1] = {{name, redis.call('HGET', KEYS[2], name)}} end
return found
"""
"""Return organisations with announcements that are due, each with the number of its hints."""

_MOVE_HINT = """
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] ~= '' then return redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1]) end
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
"""
"""Set the time of an organisation's hint, or delete it, unless a hint was added since it was read."""


class RedisEvents:
    """`ports.events.EventStore` on Redis; `shared` is the link for data shared by all organisations."""

    def __init__(
        self, link: Link, shared: Link, organization: OrganizationId, *, limits: EventLimits, deadlines: Deadlines
    ) -> None:
        self.deadlines = deadlines
        self._link = link
        self._shared = shared
        self._organization = organization
        self._limits = limits
        self._schedule = EventSchedule(shared)
        self._append = link.script(_APPEND)
        self._read = link.script(_READ)
        self._announce = link.script(_ANNOUNCE)
        self._withdraw = link.script(_WITHDRAW)
        self._list_ready = link.script(_LIST_READY)
        tag = f"events:{organization}"
        self.stream_key = link.key(tag)
        """Stream: the events."""
        self.ends_key = link.key(tag, "ends")
        """Hash: `last`, the newest event's id; `trimmed`, the newest deleted one's."""
        self.marks_key = link.key(tag, "marks")
        """Sorted set: the marks of events that were appended lately, by time in milliseconds."""
        self.announced_key = link.key(tag, "announced")
        """Hash: announced events, by mark."""
        self.schedule_key = link.key(tag, "due")
        """Sorted set: the marks of announced events, by the time they are due."""

    async def append(self, *events: MarkedEvent) -> None:
        """Append events, and end their announcements; an event whose mark was appended lately is left out."""
        await self.append_texts(*((each.mark, format_event(each.event)) for each in events))

    async def append_texts(self, *events: tuple[str, str]) -> None:
        """Append events, each as its mark and its JSON text."""
        keys = [self.stream_key, self.ends_key, self.marks_key, self.announced_key, self.schedule_key]
        limits = self._limits.entries, 1000 * self._limits.seconds, 1000 * MARK_SECONDS
        if events:
            now = self.deadlines.milliseconds()
            await self._link.run(self._append, keys, *limits, now, *(part for each in events for part in each))

    async def announce(self, event: MarkedEvent, *, at: UnixSeconds) -> None:
        """Store an event that is appended at the time `at`, unless it is appended or withdrawn before."""
        keys = [self.announced_key, self.schedule_key]
        await asyncio.gather(  # an announcement without its hint is found with the next one
            self._schedule.add(self._organization, at=at),
            self._link.run(self._announce, keys, event.mark, format_event(event.event), at),
        )

    async def withdraw(self, mark: str) -> None:
        """Delete an announcement."""
        await self._link.run(self._withdraw, [self.announced_key, self.schedule_key], mark)

    async def append_announced(
        self, *, now: UnixSeconds, find_wait: Callable[[Event], int] = lambda _: 0
    ) -> UnixSeconds | None:
        """Append announced events that are due, and return the time of the next announcement; None without one.

        An event for which `find_wait` returns seconds is due later.
        """
        keys = [self.announced_key, self.schedule_key]
        while True:
            found, first = await self._link.run(self._list_ready, keys, now)
            if not found:
                return None if first is None else int(first)
            waits = {mark: find_wait(load_json(Event, text)) for mark, text in found}
            await self._move({mark: now + min(wait, LOOK_SECONDS) for mark, wait in waits.items() if wait > 0})
            ready = ((mark.decode(), text.decode()) for mark, text in found if waits[mark] <= 0)
            await self.append_texts(*ready)

    async def reschedule(self, *, now: UnixSeconds, find_wait: Callable[[Event], int]) -> None:
        """Move the announced events that end with a chain's time to the time that it has now."""
        flat = await self._link.command("HGETALL", self.announced_key)
        pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        events = {mark: load_json(Event, text) for mark, text in pairs}
        ends = {mark: event for mark, event in events.items() if event.type is EventType.SESSION_EXPIRED}
        await self._move({mark: now + find_wait(event) for mark, event in ends.items()})

    async def _move(self, times: Mapping[bytes, UnixSeconds]) -> None:
        """Set the times of announcements that still exist."""
        if times:
            parts = (part for mark, at in times.items() for part in (at, mark))
            await self._link.command("ZADD", self.schedule_key, "XX", *parts)
            await self._schedule.add(self._organization, at=min(times.values()))

    async def read(self, after: str, *, limit: int) -> EventPage:
        """Return up to `limit` events after the position `after`."""
        found, trimmed, last = await self._link.run(self._read, [self.stream_key, self.ends_key], after, limit)
        return EventPage(
            events=tuple(_parse_event(stream_id.decode(), fields[1]) for stream_id, fields in found),
            trimmed=FIRST_EVENT if trimmed is None else trimmed.decode(),
            last=FIRST_EVENT if last is None else last.decode(),
        )

    def log_of(self, organization: OrganizationId) -> RedisEvents:
        """Return the log of an organisation, for events of what it shares with this one."""
        link = self._shared if organization == OPEN_ORGANIZATION else self._shared.with_prefix(organization)
        return RedisEvents(link, self._shared, organization, limits=self._limits, deadlines=self.deadlines)


class EventSchedule:
    """Hints at the organisations with announced events, by the time of the first; shared by all organisations."""

    def __init__(self, shared: Link) -> None:
        self._link = shared
        self._hint = shared.script(_HINT)
        self._list = shared.script(_LIST_HINTS)
        self._move = shared.script(_MOVE_HINT)
        self.times_key = shared.key("events-due", "times")
        """Sorted set: organisations with announced events, by the time of the first."""
        self.counts_key = shared.key("events-due", "counts")
        """Hash: the number of hints of each of these organisations."""

    async def add(self, organization: OrganizationId, *, at: UnixSeconds) -> None:
        """Note that an organisation has an announcement that is due at some time."""
        await self._link.run(self._hint, [self.times_key, self.counts_key], organization, at)

    async def list_ready(self, *, now: UnixSeconds) -> list[tuple[OrganizationId, int]]:
        """Return organisations with announcements that are due, each with the number of its hints."""
        found = await self._link.run(self._list, [self.times_key, self.counts_key], now)
        return [(OrganizationId(name.decode()), int(count or 0)) for name, count in found]

    async def move(self, organization: OrganizationId, count: int, *, at: UnixSeconds | None) -> None:
        """Set the time of an organisation's hint, or delete it, unless a hint was added since it was read."""
        keys = [self.times_key, self.counts_key]
        await self._link.run(self._move, keys, organization, count, "" if at is None else at)


def format_event(event: Event) -> str:
    """Format an event for storage, without its id."""
    return dump_json(Event, replace(event, id=None)).decode()


def _parse_event(stream_id: str, text: bytes) -> LoggedEvent:
    event = replace(load_json(Event, text), id=stream_id)
    return LoggedEvent(id=stream_id, event=event, text=f'{{"id":"{stream_id}",{text.decode()[1:]}')
