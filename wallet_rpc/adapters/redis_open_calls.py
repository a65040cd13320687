"""Open calls in Redis: an organisation's calls of sessions that may not be final, for stops and reservations.

Two sorted sets of one slot have the same members. One orders them by time, so that old ones are found and removed. In
the other one all scores are equal, so Redis orders the members by their bytes, and those of one account or one session
are a range: finding them costs the same however many calls of other sessions are open.

Both are hints. A member is added before the call's record is written, and counts only if the record exists.
"""

from __future__ import annotations

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_session_calls import session_of_call
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.ports.stops import OpenCall
from wallet_rpc.primitives import Address, ChainId, EntityId, Hash32

_MEMBER_BYTES = 64
"""Length of a member: account (20), chain (8), entity id (4) and operation hash (32), big-endian."""
_MOST_REMOVED = 500
"""Maximum number of old calls that one addition removes, so that the script stays short."""

_ADD = f"""
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[3], 'LIMIT', 0, {_MOST_REMOVED})
for _, call in ipairs(old) do
  redis.call('ZREM', KEYS[1], call)
  redis.call('ZREM', KEYS[2], call)
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
"""
"""Add an open call, and remove those whose records were deleted."""

_REMOVE = """
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
"""
"""Remove a call."""

_FIND = """
local found = {}
for _, call in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2])) do
  found[#found + 1] = call
  found[#found + 1] = redis.call('ZSCORE', KEYS[1], call) or '0'
end
return found
"""
"""Return the open calls of a range of members, each with its time, at one time."""


class RedisOpenCalls:
    """The open calls of an organisation."""

    def __init__(self, link: Link, organization: OrganizationId, *, keep_seconds: int) -> None:
        self._link = link
        self._keep_seconds = keep_seconds
        self._add = link.script(_ADD)
        self._remove = link.script(_REMOVE)
        self._find = link.script(_FIND)
        tag = f"stops:{organization}"
        self.keys = [link.key(tag, "open"), link.key(tag, "open-by-session")]
        """Sorted sets of the open calls: by the time of their acceptance, and by their bytes."""

    async def add(self, call: CallRecord) -> None:
        """Add a call, if it is one of a session."""
        member = _encode_member(call)
        if member is not None:
            await self._link.run(self._add, self.keys, member, call.sent_at, call.sent_at - self._keep_seconds)

    async def remove(self, call: CallRecord) -> None:
        """Remove a call, if it is one of a session."""
        member = _encode_member(call)
        if member is not None:
            await self._link.run(self._remove, self.keys, member)

    async def find(self, prefix: bytes) -> tuple[OpenCall, ...]:
        """Return the calls whose members begin with a prefix, oldest first."""
        range_ = b"[" + prefix, b"[" + prefix.ljust(_MEMBER_BYTES, b"\xff")
        found = await self._link.run(self._find, self.keys, *range_)
        ordered = sorted((int(score), member) for member, score in zip(found[::2], found[1::2], strict=True))
        return tuple(_decode_member(member) for _, member in ordered)


def encode_session(session: SessionReference) -> bytes:
    """Return the bytes with which the members of a session's calls begin; those of its account come first."""
    return bytes(session.account) + session.chain_id.to_bytes(8, "big") + session.entity_id.to_bytes(4, "big")


def _encode_member(call: CallRecord) -> bytes | None:
    """Return the member of a call; None for a call that no session authorizes."""
    session = session_of_call(call)
    return None if session is None else encode_session(session) + bytes(call.hash)


def _decode_member(member: bytes) -> OpenCall:
    session = SessionReference(
        account=Address(member[:20]),
        chain_id=ChainId(int.from_bytes(member[20:28], "big")),
        entity_id=EntityId(int.from_bytes(member[28:32], "big")),
    )
    return session, Hash32(member[32:])
