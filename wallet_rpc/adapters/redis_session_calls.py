"""Calls of each session in Redis: a sorted set of operation hashes by the time of sending.

The set is a hint, in the account's slot. A member is written before the call's record, and counts only if the record
exists.
"""

from __future__ import annotations

import struct

from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_unsigned import account_tag
from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.domain.nonce import OWNER_ENTITY, session_entity
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.primitives import Hash32

_PLACE = struct.Struct(">Q32s")
"""A place in a list: time of sending in milliseconds, operation hash."""

_ADD = """
local time = redis.call('TIME')
local now = tonumber(ARGV[4]) or time[1] * 1000 + math.floor(time[2] / 1000)
local at = ARGV[2] == '' and now or ARGV[2] * 1000
redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', at), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ARGV[3] * 1000))
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""
"""Add a call that is sent now, or was at a second, and remove those older than the time for which members are kept."""

_PAGE = """
local start = 0
if ARGV[1] ~= '' then
  local score, hash = string.format('%.0f', (struct.unpack('>I8', string.sub(ARGV[1], 1, 8)))), string.sub(ARGV[1], 9)
  local is_absent = redis.call('ZADD', KEYS[1], 'NX', score, hash) == 1
  start = redis.call('ZREVRANK', KEYS[1], hash) + 1
  if is_absent then
    redis.call('ZREM', KEYS[1], hash)
    start = start - 1
  end
end
return redis.call('ZREVRANGE', KEYS[1], start, start + ARGV[2] - 1, 'WITHSCORES')
"""
"""Return hashes and times of the members that follow a place, newest first."""


class RedisSessionCalls:
    """The index of an organisation's calls by session."""

    def __init__(self, link: Link, *, keep_seconds: int, deadlines: Deadlines) -> None:
        self._link = link
        self._deadlines = deadlines
        self._keep_seconds = 2 * keep_seconds
        self._add = link.script(_ADD)
        self._page = link.script(_PAGE)

    def key(self, reference: SessionReference) -> str:
        """Return the key of a session's calls: a sorted set of operation hashes, in bytes, by the time of sending."""
        return self._link.key(account_tag(reference.account, reference.chain_id), "calls", str(reference.entity_id))

    async def add(self, call: CallRecord, *, is_backfill: bool = False) -> None:
        """Add a call if it is one of a session; a backfill adds one that was sent before."""
        reference = session_of_call(call)
        if reference is not None:
            at = call.sent_at if is_backfill else ""
            now = self._deadlines.milliseconds()
            await self._link.run(self._add, self.key(reference), bytes(call.hash), at, self._keep_seconds, now)

    async def remove(self, reference: SessionReference, operation_hash: Hash32) -> None:
        """Remove a call whose record was deleted."""
        await self._link.command("ZREM", self.key(reference), bytes(operation_hash))

    async def page(self, reference: SessionReference, *, after: bytes, limit: int) -> list[tuple[Hash32, bytes]]:
        """Return hash and place of up to `limit` calls, newest first, that follow the place `after`."""
        found = await self._link.run(self._page, self.key(reference), after, limit)
        return [
            (Hash32(name), _PLACE.pack(int(score), name)) for name, score in zip(found[::2], found[1::2], strict=True)
        ]


def sent_at(place: bytes) -> int:
    """Return the second in which the call at a place was sent."""
    return int(_PLACE.unpack(place)[0]) // 1000


def session_of_call(call: CallRecord) -> SessionReference | None:
    """Return the session that signed a call, by its nonce; None for a call of the owner, or of no modular account."""
    entity_id = session_entity(call.nonce) if call.kind is CallKind.USER_OPERATION else None
    if entity_id is None or entity_id == OWNER_ENTITY:
        return None
    return SessionReference(account=call.sender, chain_id=call.chain_id, entity_id=entity_id)
