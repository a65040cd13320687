"""Sessions that their owners have not signed, in Redis: compact, bounded, and forgotten in time.

The rule: an unsigned session counts against two bounds, of the caller that created it and of its account, which are in
two slots. Each is reserved atomically before the session is written, so a crash in between leaves at most one count too
many until that session would have expired. The account's index outlives its sessions, so that an expired one is known.
"""

from __future__ import annotations

import zlib
from enum import StrEnum

from wallet_rpc.adapters.redis_link import Link, decode_record, encode_record
from wallet_rpc.domain.session_record import SESSION_VERSION, SessionRecord, UnsignedSession, UnsignedSessionLimits
from wallet_rpc.ports.storage import UnsignedSessionBound
from wallet_rpc.primitives import Address, ChainId, SessionId, UnixSeconds

EXPIRED_INDEX_SECONDS = 365 * 86_400
"""The time for which the index remembers an expired session, in seconds."""

_TAKE = """
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
local most, past = tonumber(ARGV[4]), redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[3])
if redis.call('ZCARD', KEYS[1]) - past >= most then return 0 end
if past > tonumber(ARGV[5]) then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, past - ARGV[5] - 1) end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
redis.call('EXPIREAT', KEYS[1], string.format('%.0f', last + ARGV[6]))
return 1
"""
"""Add a session to an index by the second at which it is forgotten, unless `most` of them are not forgotten yet.

Of the forgotten ones the newest are kept, up to a number. A repeat says yes again.
"""


class _CallerClass(StrEnum):
    OPEN = "open"
    TRUSTED = "trusted"


class RedisUnsigned:
    """`memory.UnsignedSessions` on Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._take = link.script(_TAKE)

    def session_key(self, account: Address, chain_id: ChainId, session_id: SessionId) -> str:
        """The key of an unsigned session: its record as compressed JSON."""
        return self._link.key(account_tag(account, chain_id), "unsigned", session_id.hex())

    def index_keys(self, account: Address, chain_id: ChainId) -> list[str]:
        """The keys of an account's unsigned session ids, one for strangers and one for trusted holders."""
        return [self._link.key(account_tag(account, chain_id), "unsigned-ids", lane) for lane in _CallerClass]

    def holder_key(self, holder: str) -> str:
        """The key of the ids of the unsigned sessions that a holder created."""
        return self._link.key(f"holder:{holder}", "unsigned-ids")

    async def claim(
        self, session: UnsignedSession, bounds: UnsignedSessionLimits, *, now: UnixSeconds
    ) -> UnsignedSessionBound | None:
        """Count a session; the bound that has no room for it, and then nothing is counted. Atomic for each bound."""
        counted, lane = session.id.hex(), _CallerClass.TRUSTED if session.is_trusted else _CallerClass.OPEN
        of_holder = self.holder_key(session.holder)
        of_account = self._link.key(account_tag(session.account, session.chain_id), "unsigned-ids", lane)
        if not await self._link.run(self._take, of_holder, counted, session.forget_at, now, bounds.per_holder, 0, 0):
            return UnsignedSessionBound.HOLDER
        most = bounds.per_account
        if await self._link.run(
            self._take, of_account, counted, session.forget_at, now, most, most, EXPIRED_INDEX_SECONDS
        ):
            return None
        await self._link.command("ZREM", of_holder, counted)
        return UnsignedSessionBound.ACCOUNT

    async def release(self, session: UnsignedSession) -> None:
        """Count a session no more that was never written."""
        for key in (*self.index_keys(session.account, session.chain_id), self.holder_key(session.holder)):
            await self._link.command("ZREM", key, session.id.hex())

    async def release_holder(self, holder: str, session_id: SessionId) -> None:
        """Count a session no more against its holder's bound."""
        await self._link.command("ZREM", self.holder_key(holder), session_id.hex())

    async def is_forgotten(
        self, account: Address, chain_id: ChainId, session_id: SessionId, *, now: UnixSeconds
    ) -> bool:
        """True for a session that was created here and expired without its owner's signature."""
        for key in self.index_keys(account, chain_id):
            forgotten_at = await self._link.command("ZSCORE", key, session_id.hex())
            if forgotten_at is not None:
                return float(forgotten_at) <= now
        return False

    async def put(self, key: str, record: SessionRecord, *, forget_at: UnixSeconds) -> None:
        """Write an unsigned session's record."""
        await self._link.command("SET", key, compress_record(record), "EXAT", forget_at)


def compress_record(record: SessionRecord) -> bytes:
    """A record as it is kept: compressed JSON."""
    return zlib.compress(encode_record(SessionRecord, record).encode(), level=9)


def decompress_record(raw: bytes) -> SessionRecord:
    """A record that was kept. Raises: as `redis_link.read`."""
    return decode_record(SessionRecord, zlib.decompress(raw), version=SESSION_VERSION)


def account_tag(account: Address, chain_id: ChainId) -> str:
    """The slot of an account on a chain."""
    return f"account:{account.hex()}:{chain_id}"
