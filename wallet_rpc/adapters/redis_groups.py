"""Registered sessions in Redis: the groups of one organisation in one slot.

The rule: a group's record is written once, with all its sessions, by one script. That a session is revoked is a mark
beside the records, which nothing takes away. Two indexes hold the sessions that are neither revoked nor over, one as
they are listed and one as they end; a session that is over leaves them when somebody asks for a list.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from wallet_rpc.adapters.redis_link import Link, decode_record, encode_record
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.records import RECORD_VERSION
from wallet_rpc.domain.session_group import GroupedSession, GroupId, SessionFilter, SessionGroup
from wallet_rpc.primitives import SessionId, UnixSeconds

_REGISTER = """
local records, sessions, listed, ending, revoked = unpack(KEYS)
local id, count = ARGV[1], (#ARGV - 3) / 2
local there, known = nil, 0
for i = 4, #ARGV, 2 do
  local kept = redis.call('HGET', sessions, ARGV[i])
  if kept then
    local group, size, ends = string.match(kept, '^(%S+) (%d+) (%d+)$')
    if group == id then return id end
    local is_over = tonumber(ends) <= tonumber(ARGV[3]) or redis.call('HEXISTS', revoked, ARGV[i]) == 1
    if is_over or tonumber(size) ~= count or (there and there ~= group) then return false end
    there, known = group, known + 1
  end
end
if known > 0 then return known == count and there end
redis.call('HSET', records, id, ARGV[2])
for i = 4, #ARGV, 2 do
  redis.call('HSET', sessions, ARGV[i], string.format('%s %d %s', id, count, ARGV[i + 1]))
  redis.call('ZADD', listed, -tonumber(ARGV[3]), ARGV[i])
  redis.call('ZADD', ending, ARGV[i + 1], ARGV[i])
end
return id
"""
"""Write a group, unless some of its sessions are in another; answers the group that has exactly these, all active."""

_REVOKE = """
local sessions, listed, ending, revoked = unpack(KEYS)
local kept = redis.call('HGET', sessions, ARGV[2])
if not kept or string.match(kept, '^%S+') ~= ARGV[1] then return -1 end
redis.call('HSETNX', revoked, ARGV[2], ARGV[3])
redis.call('ZREM', listed, ARGV[2])
redis.call('ZREM', ending, ARGV[2])
return redis.call('HGET', revoked, ARGV[2]) == ARGV[3] and 1 or 0
"""
"""Mark a session of a group and take it from the lists; answers whether the mark is the writer's own."""

_AT_ONCE = 100
"""How many sessions are looked at in one command, or dropped."""


class RedisGroups:
    """`memory.Groups` on Redis."""

    def __init__(self, link: Link, organization: OrganizationId) -> None:
        self._link = link
        self._register = link.script(_REGISTER)
        self._revoke = link.script(_REVOKE)
        tag = f"groups:{organization}"
        self.records_key = link.key(tag, "records")
        """A hash: the record of each group, by its id."""
        self.sessions_key = link.key(tag, "sessions")
        """A hash: of each session ever registered, its group's id, the group's size, and its own end."""
        self.by_creation_key = link.key(tag, "listed")
        """A sorted set: the sessions to list, newest first, then by id."""
        self.by_expiry_key = link.key(tag, "ending")
        """A sorted set: the same sessions by their ends."""
        self.revoked_key = link.key(tag, "revoked")
        """A hash: of each revoked session, when, and the mark of who was first."""

    async def register(self, group: SessionGroup) -> SessionGroup | None:
        """Write all of it or nothing; the group that is there then.

        That is an earlier one when exactly its sessions are registered again and all of them are active at the new
        group's making. None, and nothing is written, when any of them is registered otherwise. Atomic.
        """
        keys = [self.records_key, self.sessions_key, self.by_creation_key, self.by_expiry_key, self.revoked_key]
        text = encode_record(SessionGroup, group)
        sessions = [part for each in group.installs for part in (each.session_id.hex(), each.expires_at)]
        there = await self._link.run(self._register, keys, group.id, text, group.created_at, *sessions)
        return None if there is None else await self.get(GroupId(there.decode()))

    async def get(self, group_id: GroupId) -> SessionGroup | None:
        """The group of an id."""
        found = await self._load_groups([group_id])
        return found.get(group_id)

    async def find_by_session(self, session_id: SessionId) -> SessionGroup | None:
        """The group that a session is in."""
        listed = await self._load_sessions([session_id.hex()])
        return listed[0].group if listed else None

    async def page(
        self, session_filter: SessionFilter, *, now: UnixSeconds, offset: int, limit: int
    ) -> tuple[GroupedSession, ...]:
        """Sessions that are neither revoked nor over, newest first, then by id; at most `limit`, after `offset`.

        The list is that of one moment: what is registered or revoked while it is read changes nothing in it.
        """
        await self._drop_ended(now)
        if session_filter == SessionFilter():
            return tuple(await self._load_sessions(await self._list_ids(offset, offset + limit)))
        ids = await self._list_ids(0, 0)
        found: list[GroupedSession] = []
        for start in range(0, len(ids), _AT_ONCE):
            found += [
                each
                for each in await self._load_sessions(ids[start : start + _AT_ONCE])
                if session_filter.matches(each)
            ]
            if len(found) >= offset + limit:
                break
        return tuple(found[offset : offset + limit])

    async def revoke(self, group_id: GroupId, session_id: SessionId, *, at: UnixSeconds) -> bool:
        """Mark it as revoked; False when it was. Atomic: of any number at once, one is told True.

        Raises: KeyError when it is no session of the group.
        """
        keys = [self.sessions_key, self.by_creation_key, self.by_expiry_key, self.revoked_key]
        mark = f"{at} {secrets.token_hex(8)}"
        told = await self._link.run(self._revoke, keys, group_id, session_id.hex(), mark)
        if told < 0:
            raise KeyError(session_id)
        return bool(told)

    async def _list_ids(self, start: int, end: int) -> list[str]:
        """The sessions to list from `start` up to, not including, `end`; 0 for all."""
        return [each.decode() for each in await self._link.command("ZRANGE", self.by_creation_key, start, end - 1)]

    async def _drop_ended(self, now: UnixSeconds) -> None:
        while True:
            ended = await self._link.command("ZRANGEBYSCORE", self.by_expiry_key, "-inf", now, "LIMIT", 0, _AT_ONCE)
            if not ended:
                return
            await self._link.command("ZREM", self.by_creation_key, *ended)
            await self._link.command("ZREM", self.by_expiry_key, *ended)

    async def _load_sessions(self, ids: Sequence[str]) -> list[GroupedSession]:
        """The registered ones of these sessions, in their order, each with its group."""
        kept = await self._read_fields(self.sessions_key, ids)
        places = [(SessionId.parse("0x" + id_), GroupId(text.split()[0])) for id_, text in kept.items()]
        groups = await self._load_groups(list(dict.fromkeys(group for _, group in places)))
        return [
            GroupedSession(group=groups[group], install=groups[group].install_of(session)) for session, group in places
        ]

    async def _load_groups(self, ids: Sequence[GroupId]) -> dict[GroupId, SessionGroup]:
        """The groups that there are of these, with what is revoked in them."""
        texts = await self._read_fields(self.records_key, ids)
        groups = [decode_record(SessionGroup, text.encode(), version=RECORD_VERSION) for text in texts.values()]
        sessions = [install.session_id.hex() for group in groups for install in group.installs]
        marks = await self._read_fields(self.revoked_key, sessions)
        revoked_at = {SessionId.parse("0x" + session): int(mark.split()[0]) for session, mark in marks.items()}
        return {
            group.id: replace(
                group,
                installs=tuple(
                    replace(install, revoked_at=revoked_at.get(install.session_id)) for install in group.installs
                ),
            )
            for group in groups
        }

    async def _read_fields(self, key: str, names: Sequence[str]) -> dict[str, str]:
        """The fields of a hash that there are of these, in their order."""
        values = await self._link.command("HMGET", key, *names) if names else []
        return {name: value.decode() for name, value in zip(names, values, strict=True) if value is not None}
