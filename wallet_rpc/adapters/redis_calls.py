"""Calls in Redis: a hash and the signed form per call, and for each nonce a hint at the calls that claimed it.

The call's record decides a claim. The record and the signed call are in one slot, so a claim is one script. The hint
and the outbox entry are in other slots, are written first, and count only if the record exists.

The script that writes a record also stores the events of the change, in the same slot. They are then appended to the
organisation's event log, which is in another slot, and deleted; a worker does so if the writer ended in between.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from wallet_rpc.adapters.redis_events import RedisEvents, format_event
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_outbox import RedisOutbox
from wallet_rpc.adapters.redis_records import decode_record, encode_record, format_record
from wallet_rpc.adapters.redis_session_calls import RedisSessionCalls, sent_at
from wallet_rpc.adapters.redis_stops import RedisStops
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.call_record import CALL_VERSION, CallRecord, downgrade_record, upgrade_record
from wallet_rpc.domain.call_state import CallState, Evidence, next_state
from wallet_rpc.domain.event import list_call_events
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports.calls import CallsPage
from wallet_rpc.primitives import Address, ChainId, Hash32, UnixSeconds
from wallet_rpc.wire import parse_json

_CLAIM_COUNT = "tickets"
"""Field of a nonce's hint that counts claims; all other fields are operation hashes."""

_HINT = f"""
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('HINCRBY', KEYS[1], '{_CLAIM_COUNT}', 1)
"""
"""Store an operation that claims this nonce, and return the claim's number; later claims have higher numbers."""

_CLAIM = """
local kept = redis.call('HMGET', KEYS[1], 'call', 'record', 'claim')
if kept[2] and kept[3] ~= ARGV[4] then return {kept[1] or '', kept[2]} end
redis.call('HSET', KEYS[1], 'call', ARGV[1], 'record', ARGV[2], 'state', ARGV[3],
  'claim', ARGV[4], 'ticket', ARGV[5], 'revision', 0)
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('SET', KEYS[2], ARGV[6], 'EX', ARGV[7])
if not kept[2] then
  for i = 8, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
  redis.call('EXPIRE', KEYS[3], ARGV[7])
end
return false
"""
"""Write the call and its signed form, unless there is another claim: then return that claim's record, in both versions.

A repeat of the successful claim succeeds again. Servers before 0.2.0 write no record in version 2."""

_UPDATE = """
local kept = redis.call('HMGET', KEYS[1], 'call', 'revision')
if kept[1] ~= ARGV[1] then
  if kept[2] and kept[2] ~= ARGV[4] then return kept[1] end
  redis.call('HSET', KEYS[1], 'call', ARGV[1], 'record', ARGV[2], 'state', ARGV[3], 'revision', ARGV[4] + 1)
  redis.call('EXPIRE', KEYS[1], ARGV[5])
  for i = 8, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
  redis.call('EXPIRE', KEYS[3], ARGV[5])
end
if ARGV[6] == 'final' then redis.call('DEL', KEYS[2]) else redis.call('EXPIRE', KEYS[2], ARGV[5]) end
if ARGV[7] ~= '' then redis.call('SET', KEYS[2], ARGV[7], 'EX', ARGV[5]) end
return ARGV[1]
"""
"""Replace the call if nothing was written since it was read, with its signed form if given; return the stored record.

A record without a revision is one of a server before 0.2.0, or was lost by Redis: it is written."""

_REMOVE = """
for _, event in ipairs(ARGV) do redis.call('LREM', KEYS[1], 1, event) end
return 0
"""
"""Delete events that were appended to the event log."""
_CLAIMING_SECONDS = 600
"""Time after which a call without a record was never claimed, or its record was deleted."""


class RedisCalls:
    """`ports.calls.Calls` on Redis."""

    def __init__(
        self,
        link: Link,
        outbox: RedisOutbox,
        events: RedisEvents,
        stops: RedisStops,
        organization: OrganizationId,
        *,
        keep_seconds: int,
    ) -> None:
        self._link = link
        self._outbox = outbox
        self._events = events
        self._stops = stops
        self._organization = organization
        self._keep_seconds = keep_seconds
        self.by_session = RedisSessionCalls(link, keep_seconds=keep_seconds, deadlines=events.deadlines)
        self._hint = link.script(_HINT)
        self._claim = link.script(_CLAIM)
        self._update = link.script(_UPDATE)
        self._remove = link.script(_REMOVE)

    def call_key(self, chain_id: ChainId, operation_hash: Hash32) -> str:
        """Return the key of a call: a hash of its record in both versions, the claim's random mark and its number."""
        return self._link.key(f"call:{chain_id}:{operation_hash.hex()}")

    def signed_key(self, chain_id: ChainId, operation_hash: Hash32) -> str:
        """Return the key of a call's signed call."""
        return self._link.key(f"call:{chain_id}:{operation_hash.hex()}", "signed")

    def events_key(self, chain_id: ChainId, operation_hash: Hash32) -> str:
        """Return the key of a call's events that are not in the organisation's event log yet: a list."""
        return self._link.key(f"call:{chain_id}:{operation_hash.hex()}", "events")

    def nonce_key(self, chain_id: ChainId, account: Address, nonce: int) -> str:
        """Return the key of a nonce: a hash of the operations that claimed it, and the number of claims."""
        return self._link.key(f"nonce:{chain_id}:{account.hex()}:{nonce:x}")

    async def claim(self, call: CallRecord, signed: str) -> CallRecord | None:
        """Store the call and return None; if it has a record already, return that one instead.

        A call of a session is first added to the open ones, so that a stop finds each call that has a record.
        """
        nonce_key = self.nonce_key(call.chain_id, call.sender, call.nonce)
        number, *_ = await asyncio.gather(
            self._link.run(self._hint, nonce_key, call.hash.hex(), self._keep_seconds, CALL_VERSION),
            self.schedule(call, at=call.lease_until),
            self._stops.open_call(call),
            self.by_session.add(call),
        )
        events = _format_events(None, call)
        other = await self._link.run_durably(
            self._claim,
            self._keys(call),
            *_encode(call),
            secrets.token_hex(8),
            number,
            signed,
            self._keep_seconds,
            *events,
        )
        if other is None:
            await self._append_events(call, events)
            return None
        earlier = _decode(call=other[0] or None, record=other[1])
        if earlier.is_retained or earlier.state.is_final:
            return earlier
        state = next_state(earlier.state, Evidence.ATTEMPT_BEGUN)  # a bundler may have the call
        adopted = replace(call, state=state, revision=earlier.revision + 1)
        stored = await self._replace(earlier, adopted, signed)
        return None if stored == adopted else stored

    async def update(self, old: CallRecord, new: CallRecord) -> CallRecord:
        """Replace `old` by `new` if `old` is still stored, and return the record that is stored then."""
        result = await self._replace(old, replace(new, revision=old.revision + 1))
        if result.state.is_final and not old.state.is_final:
            await self._stops.close_call(result)
        return result

    async def _replace(self, old: CallRecord, new: CallRecord, signed: str | None = None) -> CallRecord:
        """Replace `old`, if it is still stored, with the events of the change; return the record that is stored then.

        The signed form, if one is given, is written too, and durably.
        """
        events = _format_events(old, new)
        text, *earlier_version = _encode(new)
        run = self._link.run if signed is None else self._link.run_durably
        stored: bytes = await run(
            self._update,
            self._keys(new),
            text,
            *earlier_version,
            old.revision,
            self._keep_seconds,
            "final" if new.state.is_final else "",
            signed or "",
            *events,
        )
        if stored != text.encode():
            return _decode(call=stored)
        await self._append_events(new, events)
        return new

    async def _append_events(self, call: CallRecord, events: Sequence[str]) -> None:
        """Append the events of a change to the event log; without the store, a worker does so later.

        Those of a call that is not final stay in their list, which the next worker that looks at the call deletes.
        """
        with suppress(Unavailable):
            if events and call.state.is_final:
                await self.append_events(call.chain_id, call.hash)
            elif events:
                await self._events.append_texts(*(_split_event(text) for text in events))

    async def append_events(self, chain_id: ChainId, operation_hash: Hash32) -> None:
        """Append a call's waiting events to the organisation's event log. Raises: Unavailable."""
        key = self.events_key(chain_id, operation_hash)
        waiting = [text.decode() for text in await self._link.command("LRANGE", key, 0, -1)]
        if waiting:
            await self._events.append_texts(*(_split_event(text) for text in waiting))
            await self._link.run(self._remove, key, *waiting)

    async def get(self, chain_id: ChainId, operation_hash: Hash32) -> CallRecord | None:
        """Return the record of a call."""
        call, record = await self._link.command("HMGET", self.call_key(chain_id, operation_hash), "call", "record")
        return None if record is None else _decode(call=call, record=record)

    async def read_state(self, chain_id: ChainId, operation_hash: Hash32) -> tuple[CallState, UnixSeconds] | None:
        """Return the state of a call and the time at which it was accepted; a tenth of the work of `get`."""
        call, record = await self._link.command("HMGET", self.call_key(chain_id, operation_hash), "call", "record")
        if record is None:
            return None
        members = upgrade_record(parse_json(record)) if call is None else parse_json(call)
        return CallState(members["state"]), int(members["sentAt"])

    async def signed(self, chain_id: ChainId, operation_hash: Hash32) -> str | None:
        """Return the signed call, as it was claimed, while it is not final."""
        found: bytes | None = await self._link.command("GET", self.signed_key(chain_id, operation_hash))
        return None if found is None else found.decode()

    async def list_by_nonce(self, chain_id: ChainId, account: Address, nonce: int) -> tuple[CallRecord, ...]:
        """Return the account's records with this nonce, newest first."""
        fields = await self._link.command("HKEYS", self.nonce_key(chain_id, account, nonce))
        hashes = [Hash32.parse("0x" + field.decode()) for field in fields if field != _CLAIM_COUNT.encode()]
        found = await self._link.records([self.call_key(chain_id, operation_hash) for operation_hash in hashes])
        claimed = sorted((one for one in found if one), key=_claim_order, reverse=True)
        return tuple(_decode(call=one.get(b"call"), record=one[b"record"]) for one in claimed)

    async def page_of_session(
        self, reference: SessionReference, *, now: UnixSeconds, after: bytes, limit: int
    ) -> CallsPage:
        """Return a page of a session's calls, newest first."""
        members = await self.by_session.page(reference, after=after, limit=limit)
        records = await asyncio.gather(*(self.get(reference.chain_id, name) for name, _ in members))
        for (name, place), record in zip(members, records, strict=True):
            if record is None and sent_at(place) < now - _CLAIMING_SECONDS:
                await self.by_session.remove(reference, name)
        found = tuple(one for one in records if one is not None)
        return CallsPage(calls=found, next_page=members[-1][1] if len(members) == limit else b"")

    async def schedule(self, call: CallRecord, *, at: UnixSeconds) -> None:
        """Have a worker look at the call at the time `at`."""
        await self._outbox.add(self._organization, call.chain_id, call.hash, at=at)

    def _keys(self, call: CallRecord) -> list[str]:
        return [key(call.chain_id, call.hash) for key in (self.call_key, self.signed_key, self.events_key)]


def _format_events(old: CallRecord | None, new: CallRecord) -> list[str]:
    """Return the events of a change as they wait: each with its mark, a space, and its JSON text."""
    return [f"{each.mark} {format_event(each.event)}" for each in list_call_events(old, new)]


def _split_event(text: str) -> tuple[str, str]:
    mark, _, event = text.partition(" ")
    return mark, event


def _encode(call: CallRecord) -> tuple[str, str, str]:
    """Return the record in version 2, in version 1, and the state in version 1."""
    text = encode_record(CallRecord, call)
    earlier = downgrade_record(parse_json(text.encode()))
    return text, format_record(earlier), earlier["state"]


def _decode(*, call: bytes | None = None, record: bytes = b"") -> CallRecord:
    text = format_record(upgrade_record(parse_json(record))).encode() if call is None else call
    return decode_record(CallRecord, text, version=CALL_VERSION)


def _claim_order(fields: dict[bytes, bytes]) -> int:
    return int(fields.get(b"ticket", b"0"))
