"""Sessions in Redis: records, entity ids with their expiry and revocation, and trusted callers. One slot per account.

An entity id is assigned once, and its revocation is permanent. The counters never expire and only rise. A session's
state never goes back, in any order of writes by two servers. Organisations share the chain, so entity ids, their expiry
and revocations are shared too. Session records and trusted callers belong to one organisation.
"""

from __future__ import annotations

import hashlib

from pydantic_core import from_json

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record, newer_record_error
from wallet_rpc.adapters.redis_unsigned import RedisUnsigned, account_tag, decompress_record
from wallet_rpc.domain.nonce import FIRST_SESSION_ENTITY
from wallet_rpc.domain.records import RECORD_VERSION, Session, SessionState
from wallet_rpc.domain.session_record import SESSION_VERSION, SessionRecord, record_of, session_of
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports.storage import ENTITY_RANGE_SIZE
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId, UnixSeconds

LAST_ENTITY_ID = (1 << 31) - 2
"""Last entity id that is assigned: hooks use the id plus 2**31 - 1, which must be below 2**32 - 1.

To the account contract 2**32 - 1 means "called directly"."""

_RESERVE = f"""
local function next_id(range, first)
  return math.max(tonumber(redis.call('HGET', KEYS[1], range)) or first, tonumber(ARGV[1]))
end
local range = 'open'
local id = next_id(range, {FIRST_SESSION_ENTITY})
if id >= {ENTITY_RANGE_SIZE} then
  if ARGV[2] ~= '1' then return -1 end
  range = 'trusted'
  id = next_id(range, {ENTITY_RANGE_SIZE})
  if id > {LAST_ENTITY_ID} then return -1 end
end
redis.call('HSET', KEYS[1], range, string.format('%.0f', id + 1), 'version', ARGV[3])
return id
"""
"""Assign an entity id: the next of the open range or, once that range is used up, of the trusted range.

Only a trusted caller gets an id of the trusted range. Returns -1 when no id is left for the caller. A run that is
repeated after a lost reply assigns the next id, and the first one stays unused."""

_PUT = """
local version = redis.call('HGET', KEYS[1], 'version')
if version and tonumber(version) > tonumber(ARGV[2]) then return tonumber(version) end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'version', ARGV[2])
if ARGV[3] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('EXPIREAT', KEYS[1], ARGV[3]) end
redis.call('DEL', KEYS[2])
for index = 3, #KEYS do redis.call('ZREM', KEYS[index], ARGV[4]) end
return 0
"""
"""Write an active session and remove it from the unsigned ones, unless the stored record has a newer version.

Returns that version, or 0."""


class RedisSessions:
    """`ports.storage.Sessions` on Redis."""

    def __init__(self, link: Link, *, chain_facts: Link, unsigned: RedisUnsigned) -> None:
        """Create the storage; `chain_facts` is the link for an account's facts that all organisations share."""
        self._link = link
        self._chain_facts = chain_facts
        self._unsigned = unsigned
        self._reserve = link.script(_RESERVE)
        self._put = link.script(_PUT)

    def entities_key(self, account: Address, chain_id: ChainId) -> str:
        """Return the key of the next entity ids: a hash with a counter for each id range."""
        return self._chain_facts.key(account_tag(account, chain_id), "entities")

    def revoked_key(self, account: Address, chain_id: ChainId) -> str:
        """Return the key of the revoked entity ids: a set."""
        return self._chain_facts.key(account_tag(account, chain_id), "revoked")

    def session_key(self, account: Address, chain_id: ChainId, session_id: SessionId) -> str:
        """Return the key of an active session: a hash of the record and its version."""
        return self._link.key(account_tag(account, chain_id), "session", session_id.hex())

    def end_key(self, account: Address, chain_id: ChainId, entity_id: int) -> str:
        """Return the key of an entity id's registered expiry, in Unix seconds."""
        return self._chain_facts.key(account_tag(account, chain_id), "end", str(entity_id))

    def trust_key(self, account: Address, chain_id: ChainId, caller: str) -> str:
        """Return the key of a trusted caller; the caller's name may be secret, so the key contains only its hash."""
        return self._link.key(account_tag(account, chain_id), "trust", hashlib.sha256(caller.encode()).hexdigest())

    async def reserve_entity(
        self, account: Address, chain_id: ChainId, *, at_least: EntityId, trusted: bool
    ) -> EntityId:
        """Assign an entity id that is new for this account and chain, `at_least` or above, atomically.

        Raises: LimitExceeded when the caller's id range is used up.
        """
        key = self.entities_key(account, chain_id)
        entity_id = await self._link.run(self._reserve, key, at_least, int(trusted), RECORD_VERSION)
        if entity_id < 0:
            raise LimitExceeded(
                "no session id is left for callers that have not presented a signature of the account's owner"
                if not trusted
                else "no session id is left for this account on this chain",
                reason="entity_ids_used_up",
            )
        return EntityId(entity_id)

    async def save(self, session: Session, *, forget_at: UnixSeconds | None) -> None:
        """Write the record, replacing an older one; it is deleted at `forget_at` (None: never).

        A pending session has a separate key that is read only if there is no active session. So a session's state
        never goes back.
        """
        names = session.account, session.chain_id, session.id
        record = record_of(session)
        unsigned_key = self._unsigned.session_key(*names)
        if session.state is SessionState.PENDING:
            if forget_at is None:
                raise ValueError("forget_at: received None, expected a time, since unsigned sessions expire")
            await self._unsigned.put(unsigned_key, record, forget_at=forget_at)
            return
        keys = [self.session_key(*names), unsigned_key, *self._unsigned.index_keys(session.account, session.chain_id)]
        forget = "" if forget_at is None else forget_at
        text = encode_record(SessionRecord, record)
        newer_version = await self._link.run(self._put, keys, text, SESSION_VERSION, forget, session.id.hex())
        if newer_version:
            raise newer_record_error("session", newer_version, SESSION_VERSION)
        await self._unsigned.release_holder(session.holder, session.id)

    async def get(self, account: Address, chain_id: ChainId, session_id: SessionId) -> Session | None:
        """Return the session; None if this account has no such session on this chain."""
        names = account, chain_id, session_id
        command = "HGET", self.session_key(*names), "record"
        text = await self._link.command(*command)
        if text is None:
            packed = await self._link.command("GET", self._unsigned.session_key(*names))
            if packed is not None:
                return session_of(decompress_record(packed), account=account, chain_id=chain_id, session_id=session_id)
            text = await self._link.command(*command)  # it may have been signed between the two commands
        if text is None:
            return None
        if from_json(text)["version"] == RECORD_VERSION:
            return decode_record(Session, text, version=RECORD_VERSION)
        record = decode_record(SessionRecord, text, version=SESSION_VERSION)
        return session_of(record, account=account, chain_id=chain_id, session_id=session_id)

    async def set_expiry(self, account: Address, chain_id: ChainId, entity_id: int, *, at: UnixSeconds) -> None:
        """Register the second `at` as the entity id's expiry, for every organisation; a later call replaces it."""
        await self._chain_facts.command("SET", self.end_key(account, chain_id, entity_id), at)

    async def get_expiry(self, account: Address, chain_id: ChainId, entity_id: int) -> UnixSeconds | None:
        """Return the registered expiry, the first second at which the entity id has expired; None if not registered."""
        found = await self._chain_facts.command("GET", self.end_key(account, chain_id, entity_id))
        return None if found is None else int(found)

    async def revoke(self, account: Address, chain_id: ChainId, entity_id: int) -> None:
        """Revoke the entity id permanently, for every organisation."""
        await self._chain_facts.command("SADD", self.revoked_key(account, chain_id), entity_id)

    async def is_revoked(self, account: Address, chain_id: ChainId, entity_id: int) -> bool:
        """Return True when the entity id is revoked."""
        return bool(await self._chain_facts.command("SISMEMBER", self.revoked_key(account, chain_id), entity_id))

    async def trust(self, account: Address, chain_id: ChainId, caller: str, *, forget_at: UnixSeconds) -> None:
        """Store until `forget_at` that `caller` presented a valid signature of the account's owner."""
        await self._link.command("SET", self.trust_key(account, chain_id, caller), RECORD_VERSION, "EXAT", forget_at)

    async def is_trusted(self, account: Address, chain_id: ChainId, caller: str) -> bool:
        """Return True when the caller is trusted for this account."""
        return bool(await self._link.command("EXISTS", self.trust_key(account, chain_id, caller)))
