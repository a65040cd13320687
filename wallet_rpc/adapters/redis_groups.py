"""Registered sessions in Redis: the session groups of one organisation, in one slot.

One script writes a group's record with all its sessions, once. A revocation is a mark next to the records and is never
removed. Two indexes contain the sessions that are neither revoked nor expired: one in list order, one by expiry. An
expired session is removed from both when a list is requested, unless chains have clocks of their own.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.records import RECORD_VERSION
from wallet_rpc.domain.session_group import GroupedSession, GroupId, Install, SessionFilter, SessionGroup
from wallet_rpc.primitives import SessionId, UnixSeconds

_REGISTER = """
local records, sessions, by_creation, by_expiry, revoked = unpack(KEYS)
local id, created, now, count = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), (#ARGV - 4) / 2
local existing, known = nil, 0
for i = 5, #ARGV, 2 do
  local text = redis.call('HGET', sessions, ARGV[i])
  if text then
    local group, size, expiry = string.match(text, '^(%S+) (%d+) (%d+)$')
    if group == id then return id end
    local has_ended = tonumber(expiry) <= now or redis.call('HEXISTS', revoked, ARGV[i]) == 1
    if has_ended or tonumber(size) ~= count or (existing and existing ~= group) then return false end
    existing, known = group, known + 1
  end
end
if known > 0 then return known == count and existing end
redis.call('HSET', records, id, ARGV[2])
for i = 5, #ARGV, 2 do
  redis.call('HSET', sessions, ARGV[i], string.format('%s %d %s', id, count, ARGV[i + 1]))
  redis.call('ZADD', by_creation, -created, ARGV[i])
  redis.call('ZADD', by_expiry, ARGV[i + 1], ARGV[i])
end
return id
"""
"""Write a group and return its id, unless its sessions are in another group.

If one other group has exactly these sessions, all active, return its id; otherwise return false."""

_REVOKE = """
local sessions, by_creation, by_expiry, revoked = unpack(KEYS)
local text = redis.call('HGET', sessions, ARGV[2])
if not text or string.match(text, '^%S+') ~= ARGV[1] then return -1 end
redis.call('HSETNX', revoked, ARGV[2], ARGV[3])
redis.call('ZREM', by_creation, ARGV[2])
redis.call('ZREM', by_expiry, ARGV[2])
return redis.call('HGET', revoked, ARGV[2]) == ARGV[3] and 1 or 0
"""
"""Mark a session of a group as revoked and remove it from the indexes.

Returns 1 if the mark is the caller's, 0 if it is an earlier one, -1 if the session is not in the group."""

_AT_ONCE = 100
"""Maximum number of sessions that one command reads or removes."""


class RedisGroups:
    """`ports.storage.Groups` on Redis."""

    def __init__(self, link: Link, organization: OrganizationId, *, deadlines: Deadlines) -> None:
        self._link = link
        self._deadlines = deadlines
        self._register = link.script(_REGISTER)
        self._revoke = link.script(_REVOKE)
        tag = f"groups:{organization}"
        self.records_key = link.key(tag, "records")
        """Hash: the record of each group by its id."""
        self.sessions_key = link.key(tag, "sessions")
        """Hash: for each session ever registered, the id and the size of its group, and the session's expiry."""
        self.by_creation_key = link.key(tag, "listed")
        """Sorted set: the sessions to list, newest first, then by id."""
        self.by_expiry_key = link.key(tag, "ending")
        """Sorted set: the sessions to list, by expiry."""
        self.revoked_key = link.key(tag, "revoked")
        """Hash: for each revoked session, the time of its revocation and the random mark of the caller that revoked it.
        """

    async def register(self, group: SessionGroup, *, now: UnixSeconds | None = None) -> SessionGroup | None:
        """Write the whole group or nothing, atomically, and return the registered group.

        An earlier group is returned if it has exactly the same sessions, all active at `now`, by default when the new
        group was created. Return None, and write nothing, when any of the sessions is in a different group.
        """
        keys = [self.records_key, self.sessions_key, self.by_creation_key, self.by_expiry_key, self.revoked_key]
        text, at = encode_record(SessionGroup, group), group.created_at if now is None else now
        sessions = [part for each in group.installs for part in (each.session_id.hex(), each.expires_at)]
        registered = await self._link.run(self._register, keys, group.id, text, group.created_at, at, *sessions)
        return None if registered is None else await self.get(GroupId(registered.decode()))

    async def get(self, group_id: GroupId) -> SessionGroup | None:
        """Return the group with this id."""
        found = await self._load_groups([group_id])
        return found.get(group_id)

    async def find_by_session(self, session_id: SessionId) -> SessionGroup | None:
        """Return the group of a session."""
        sessions = await self._load_sessions([session_id.hex()])
        return sessions[0].group if sessions else None

    async def page(
        self, session_filter: SessionFilter, *, now: UnixSeconds, offset: int, limit: int
    ) -> tuple[GroupedSession, ...]:
        """Return at most `limit` sessions after `offset` that are not revoked or expired, newest first, then by id.

        Registrations and revocations during the read do not change the list.
        """
        is_split = self._deadlines.is_split
        if not is_split:
            await self._drop_ended(now)
        if session_filter == SessionFilter() and not is_split:
            return tuple(await self._load_sessions(await self._list_ids(offset, offset + limit)))
        ids = await self._list_ids(0, 0)
        found: list[GroupedSession] = []
        for start in range(0, len(ids), _AT_ONCE):
            found += [
                each
                for each in await self._load_sessions(ids[start : start + _AT_ONCE])
                if session_filter.matches(each) and not self._has_ended(each.install)
            ]
            if len(found) >= offset + limit:
                break
        return tuple(found[offset : offset + limit])

    async def revoke(self, group_id: GroupId, session_id: SessionId, *, at: UnixSeconds) -> bool:
        """Revoke a session; return False when it was revoked already. One of several concurrent calls returns True.

        Raises: KeyError when the session is not in the group.
        """
        keys = [self.sessions_key, self.by_creation_key, self.by_expiry_key, self.revoked_key]
        mark = f"{at} {secrets.token_hex(8)}"
        result = await self._link.run(self._revoke, keys, group_id, session_id.hex(), mark)
        if result < 0:
            raise KeyError(session_id)
        return bool(result)

    def _has_ended(self, install: Install) -> bool:
        """Return True for a session that has expired on a chain with a clock of its own."""
        now = self._deadlines.now_on(install.chain_id)
        return now is not None and install.expires_at <= now

    async def _list_ids(self, start: int, end: int) -> list[str]:
        """Return the listed session ids from `start` up to, not including, `end`; an `end` of 0 means all."""
        return [each.decode() for each in await self._link.command("ZRANGE", self.by_creation_key, start, end - 1)]

    async def _drop_ended(self, now: UnixSeconds) -> None:
        while True:
            ended = await self._link.command("ZRANGEBYSCORE", self.by_expiry_key, "-inf", now, "LIMIT", 0, _AT_ONCE)
            if not ended:
                return
            await self._link.command("ZREM", self.by_creation_key, *ended)
            await self._link.command("ZREM", self.by_expiry_key, *ended)

    async def _load_sessions(self, ids: Sequence[str]) -> list[GroupedSession]:
        """Return the sessions with their groups, in the same order; sessions that are not registered are left out."""
        fields = await self._read_fields(self.sessions_key, ids)
        pairs = [(SessionId.parse("0x" + id_), GroupId(text.split()[0])) for id_, text in fields.items()]
        groups = await self._load_groups(list(dict.fromkeys(group for _, group in pairs)))
        return [
            GroupedSession(group=groups[group], install=groups[group].install_of(session)) for session, group in pairs
        ]

    async def _load_groups(self, ids: Sequence[GroupId]) -> dict[GroupId, SessionGroup]:
        """Return the groups with their revocations; groups that do not exist are left out."""
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
        """Return the values by field name, in the same order; absent fields are left out."""
        values = await self._link.command("HMGET", key, *names) if names else []
        return {name: value.decode() for name, value in zip(names, values, strict=True) if value is not None}
