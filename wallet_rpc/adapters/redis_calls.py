"""Calls in Redis: one hash per operation, and for each nonce a hint at the operations that claimed it.

The operation's record decides a claim. It is one key, so a claim is one script. The hint is in another slot, is written
first, and counts only if the record exists.
"""

from __future__ import annotations

import secrets

from wallet_rpc.adapters.redis_link import Link, decode_record, encode_record
from wallet_rpc.domain.records import RECORD_VERSION, CallRecord, CallState
from wallet_rpc.primitives import Address, ChainId, Hash32

_CLAIM_COUNT = "tickets"
"""Field of a nonce's hint that counts claims; all other fields are operation hashes."""

_HINT = f"""
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('HINCRBY', KEYS[1], '{_CLAIM_COUNT}', 1)
"""
"""Store an operation that claims this nonce, and return the claim's number; later claims have higher numbers."""

_CLAIM = """
local kept = redis.call('HMGET', KEYS[1], 'state', 'claim', 'record')
if kept[1] and kept[1] ~= 'refused' and kept[2] ~= ARGV[3] then return kept[3] end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'state', ARGV[2], 'claim', ARGV[3], 'ticket', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return false
"""
"""Write the record, unless another claim is sending or sent: then return that claim's record.

A repeat of the successful claim succeeds again."""

_SETTLE = """
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'state', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""


class RedisCalls:
    """`ports.Calls` on Redis."""

    def __init__(self, link: Link, *, keep_seconds: int) -> None:
        self._link = link
        self._keep_seconds = keep_seconds
        self._hint = link.script(_HINT)
        self._claim = link.script(_CLAIM)
        self._settle = link.script(_SETTLE)

    def call_key(self, chain_id: ChainId, operation_hash: Hash32) -> str:
        """Return the key of a call: a hash of the record, its state, the claim's random mark and its number."""
        return self._link.key(f"call:{chain_id}:{operation_hash.hex()}")

    def nonce_key(self, chain_id: ChainId, account: Address, nonce: int) -> str:
        """Return the key of a nonce: a hash of the operations that claimed it, and the number of claims."""
        return self._link.key(f"nonce:{chain_id}:{account.hex()}:{nonce:x}")

    async def claim(self, call: CallRecord) -> CallRecord | None:
        """Write the record and return None; if the stored record is sending or sent, return that record instead."""
        nonce_key = self.nonce_key(call.chain_id, call.sender, call.nonce)
        number = await self._link.run(self._hint, nonce_key, call.hash.hex(), self._keep_seconds, RECORD_VERSION)
        other = await self._link.run(
            self._claim,
            self.call_key(call.chain_id, call.hash),
            encode_record(CallRecord, call),
            call.state,
            secrets.token_hex(8),
            number,
            self._keep_seconds,
        )
        return None if other is None else decode_record(CallRecord, other, version=RECORD_VERSION)

    async def settle(self, call: CallRecord) -> None:
        """Replace this server's claim by its outcome."""
        key = self.call_key(call.chain_id, call.hash)
        await self._link.run(self._settle, key, encode_record(CallRecord, call), call.state, self._keep_seconds)

    async def get(self, chain_id: ChainId, operation_hash: Hash32) -> CallRecord | None:
        """Return the record of an operation."""
        text = await self._link.command("HGET", self.call_key(chain_id, operation_hash), "record")
        return None if text is None else decode_record(CallRecord, text, version=RECORD_VERSION)

    async def find_by_nonce(self, chain_id: ChainId, account: Address, nonce: int) -> CallRecord | None:
        """Return the account's newest record with this nonce; rejected records do not count."""
        fields = await self._link.command("HKEYS", self.nonce_key(chain_id, account, nonce))
        hashes = [Hash32.parse("0x" + field.decode()) for field in fields if field != _CLAIM_COUNT.encode()]
        records = await self._link.records([self.call_key(chain_id, operation_hash) for operation_hash in hashes])
        claimed = [one for one in records if one and one[b"state"] != CallState.REFUSED.encode()]
        if not claimed:
            return None
        return decode_record(CallRecord, max(claimed, key=_claim_order)[b"record"], version=RECORD_VERSION)


def _claim_order(fields: dict[bytes, bytes]) -> int:
    return int(fields.get(b"ticket", b"0"))
