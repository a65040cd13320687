"""Sessions in Redis: records, entity ids with their expiry and revocation, and trusted callers. One slot per account.

An entity id is assigned once, and its revocation is permanent. The counters never expire and only rise. A session's
state never goes back, in any order of writes by two servers. Organisations share the chain, so entity ids, their expiry
and revocations are shared too. Session records and trusted callers belong to one organisation.
"""

from __future__ import annotations

from pydantic_core import from_json

from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record, newer_record_error
from wallet_rpc.adapters.redis_unsigned import RedisUnsigned, account_tag, decompress_record, short_id
from wallet_rpc.domain.records import RECORD_VERSION, Session
from wallet_rpc.domain.session_record import SESSION_VERSION, SessionRecord, record_of, session_of
from wallet_rpc.primitives import Address, ChainId, SessionId, UnixSeconds

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

_GET = """
return {redis.call('HGET', KEYS[1], 'record'), redis.call('GET', KEYS[2])}
"""
"""Read the active session and the unsigned one of the same id at once; a missing one is false."""


class RedisSessions:
    """`ports.storage.Sessions` on Redis."""

    def __init__(self, link: Link, *, chain_facts: Link, unsigned: RedisUnsigned, deadlines: Deadlines) -> None:
        """Create the storage; `chain_facts` is the link for an account's facts that all organisations share."""
        self._deadlines = deadlines
        self._link = link
        self._chain_facts = chain_facts
        self._unsigned = unsigned
        self._put = link.script(_PUT)
        self._get = link.script(_GET)

    def revoked_key(self, account: Address, chain_id: ChainId) -> str:
        """Return the key of the revoked entity ids: a set."""
        return self._chain_facts.key(account_tag(account, chain_id), "revoked")

    def session_key(self, account: Address, chain_id: ChainId, session_id: SessionId) -> str:
        """Return the key of an active session: a hash of the record and its version."""
        return self._link.key(account_tag(account, chain_id), "session", session_id.hex())

    def end_key(self, account: Address, chain_id: ChainId, entity_id: int) -> str:
        """Return the key of an entity id's registered expiry, in Unix seconds."""
        return self._chain_facts.key(account_tag(account, chain_id), "end", str(entity_id))

    async def activate(self, session: Session, *, forget_at: UnixSeconds | None) -> None:
        """Write the record of an active session, replacing an older one; Redis deletes it at `forget_at` (None: never).

        An unsigned session has a separate key that is read only if there is no active session. So a session's state
        never goes back.
        """
        names = session.account, session.chain_id, session.id
        indexes = self._unsigned.index_keys(session.account, session.chain_id)
        keys = [self.session_key(*names), self._unsigned.session_key(*names), *indexes]
        forget = self._deadlines.deletion(session.chain_id, forget_at)
        text = encode_record(SessionRecord, record_of(session))
        newer_version = await self._link.run(self._put, keys, text, SESSION_VERSION, forget, short_id(session.id))
        if newer_version:
            raise newer_record_error("session", newer_version, SESSION_VERSION)
        await self._unsigned.release_holder(session.holder, session.id)

    async def get(self, account: Address, chain_id: ChainId, session_id: SessionId) -> Session | None:
        """Return the session; None if this account has no such session on this chain."""
        names = account, chain_id, session_id
        keys = [self.session_key(*names), self._unsigned.session_key(*names)]
        text, packed = await self._link.run(self._get, keys)
        if text is None and packed is None:
            return None
        if text is None:
            now = self._deadlines.now_on(chain_id)
            if now is not None and await self._unsigned.is_forgotten(*names, now=now):
                return None
            return session_of(decompress_record(packed), account=account, chain_id=chain_id, session_id=session_id)
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
        end = self._deadlines.set_options(forget_at)
        await self._link.command("SET", self._unsigned.trust_key(account, chain_id, caller), RECORD_VERSION, *end)
