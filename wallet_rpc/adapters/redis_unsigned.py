"""Sessions in Redis that their owners have not signed: compressed, limited in number, and deleted at their expiry.

An unsigned session counts against two limits in two slots. The caller's limit is claimed first. One script in the
account's slot then counts the session there, assigns its entity id and writes it. After a crash in between, one extra
count of the caller remains until the session would have expired. The account's index outlives its sessions, so that an
expired one is recognized.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import StrEnum

from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.domain.nonce import FIRST_SESSION_ENTITY
from wallet_rpc.domain.records import RECORD_VERSION
from wallet_rpc.domain.session_record import UNSIGNED_VERSION, EntityChoice, SessionRecord, UnsignedSession
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports.storage import ENTITY_RANGE_SIZE, RESERVED_IDS
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId, UnixSeconds

EXPIRED_INDEX_SECONDS = 365 * 86_400
"""Time for which the index keeps the id of an expired session, in seconds."""
LAST_ENTITY_ID = (1 << 31) - 2
"""Last entity id that is assigned: hooks use the id plus 2**31 - 1, which must be below 2**32 - 1.

To the account contract 2**32 - 1 means "called directly"."""

_COUNT = """
local function count(index, id, forget_at, now, limit, is_kept, expired_kept, seconds_kept)
  if redis.call('ZSCORE', index, id) then return true end
  local expired = redis.call('ZCOUNT', index, '-inf', now)
  if redis.call('ZCARD', index) - expired >= tonumber(limit) then return false end
  redis.call('ZADD', index, forget_at, id)
  if is_kept == 'kept' then
    redis.call('PERSIST', index)
    return true
  end
  if expired > tonumber(expired_kept) then redis.call('ZREMRANGEBYRANK', index, 0, expired - expired_kept - 1) end
  local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
  redis.call('EXPIREAT', index, string.format('%.0f', last + seconds_kept))
  return true
end
"""
"""Add a session to an index by the second of its expiry, unless `limit` sessions have not expired yet.

The newest `expired_kept` expired ids stay in the index; all of them if `is_kept` is `kept`. Returns true on success,
also for a repeat."""

_CLAIM = f"""
{_COUNT}
return count(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], 0, 0) and 1 or 0
"""
"""Count a session of a caller. Returns 1, or 0 when the limit is exceeded."""

_CREATE = f"""
{_COUNT}
local entities, trust, record, is_kept = KEYS[1], KEYS[2], ARGV[8], ARGV[9]
local kept = redis.call('GET', KEYS[5])
if kept and string.sub(kept, 1, #record) == record then
  local id = tonumber(string.sub(kept, #record + 1))
  if id and id >= tonumber(ARGV[6]) then return id end
end
local is_trusted = redis.call('EXISTS', trust) == 1
local function next_id(range, first)
  local id = math.max(tonumber(redis.call('HGET', entities, range)) or first, tonumber(ARGV[6]))
  local place = id % {ENTITY_RANGE_SIZE}
  if ARGV[7] ~= '' and place < {RESERVED_IDS} then id = id - place + ARGV[7] end
  return id
end
local range = 'open'
local id = next_id(range, {FIRST_SESSION_ENTITY})
if id >= {ENTITY_RANGE_SIZE} and is_trusted then
  range = 'trusted'
  id = next_id(range, {ENTITY_RANGE_SIZE})
end
if id > (is_trusted and {LAST_ENTITY_ID} or {ENTITY_RANGE_SIZE - 1}) then return is_trusted and -2 or -1 end
local index = is_trusted and KEYS[4] or KEYS[3]
if not count(index, ARGV[1], ARGV[2], ARGV[3], ARGV[4], is_kept, ARGV[4], ARGV[5]) then return 0 end
redis.call('HSET', entities, range, string.format('%.0f', id + 1), 'version', {RECORD_VERSION})
redis.call('SET', KEYS[5], record .. string.format('%.0f', id))
if is_kept ~= 'kept' then redis.call('EXPIREAT', KEYS[5], ARGV[2]) end
return id
"""
"""Count a session of an account, assign its entity id and write it, at once. Returns the entity id.

The id is the next of the open range or, for a trusted caller once that range is used up, of the trusted range. Returns
0 when the limit is exceeded, and -1 (-2 for a trusted caller) when no id is left; nothing is written then. A repeat
returns the same id, unless its session needs a higher one."""

_RELEASE = """
redis.call('DEL', KEYS[3])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
"""
"""Delete a session, and remove it from the account's counts."""


_COMMON_TEXT = (
    b'{"type":"contract","publicKey":"0x"},{"type":"native-token-transfer","data":{"allowance":"0x"}},'
    b'{"type":"erc20-token-transfer","data":{"address":"0x","allowance":"0x"}},{"type":"gas-limit","data":{"limit":"0x'
    b'"}},{"type":"contract-access","data":{"address":"0x"}},{"type":"account-functions","data":{"functions":["0x"]}},'
    b'{"type":"functions-on-all-contracts","data":{"functions":["0x"]}},{"type":"functions-on-contract","data":'
    b'{"address":"0x","functions":["0xa9059cbb","0x095ea7b3"]}}],{"version":3,"key":{"type":"secp256k1","publicKey":"0x'
    b'"},"permissions":[{"type":"root"}],"entityId":0,"deadline":17,"createdAt":17,"state":"pending","holder":"'
)
"""Text that records of unsigned sessions have in common, for the compression.

Stored records can be read with this text only. Another text needs another `UNSIGNED_VERSION` and another key."""


class _CallerClass(StrEnum):
    OPEN = "open"
    TRUSTED = "trusted"


class RedisUnsigned:
    """`ports.storage.UnsignedSessions` on Redis."""

    def __init__(self, link: Link, *, chain_facts: Link, deadlines: Deadlines) -> None:
        """Create the storage; `chain_facts` is the link for an account's facts that all organisations share."""
        self._deadlines = deadlines
        self._link = link
        self._chain_facts = chain_facts
        self._claim = link.script(_CLAIM)
        self._create = link.script(_CREATE)
        self._release = link.script(_RELEASE)

    def entities_key(self, account: Address, chain_id: ChainId) -> str:
        """Return the key of the next entity ids: a hash with a counter for each id range."""
        return self._chain_facts.key(account_tag(account, chain_id), "entities")

    def trust_key(self, account: Address, chain_id: ChainId, caller: str) -> str:
        """Return the key of a trusted caller; the caller's name may be secret, so the key contains only its hash."""
        return self._link.key(account_tag(account, chain_id), "trust", hashlib.sha256(caller.encode()).hexdigest())

    def session_key(self, account: Address, chain_id: ChainId, session_id: SessionId) -> str:
        """Return the key of an unsigned session: its record as compressed JSON, and its entity id."""
        return self._link.key(account_tag(account, chain_id), "unsigned", short_id(session_id))

    def index_keys(self, account: Address, chain_id: ChainId) -> list[str]:
        """Return the keys of an account's unsigned session ids, one for untrusted and one for trusted callers."""
        tag = account_tag(account, chain_id)
        return [self._link.key(tag, "unsigned-ids", caller_class) for caller_class in _CallerClass]

    def holder_key(self, holder: str) -> str:
        """Return the key of the ids of the unsigned sessions that a holder created."""
        return self._link.key(f"holder:{holder}", "unsigned-ids")

    async def claim(self, session: UnsignedSession, *, limit: int, now: UnixSeconds) -> bool:
        """Count a session against its caller's limit, or return False and count nothing."""
        key, kept = self.holder_key(session.holder), self._describe_end(session)
        return bool(await self._link.run(self._claim, key, short_id(session.id), session.forget_at, now, limit, kept))

    def _describe_end(self, session: UnsignedSession) -> str:
        """Return `kept` for a session that Redis does not delete, since its chain has a clock of its own."""
        return "kept" if self._deadlines.deletion(session.chain_id, session.forget_at) == "" else ""

    async def create(
        self, session: UnsignedSession, choice: EntityChoice, *, limit: int, now: UnixSeconds
    ) -> EntityId | None:
        """Write a session with a new entity id, atomically; return the id, or None if the account's limit is exceeded.

        Raises: LimitExceeded when the caller's id range is used up.
        """
        place = session.account, session.chain_id
        keys = [
            self.entities_key(*place),
            self.trust_key(*place, session.caller),
            *self.index_keys(*place),
            self.session_key(*place, session.id),
        ]
        assigned = await self._link.run(
            self._create,
            keys,
            short_id(session.id),
            session.forget_at,
            now,
            limit,
            EXPIRED_INDEX_SECONDS,
            choice.at_least,
            "" if choice.random_start is None else choice.random_start,
            _compress_session(session),
            self._describe_end(session),
        )
        if assigned < 0:
            raise LimitExceeded(
                "no session id is left for callers that have not presented a signature of the account's owner"
                if assigned == -1
                else "no session id is left for this account on this chain",
                reason="entity_ids_used_up",
            )
        return EntityId(assigned) if assigned else None

    async def release(self, session: UnsignedSession) -> None:
        """Delete a session that was not returned to its caller, and remove it from all counts."""
        place = session.account, session.chain_id
        keys = [*self.index_keys(*place), self.session_key(*place, session.id)]
        await self._link.run(self._release, keys, short_id(session.id))
        await self.release_holder(session.holder, session.id)

    async def release_holder(self, holder: str, session_id: SessionId) -> None:
        """Remove a session from its holder's count."""
        await self._link.command("ZREM", self.holder_key(holder), short_id(session_id))

    async def is_forgotten(
        self, account: Address, chain_id: ChainId, session_id: SessionId, *, now: UnixSeconds
    ) -> bool:
        """Return True for a session that was created here and expired without its owner's signature."""
        for key in self.index_keys(account, chain_id):
            forgotten_at = await self._link.command("ZSCORE", key, short_id(session_id))
            if forgotten_at is not None:
                return float(forgotten_at) <= now
        return False


def short_id(session_id: SessionId) -> str:
    """Return a session id as text for keys and indexes: base64, since hex needs half as much again."""
    return urlsafe_b64encode(session_id).decode().rstrip("=")


def parse_short_id(text: str) -> SessionId:
    """Return the session id that `short_id` wrote."""
    return SessionId(urlsafe_b64decode(f"{text}=="))


def _compress_session(session: UnsignedSession) -> bytes:
    """Encode a session for storage, as compressed JSON; the script adds the entity id."""
    record = SessionRecord(
        version=UNSIGNED_VERSION,
        key=session.key,
        permissions=session.permissions,
        deadline=session.deadline,
        created_at=session.created_at,
        holder=session.holder,
    )
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS, zdict=_COMMON_TEXT)
    return deflater.compress(encode_record(SessionRecord, record).encode()) + deflater.flush()


def decompress_record(raw: bytes) -> SessionRecord:
    """Decode the stored record of an unsigned session. Raises: as `redis_link.decode_record`."""
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=_COMMON_TEXT)
    record = decode_record(SessionRecord, inflater.decompress(raw), version=UNSIGNED_VERSION)
    return record.with_entity(EntityId(int(inflater.unused_data)))


def account_tag(account: Address, chain_id: ChainId) -> str:
    """Return the key tag, and so the slot, of an account on a chain."""
    return f"account:{account.hex()}:{chain_id}"
