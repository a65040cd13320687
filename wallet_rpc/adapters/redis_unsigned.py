"""Sessions in Redis that their owners have not signed: compressed, limited in number, and deleted at their expiry.

An unsigned session counts against two limits in two slots: the caller's limit and the account's limit. Each count is
raised atomically before the session is written. After a crash in between, at most one extra count remains until that
session would have expired. The account's index outlives its sessions, so that an expired one is recognized.
"""

from __future__ import annotations

import zlib
from enum import StrEnum

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.domain.session_record import SESSION_VERSION, SessionRecord, UnsignedSession, UnsignedSessionLimits
from wallet_rpc.ports.storage import UnsignedSessionBound
from wallet_rpc.primitives import Address, ChainId, SessionId, UnixSeconds

EXPIRED_INDEX_SECONDS = 365 * 86_400
"""Time for which the index keeps the id of an expired session, in seconds."""

_TAKE = """
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
local limit, expired = tonumber(ARGV[4]), redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[3])
if redis.call('ZCARD', KEYS[1]) - expired >= limit then return 0 end
if expired > tonumber(ARGV[5]) then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, expired - ARGV[5] - 1) end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
redis.call('EXPIREAT', KEYS[1], string.format('%.0f', last + ARGV[6]))
return 1
"""
"""Add a session to an index by the second of its expiry, unless `limit` sessions have not expired yet.

The newest expired ids stay in the index, up to the number in argument 5. Returns 1 on success, also for a repeat,
otherwise 0.
"""


class _CallerClass(StrEnum):
    OPEN = "open"
    TRUSTED = "trusted"


class RedisUnsigned:
    """`ports.storage.UnsignedSessions` on Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._take = link.script(_TAKE)

    def session_key(self, account: Address, chain_id: ChainId, session_id: SessionId) -> str:
        """Return the key of an unsigned session: its record as compressed JSON."""
        return self._link.key(account_tag(account, chain_id), "unsigned", session_id.hex())

    def index_keys(self, account: Address, chain_id: ChainId) -> list[str]:
        """Return the keys of an account's unsigned session ids, one for untrusted and one for trusted callers."""
        tag = account_tag(account, chain_id)
        return [self._link.key(tag, "unsigned-ids", caller_class) for caller_class in _CallerClass]

    def holder_key(self, holder: str) -> str:
        """Return the key of the ids of the unsigned sessions that a holder created."""
        return self._link.key(f"holder:{holder}", "unsigned-ids")

    async def claim(
        self, session: UnsignedSession, bounds: UnsignedSessionLimits, *, now: UnixSeconds
    ) -> UnsignedSessionBound | None:
        """Count a session, or return the exhausted limit and count nothing. Atomic for each limit."""
        session_id = session.id.hex()
        caller_class = _CallerClass.TRUSTED if session.is_trusted else _CallerClass.OPEN
        of_holder = self.holder_key(session.holder)
        of_account = self._link.key(account_tag(session.account, session.chain_id), "unsigned-ids", caller_class)
        if not await self._link.run(self._take, of_holder, session_id, session.forget_at, now, bounds.per_holder, 0, 0):
            return UnsignedSessionBound.HOLDER
        limit = bounds.per_account
        if await self._link.run(
            self._take, of_account, session_id, session.forget_at, now, limit, limit, EXPIRED_INDEX_SECONDS
        ):
            return None
        await self._link.command("ZREM", of_holder, session_id)
        return UnsignedSessionBound.ACCOUNT

    async def release(self, session: UnsignedSession) -> None:
        """Remove a session that was never written from all counts."""
        for key in (*self.index_keys(session.account, session.chain_id), self.holder_key(session.holder)):
            await self._link.command("ZREM", key, session.id.hex())

    async def release_holder(self, holder: str, session_id: SessionId) -> None:
        """Remove a session from its holder's count."""
        await self._link.command("ZREM", self.holder_key(holder), session_id.hex())

    async def is_forgotten(
        self, account: Address, chain_id: ChainId, session_id: SessionId, *, now: UnixSeconds
    ) -> bool:
        """Return True for a session that was created here and expired without its owner's signature."""
        for key in self.index_keys(account, chain_id):
            forgotten_at = await self._link.command("ZSCORE", key, session_id.hex())
            if forgotten_at is not None:
                return float(forgotten_at) <= now
        return False

    async def put(self, key: str, record: SessionRecord, *, forget_at: UnixSeconds) -> None:
        """Write an unsigned session's record."""
        await self._link.command("SET", key, compress_record(record), "EXAT", forget_at)


def compress_record(record: SessionRecord) -> bytes:
    """Encode a record for storage, as compressed JSON."""
    return zlib.compress(encode_record(SessionRecord, record).encode(), level=9)


def decompress_record(raw: bytes) -> SessionRecord:
    """Decode a stored record. Raises: as `redis_link.decode_record`."""
    return decode_record(SessionRecord, zlib.decompress(raw), version=SESSION_VERSION)


def account_tag(account: Address, chain_id: ChainId) -> str:
    """Return the key tag, and so the slot, of an account on a chain."""
    return f"account:{account.hex()}:{chain_id}"
