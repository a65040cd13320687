"""Sessions in Redis: the grants, the entity ids given, ended and revoked, and who is trusted. One slot for an account.

The rule: an entity id is given once and revoked once, for good. The counters never expire and only go up; a session's
state never goes back, whatever the order in which two servers write. What is given, ended and revoked is known to all
organisations, which share the chain; a session's record and who is trusted are of one.
"""

from __future__ import annotations

import hashlib

from pydantic_core import from_json

from wallet_rpc.adapters.redis_link import Link, decode_record, encode_record, newer_record_error
from wallet_rpc.adapters.redis_unsigned import RedisUnsigned, account_tag, decompress_record
from wallet_rpc.domain.records import RECORD_VERSION, Session, SessionState
from wallet_rpc.domain.session_record import SESSION_VERSION, SessionRecord, record_of, session_of
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports.storage import ENTITY_RANGE_SIZE
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId, UnixSeconds

LAST_ENTITY_ID = (1 << 31) - 2
"""The last entity id that is given: hooks use the id plus 2**31 - 1, which must stay below 2**32 - 1.

The account contract reads that last number as "called directly"."""
FIRST_ENTITY_ID = 1
"""0 is the owner's."""

_RESERVE = f"""
local function after(lane, first)
  return math.max(tonumber(redis.call('HGET', KEYS[1], lane)) or first, tonumber(ARGV[1]))
end
local lane = 'open'
local id = after(lane, {FIRST_ENTITY_ID})
if id >= {ENTITY_RANGE_SIZE} then
  if ARGV[2] ~= '1' then return -1 end
  lane = 'trusted'
  id = after(lane, {ENTITY_RANGE_SIZE})
  if id > {LAST_ENTITY_ID} then return -1 end
end
redis.call('HSET', KEYS[1], lane, string.format('%.0f', id + 1), 'version', ARGV[3])
return id
"""
"""The next id of the open lane; when that is used up and the caller is trusted, of the other. A repeat skips an id."""

_PUT = """
local version = redis.call('HGET', KEYS[1], 'version')
if version and tonumber(version) > tonumber(ARGV[2]) then return tonumber(version) end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'version', ARGV[2])
if ARGV[3] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('EXPIREAT', KEYS[1], ARGV[3]) end
redis.call('DEL', KEYS[2])
for index = 3, #KEYS do redis.call('ZREM', KEYS[index], ARGV[4]) end
return 0
"""
"""Write an active session, which is none of the unsigned ones any more, unless a record there is newer than the writer.

Answers the version of such a record."""


class RedisSessions:
    """`memory.Sessions` on Redis."""

    def __init__(self, link: Link, *, chain_facts: Link, unsigned: RedisUnsigned) -> None:
        """`chain_facts` keeps what is true of an account on its chain, whichever organisation asks."""
        self._link = link
        self._chain_facts = chain_facts
        self._unsigned = unsigned
        self._reserve = link.script(_RESERVE)
        self._put = link.script(_PUT)

    def entities_key(self, account: Address, chain_id: ChainId) -> str:
        """Where the next entity id of each lane is: a hash of two counters."""
        return self._chain_facts.key(account_tag(account, chain_id), "entities")

    def revoked_key(self, account: Address, chain_id: ChainId) -> str:
        """Where the revoked entity ids are: a set."""
        return self._chain_facts.key(account_tag(account, chain_id), "revoked")

    def session_key(self, account: Address, chain_id: ChainId, session_id: SessionId) -> str:
        """The key of an active session: a hash of the record and its version."""
        return self._link.key(account_tag(account, chain_id), "session", session_id.hex())

    def end_key(self, account: Address, chain_id: ChainId, entity_id: int) -> str:
        """Where the registered end of an entity id is: Unix seconds."""
        return self._chain_facts.key(account_tag(account, chain_id), "end", str(entity_id))

    def trust_key(self, account: Address, chain_id: ChainId, caller: str) -> str:
        """Where trust in a caller is; the caller's name may be secret, so only its hash is in the key."""
        return self._link.key(account_tag(account, chain_id), "trust", hashlib.sha256(caller.encode()).hexdigest())

    async def reserve_entity(
        self, account: Address, chain_id: ChainId, *, at_least: EntityId, trusted: bool
    ) -> EntityId:
        """An entity id never given before on this account and chain, `at_least` or above; atomic.

        Raises: LimitExceeded when the caller's part of the id space is used up.
        """
        key = self.entities_key(account, chain_id)
        given = await self._link.run(self._reserve, key, at_least, int(trusted), RECORD_VERSION)
        if given < 0:
            raise LimitExceeded(
                "no session id is left for callers that did not show a signature of the account's owner"
                if not trusted
                else "no session id is left for this account on this chain",
                reason="entity_ids_used_up",
            )
        return EntityId(given)

    async def save(self, session: Session, *, forget_at: UnixSeconds | None) -> None:
        """Write the record, replacing an older one; it is dropped at `forget_at` (None: kept).

        A pending session is written where it is found only while no active one is, so that its state never goes back.
        """
        named = session.account, session.chain_id, session.id
        record, unsigned_key = record_of(session), self._unsigned.session_key(*named)
        if session.state is SessionState.PENDING:
            if forget_at is None:
                raise ValueError("an unsigned session is kept with an expiry only")
            await self._unsigned.put(unsigned_key, record, forget_at=forget_at)
            return
        keys = [self.session_key(*named), unsigned_key, *self._unsigned.index_keys(session.account, session.chain_id)]
        forget = "" if forget_at is None else forget_at
        text = encode_record(SessionRecord, record)
        found = await self._link.run(self._put, keys, text, SESSION_VERSION, forget, session.id.hex())
        if found:
            raise newer_record_error("session", found, SESSION_VERSION)
        await self._unsigned.release_holder(session.holder, session.id)

    async def get(self, account: Address, chain_id: ChainId, session_id: SessionId) -> Session | None:
        """The session, when it is one of this account on this chain."""
        named = account, chain_id, session_id
        question = "HGET", self.session_key(*named), "record"
        text = await self._link.command(*question)
        if text is None:
            packed = await self._link.command("GET", self._unsigned.session_key(*named))
            if packed is not None:
                return session_of(decompress_record(packed), account=account, chain_id=chain_id, session_id=session_id)
            text = await self._link.command(*question)  # it may have been signed between the two questions
        if text is None:
            return None
        if from_json(text)["version"] == RECORD_VERSION:
            return decode_record(Session, text, version=RECORD_VERSION)
        record = decode_record(SessionRecord, text, version=SESSION_VERSION)
        return session_of(record, account=account, chain_id=chain_id, session_id=session_id)

    async def set_expiry(self, account: Address, chain_id: ChainId, entity_id: int, *, at: UnixSeconds) -> None:
        """From the second `at` on whoever asks, of any organisation, finds the entity id over; said again, it moves."""
        await self._chain_facts.command("SET", self.end_key(account, chain_id, entity_id), at)

    async def get_expiry(self, account: Address, chain_id: ChainId, entity_id: int) -> UnixSeconds | None:
        """The first second at which the entity id is over, where `end` was said of it; kept for good."""
        found = await self._chain_facts.command("GET", self.end_key(account, chain_id, entity_id))
        return None if found is None else int(found)

    async def revoke(self, account: Address, chain_id: ChainId, entity_id: int) -> None:
        """From now on whoever asks, of any organisation, finds the entity id revoked; for good."""
        await self._chain_facts.command("SADD", self.revoked_key(account, chain_id), entity_id)

    async def is_revoked(self, account: Address, chain_id: ChainId, entity_id: int) -> bool:
        """Whether `revoke` was said of this entity id."""
        return bool(await self._chain_facts.command("SISMEMBER", self.revoked_key(account, chain_id), entity_id))

    async def trust(self, account: Address, chain_id: ChainId, caller: str, *, forget_at: UnixSeconds) -> None:
        """Remember that `caller` showed a valid signature of the account's owner."""
        await self._link.command("SET", self.trust_key(account, chain_id, caller), RECORD_VERSION, "EXAT", forget_at)

    async def is_trusted(self, account: Address, chain_id: ChainId, caller: str) -> bool:
        """Whether `trust` was said of this caller."""
        return bool(await self._link.command("EXISTS", self.trust_key(account, chain_id, caller)))
