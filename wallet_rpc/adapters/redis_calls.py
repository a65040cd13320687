"""Calls in Redis: one hash an operation, and for every nonce a hint at the operations that wanted it.

The rule: the operation's record is the gate, and it is one key, so a claim is one script. The hint lives in another
slot, is written first and believed only when the record is there.
"""

from __future__ import annotations

import secrets

from wallet_rpc.adapters.redis_link import Link, decode_record, encode_record
from wallet_rpc.domain.records import RECORD_VERSION, CallRecord, CallState
from wallet_rpc.primitives import Address, ChainId, Hash32

_CLAIM_COUNT = "tickets"
"""The field of a nonce's hint that counts claims; all other fields are operation hashes."""

_HINT = f"""
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('HINCRBY', KEYS[1], '{_CLAIM_COUNT}', 1)
"""
"""Remember an operation of this nonce and give it a ticket: a later claim has a higher one."""

_CLAIM = """
local kept = redis.call('HMGET', KEYS[1], 'state', 'claim', 'record')
if kept[1] and kept[1] ~= 'refused' and kept[2] ~= ARGV[3] then return kept[3] end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'state', ARGV[2], 'claim', ARGV[3], 'ticket', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return false
"""
"""Write unless another claim is sending or sent, and answer that one's record; a repeat of one claim wins again."""

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
        """Where a call is: a hash of the record, its state, who claimed it and in what order."""
        return self._link.key(f"call:{chain_id}:{operation_hash.hex()}")

    def nonce_key(self, chain_id: ChainId, account: Address, nonce: int) -> str:
        """Where the hashes of the operations are that wanted a nonce, and the count of their claims."""
        return self._link.key(f"nonce:{chain_id}:{account.hex()}:{nonce:x}")

    async def claim(self, call: CallRecord) -> CallRecord | None:
        """Write the record unless one is there that is sending or sent; that one is returned then. None: it is ours."""
        nonce_key = self.nonce_key(call.chain_id, call.sender, call.nonce)
        ticket = await self._link.run(self._hint, nonce_key, call.hash.hex(), self._keep_seconds, RECORD_VERSION)
        kept = await self._link.run(
            self._claim,
            self.call_key(call.chain_id, call.hash),
            encode_record(CallRecord, call),
            call.state,
            secrets.token_hex(8),
            ticket,
            self._keep_seconds,
        )
        return None if kept is None else decode_record(CallRecord, kept, version=RECORD_VERSION)

    async def settle(self, call: CallRecord) -> None:
        """Replace our own claim by its outcome."""
        key = self.call_key(call.chain_id, call.hash)
        await self._link.run(self._settle, key, encode_record(CallRecord, call), call.state, self._keep_seconds)

    async def get(self, chain_id: ChainId, operation_hash: Hash32) -> CallRecord | None:
        """The record of an operation."""
        text = await self._link.command("HGET", self.call_key(chain_id, operation_hash), "record")
        return None if text is None else decode_record(CallRecord, text, version=RECORD_VERSION)

    async def find_by_nonce(self, chain_id: ChainId, account: Address, nonce: int) -> CallRecord | None:
        """The newest record of that nonce that was not refused."""
        fields = await self._link.command("HKEYS", self.nonce_key(chain_id, account, nonce))
        hashes = [Hash32.parse("0x" + field.decode()) for field in fields if field != _CLAIM_COUNT.encode()]
        kept = await self._link.records([self.call_key(chain_id, operation_hash) for operation_hash in hashes])
        open_ones = [one for one in kept if one and one[b"state"] != CallState.REFUSED.encode()]
        if not open_ones:
            return None
        return decode_record(CallRecord, max(open_ones, key=_claim_order)[b"record"], version=RECORD_VERSION)


def _claim_order(fields: dict[bytes, bytes]) -> int:
    return int(fields.get(b"ticket", b"0"))
