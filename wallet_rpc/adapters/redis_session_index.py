"""Index of an organisation's sessions in Redis, in one slot. Every change is one script.

The index has an entry for each session, and sorted sets of session ids by time of creation: of all sessions, and of
those of each account, key and tag. An entry is written once the session has its entity id. The entries of sessions
whose records were deleted are removed at the next change or listing, some at a time.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Awaitable, Callable, Sequence

from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.session_reference import IndexedSession, IndexedSessions, SessionQuery, SessionReference
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId, UnixSeconds
from wallet_rpc.wire import parse_json

_ENTRY = struct.Struct(">20s20sQIQQ")
"""An entry: account, key, chain id, entity id, time of creation, time of deletion (0: never)."""
_EXAMINED = 1000
"""Maximum number of sessions that one command examines for a page."""

_SEARCHED = 10_000
"""Maximum number of an account's sessions that are searched for one entity id."""

INDEX_LIBRARY = """
local prefix, entries, tags = KEYS[1], KEYS[2], KEYS[3]
local digits = setmetatable({}, {__index = function(found, byte)
  found[byte] = string.format('%02x', string.byte(byte))
  return found[byte]
end})
local function hex(bytes) return (string.gsub(bytes, '.', digits)) end
local function tag_set(tag) return prefix .. 'tag:' .. tag end
local function sets_of(entry)
  return {prefix .. 'all', prefix .. 'account:' .. hex(string.sub(entry, 1, 20)),
    prefix .. 'key:' .. hex(string.sub(entry, 21, 40))}
end
local function tags_of(id) return cjson.decode(redis.call('HGET', tags, id) or '[]') end
local function remove(id)
  local entry = redis.call('HGET', entries, id)
  if not entry then return end
  for _, set in ipairs(sets_of(entry)) do redis.call('ZREM', set, id) end
  for _, tag in ipairs(tags_of(id)) do redis.call('ZREM', tag_set(tag), id) end
  redis.call('HDEL', tags, id)
  redis.call('HDEL', entries, id)
  redis.call('ZREM', prefix .. 'ending', id)
end
local function remove_deleted(now)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'ending', '-inf', now, 'LIMIT', 0, 100)) do remove(id) end
end
local function add_entry(id, entry, created, forget)
  redis.call('HSET', entries, id, entry)
  for _, set in ipairs(sets_of(entry)) do redis.call('ZADD', set, created, id) end
  if forget == '0' then redis.call('ZREM', prefix .. 'ending', id)
  else redis.call('ZADD', prefix .. 'ending', forget, id) end
end
local function set_tags(id, entry, text)
  local created = string.format('%.0f', (struct.unpack('>I8', string.sub(entry, 53, 60))))
  for _, tag in ipairs(tags_of(id)) do redis.call('ZREM', tag_set(tag), id) end
  if text == '[]' then redis.call('HDEL', tags, id) else redis.call('HSET', tags, id, text) end
  for _, tag in ipairs(cjson.decode(text)) do redis.call('ZADD', tag_set(tag), created, id) end
end
"""
"""Functions of all scripts. The first key is the prefix of the sorted sets, in the slot of the others."""

_ADD = f"""
{INDEX_LIBRARY}
local id, entry, created, forget = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local earlier = redis.call('HGET', entries, id)
if earlier then
  if ARGV[6] == 'absent' then return end
  for _, set in ipairs(sets_of(earlier)) do redis.call('ZREM', set, id) end
end
add_entry(id, entry, created, forget)
if ARGV[7] ~= '' then set_tags(id, entry, ARGV[7]) end
remove_deleted(ARGV[5])
"""
"""Write an entry, and remove some whose sessions were deleted by the fifth argument's time.

The sixth argument `absent` leaves an entry that exists as it is; the seventh are tags, which stay if it is empty."""

_REMOVE = f"""
{INDEX_LIBRARY}
remove(ARGV[1])
"""
"""Remove an entry with its tags."""

_SET_TAGS = f"""
{INDEX_LIBRARY}
local id = ARGV[1]
local entry = redis.call('HGET', entries, id)
if not entry then return 0 end
set_tags(id, entry, ARGV[2])
return 1
"""
"""Replace the tags of a session. Returns 0 for one without an entry."""

_FIND = f"""
{INDEX_LIBRARY}
for _, id in ipairs(redis.call('ZREVRANGE', prefix .. 'account:' .. hex(ARGV[1]), 0, {_SEARCHED} - 1)) do
  local entry = redis.call('HGET', entries, id)
  if entry and string.sub(entry, 41, 52) == ARGV[2] then return {{id, entry}} end
end
return false
"""
"""Return the id and the entry of the session with a chain and entity id, among the account's newest ones."""

_PAGE = f"""
{INDEX_LIBRARY}
local after, account, key, chain, tag, limit = unpack(ARGV, 2)
remove_deleted(ARGV[1])
local set = prefix .. (key ~= '' and 'key:' .. hex(key) or account ~= '' and 'account:' .. hex(account)
  or tag ~= '' and 'tag:' .. tag or 'all')
local start = 0
if after ~= '' then
  local score, id = string.format('%.0f', (struct.unpack('>I8', string.sub(after, 1, 8)))), string.sub(after, 9)
  local is_absent = redis.call('ZADD', set, 'NX', score, id) == 1
  start = redis.call('ZREVRANK', set, id) + 1
  if is_absent then
    redis.call('ZREM', set, id)
    start = start - 1
  end
end
local found, last = {{}}, ''
local ids = redis.call('ZREVRANGE', set, start, start + {_EXAMINED} - 1)
for index, id in ipairs(ids) do
  local entry = redis.call('HGET', entries, id)
  local fits = (account == '' or string.sub(entry, 1, 20) == account)
    and (key == '' or string.sub(entry, 21, 40) == key)
    and (chain == '' or string.sub(entry, 41, 48) == chain)
    and (tag == '' or redis.call('ZSCORE', tag_set(tag), id))
  if fits then found[#found + 1] = id; found[#found + 1] = entry end
  if #found == 2 * tonumber(limit) or index == {_EXAMINED} then
    if redis.call('ZCARD', set) > start + index then last = string.sub(entry, 53, 60) .. id end
    break
  end
end
return {{found, last}}
"""
"""Return the ids and entries of a page, and the place from which the next one continues; empty for the last page."""


def can_be_indexed(part: str, value: bytes) -> bool:
    """Return True if the scripts read a value: of `entries`, an entry; of `tags`, the tags of a session as JSON."""
    if part == "entries":
        return len(value) == _ENTRY.size
    try:
        tags = parse_json(value)
    except ValueError:
        return False
    return isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)


class RedisSessionIndex:
    """`ports.sessions.SessionIndex` on Redis."""

    def __init__(
        self,
        link: Link,
        organization: OrganizationId,
        *,
        complete: Callable[[UnixSeconds], Awaitable[None]] | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        """Create the index; `complete` waits until it has the sessions that older servers created.

        Where chains have clocks of their own (`deadlines`), readers remove the entries of deleted sessions.
        """
        self._deadlines = deadlines
        self._link = link
        self._complete = complete
        tag = f"sessions:{organization}"
        self.entries_key = link.key(tag, "entries")
        """Hash: the entry of each session by its id, both in bytes."""
        self.tags_key = link.key(tag, "tags")
        """Hash: the tags of each session that has some, as JSON."""
        self._keys = [link.key(tag, ""), self.entries_key, self.tags_key]
        self._add = link.script(_ADD)
        self._remove = link.script(_REMOVE)
        self._set_tags = link.script(_SET_TAGS)
        self._find = link.script(_FIND)
        self._page = link.script(_PAGE)

    def set_keys(self, session: IndexedSession, *, tags: Sequence[str] = ()) -> list[str]:
        """Return the keys of the sorted sets that a session with these tags is in."""
        names = ["all", f"account:{session.account.hex()}", f"key:{session.key.hex()}", *(f"tag:{tag}" for tag in tags)]
        if session.forget_at is not None:
            names.append("ending")
        return [f"{self._keys[0]}{name}" for name in names]

    async def complete(self, now: UnixSeconds) -> None:
        """Wait until the index has the sessions that servers without it created."""
        if self._complete is not None:
            await self._complete(now)

    async def add(
        self,
        session: IndexedSession,
        *,
        now: UnixSeconds,
        tags: Sequence[str] | None = None,
        is_backfill: bool = False,
    ) -> None:
        """Add a session, or replace its entry, and its tags if any are given. A backfill replaces none."""
        forget_at = session.forget_at or 0
        entry = _ENTRY.pack(
            session.account, session.key, session.chain_id, session.entity_id, session.created_at, forget_at
        )
        mode = "absent" if is_backfill else ""
        ended = self._latest_end(now)
        arguments = bytes(session.id), entry, session.created_at, forget_at, ended, mode, _tags_text(tags or ())
        await self._link.run(self._add, self._keys, *arguments)

    def _latest_end(self, now: UnixSeconds) -> UnixSeconds:
        """Return the latest time of deletion of entries to remove: `now`, or before all of them."""
        return 0 if self._deadlines is not None and self._deadlines.is_split else now

    async def remove(self, session_id: SessionId) -> None:
        """Remove a session and its tags."""
        await self._link.run(self._remove, self._keys, bytes(session_id))

    async def find(self, session_id: SessionId) -> IndexedSession | None:
        """Return the session with an id."""
        entry = await self._link.command("HGET", self.entries_key, bytes(session_id))
        return None if entry is None else _read_entry(bytes(session_id), entry)

    async def find_by_entity(self, reference: SessionReference) -> IndexedSession | None:
        """Return the session with an account, chain and entity id."""
        place = reference.chain_id.to_bytes(8, "big") + reference.entity_id.to_bytes(4, "big")
        found = await self._link.run(self._find, self._keys, bytes(reference.account), place)
        return None if found is None else _read_entry(*found)

    async def page(self, query: SessionQuery, *, now: UnixSeconds, after: bytes, limit: int) -> IndexedSessions:
        """Return up to `limit` sessions, newest first. A page may be shorter, also if others follow."""
        found, next_page = await self._link.run(
            self._page,
            self._keys,
            self._latest_end(now),
            after,
            bytes(query.account or b""),
            bytes(query.key or b""),
            b"" if query.chain_id is None else query.chain_id.to_bytes(8, "big"),
            query.tag or "",
            limit,
        )
        pairs = zip(found[::2], found[1::2], strict=True)
        return IndexedSessions(sessions=tuple(_read_entry(id_, entry) for id_, entry in pairs), next_page=next_page)

    async def set_tags(self, session_id: SessionId, tags: Sequence[str]) -> bool:
        """Replace the tags of a session; return False for a session that is not in the index."""
        text = _tags_text(tags) or "[]"
        return bool(await self._link.run(self._set_tags, self._keys, bytes(session_id), text))

    async def tags(self, session_ids: Sequence[SessionId]) -> tuple[tuple[str, ...], ...]:
        """Return the tags of each session, sorted."""
        texts = await self._link.command("HMGET", self.tags_key, *map(bytes, session_ids)) if session_ids else []
        return tuple(() if text is None else tuple(json.loads(text)) for text in texts)


def _tags_text(tags: Sequence[str]) -> str:
    return json.dumps(sorted(set(tags))) if tags else ""


def _read_entry(session_id: bytes, entry: bytes) -> IndexedSession:
    account, key, chain_id, entity_id, created_at, forget_at = _ENTRY.unpack(entry)
    return IndexedSession(
        id=SessionId(session_id),
        account=Address(account),
        chain_id=ChainId(chain_id),
        entity_id=EntityId(entity_id),
        key=Address(key),
        created_at=created_at,
        forget_at=forget_at or None,
    )
