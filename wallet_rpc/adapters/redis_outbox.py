"""Outbox in Redis: the calls that wait for a worker, in a fixed number of shards.

Each shard has one hash tag: a sorted set of calls by the time they are due, and a stream with one consumer group, in
which every replica takes part. One script moves the calls that are due into the stream, takes over entries that a dead
consumer did not finish, and reads new ones. An entry only points at a call, whose record decides what to do.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.ports.calls import OutboxEntry
from wallet_rpc.primitives import ChainId, Hash32, UnixSeconds

SHARDS = 8
"""Number of shards; a constant, since it decides where an entry is."""
TAKEOVER_SECONDS = 30
"""Time after which an entry that a consumer took and did not finish goes to another one."""
_AT_ONCE = 16
"""Maximum number of entries that one script moves, takes over or reads."""
_RESTORED_AT_ONCE = 500
"""Maximum number of calls that one command restores."""
_GROUP = "delivery"
_CONSUMER = "worker"
"""Name of every consumer: the time since an entry was taken says if its worker is dead, and names would pile up."""

_TAKE = f"""
redis.pcall('XGROUP', 'CREATE', KEYS[2], '{_GROUP}', '0', 'MKSTREAM')
for _, call in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
  redis.call('XADD', KEYS[2], '*', 'call', call)
  redis.call('ZADD', KEYS[1], ARGV[2], call)
end
local idle = redis.call('XAUTOCLAIM', KEYS[2], '{_GROUP}', '{_CONSUMER}', ARGV[4], '0', 'COUNT', ARGV[3])[2]
local fresh = redis.call('XREADGROUP', 'GROUP', '{_GROUP}', '{_CONSUMER}', 'COUNT', ARGV[3], 'STREAMS', KEYS[2], '>')
local taken = {{}}
for _, entries in ipairs({{idle, fresh and fresh[1][2] or {{}}}}) do
  for _, entry in ipairs(entries) do
    if entry and entry[2] then table.insert(taken, {{entry[1], entry[2][2]}}) end
  end
end
return taken
"""
"""Return stream ids and calls. A call that was moved is due again later, if no worker finishes it."""

_FINISH = f"""
redis.call('XACK', KEYS[2], '{_GROUP}', ARGV[1])
redis.call('XDEL', KEYS[2], ARGV[1])
if ARGV[3] == '' then redis.call('ZREM', KEYS[1], ARGV[2]) else redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2]) end
"""


_SCANNED_AT_ONCE = 100
"""Approximate number of calls that one step of a scan returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardDepth:
    """Numbers of calls in one shard."""

    scheduled: int
    """Calls that wait for a worker, now or later."""
    ready: int
    """Those whose time has come, and that no script has moved into the stream yet."""
    in_stream: int
    """Entries that a worker will take or has taken."""


class RedisOutbox:
    """`ports.calls.Outbox` on Redis; `shared` is the link for data shared by all organisations."""

    def __init__(self, shared: Link) -> None:
        self._link = shared
        self._take = shared.script(_TAKE)
        self._finish = shared.script(_FINISH)

    def schedule_key(self, shard: int) -> str:
        """Return the key of a shard's calls, by the time they are due."""
        return self._link.key(f"outbox:{shard}", "due")

    def stream_key(self, shard: int) -> str:
        """Return the key of a shard's stream."""
        return self._link.key(f"outbox:{shard}", "stream")

    async def add(
        self, organization: OrganizationId, chain_id: ChainId, operation_hash: Hash32, *, at: UnixSeconds
    ) -> None:
        """Make a call due at the time `at`."""
        call = _format_call(organization, chain_id, operation_hash)
        await self._link.command("ZADD", self.schedule_key(_shard_of(call)), at, call)

    async def take(self, *, now: UnixSeconds) -> tuple[OutboxEntry, ...]:
        """Return some of the entries that are due or that a consumer did not finish in time."""
        shards = (self._take_from(shard, now) for shard in range(SHARDS))
        answers = await asyncio.gather(*shards, return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if len(failures) == SHARDS:
            raise failures[0]
        return tuple(entry for answer in answers if not isinstance(answer, BaseException) for entry in answer)

    async def _take_from(self, shard: int, now: UnixSeconds) -> list[OutboxEntry]:
        keys = [self.schedule_key(shard), self.stream_key(shard)]
        later = now + 2 * TAKEOVER_SECONDS
        taken: list[tuple[bytes, bytes]] = await self._link.run(
            self._take, keys, now, later, _AT_ONCE, TAKEOVER_SECONDS * 1000
        )
        entries = []
        for stream_id, call in taken:
            try:
                entries.append(_parse_entry(stream_id, call))
            except ValueError:  # of a newer server, which goes on with it
                await self._link.run(self._finish, keys, stream_id.decode(), call.decode(), later)
        return entries

    async def finish(self, entry: OutboxEntry, *, next_at: UnixSeconds | None) -> None:
        """Confirm that the work is done; the call is due again at `next_at`, or never."""
        call = _format_call(entry.organization, entry.chain_id, entry.operation_hash)
        shard = _shard_of(call)
        keys = [self.schedule_key(shard), self.stream_key(shard)]
        await self._link.run(self._finish, keys, entry.stream_id, call, "" if next_at is None else next_at)

    async def read_depths(self, *, now: UnixSeconds) -> list[ShardDepth]:
        """Return the depth of each shard."""
        return list(await asyncio.gather(*(self._read_depth(shard, now) for shard in range(SHARDS))))

    async def _read_depth(self, shard: int, now: UnixSeconds) -> ShardDepth:
        schedule = self.schedule_key(shard)
        scheduled, ready, in_stream = await asyncio.gather(
            self._link.command("ZCARD", schedule),
            self._link.command("ZCOUNT", schedule, "-inf", now),
            self._link.command("XLEN", self.stream_key(shard)),
        )
        return ShardDepth(scheduled=scheduled, ready=ready, in_stream=in_stream)

    async def scan(self) -> AsyncIterator[list[OutboxCall]]:
        """Iterate over all scheduled calls in small groups; one that changes during the scan may appear twice."""
        for shard in range(SHARDS):
            cursor = None
            while cursor != 0:
                key, count = self.schedule_key(shard), _SCANNED_AT_ONCE
                cursor, found = await self._link.command("ZSCAN", key, cursor or 0, "COUNT", count)
                yield [call for member, _ in found if (call := _parse_call(member)) is not None]

    async def restore(self, *, now: UnixSeconds) -> int:
        """Make due the stored signed calls that have no entry, and return their number."""
        restored = 0
        calls: list[list[str]] = [[] for _ in range(SHARDS)]
        for key in await self._link.find_keys("*{call:*}:signed"):
            found = _SIGNED_KEY.search(key)
            if found is not None:
                organization, chain_id, operation_hash = found.groups(default=OPEN_ORGANIZATION)
                call = f"{organization}:{chain_id}:{operation_hash}"
                calls[_shard_of(call)].append(call)
        for shard, waiting in enumerate(calls):
            for start in range(0, len(waiting), _RESTORED_AT_ONCE):
                pairs = [part for call in waiting[start : start + _RESTORED_AT_ONCE] for part in (now, call)]
                restored += await self._link.command("ZADD", self.schedule_key(shard), "NX", *pairs)
        return restored


OutboxCall: TypeAlias = tuple[OrganizationId, ChainId, Hash32]
"""Organisation, chain and hash of a call."""
_SIGNED_KEY = re.compile(r"(?:(org_[0-9A-Za-z]+):)?\{call:(\d+):([0-9a-f]{64})\}:signed$")


def _format_call(organization: OrganizationId, chain_id: ChainId, operation_hash: Hash32) -> str:
    return f"{organization}:{chain_id}:{operation_hash.hex()}"


def _parse_entry(stream_id: bytes, call: bytes) -> OutboxEntry:
    organization, chain_id, operation_hash = _split_call(call)
    return OutboxEntry(
        organization=organization, chain_id=chain_id, operation_hash=operation_hash, stream_id=stream_id.decode()
    )


def _split_call(call: bytes) -> OutboxCall:
    organization, chain_id, operation_hash = call.decode().split(":")
    return OrganizationId(organization), int(chain_id), Hash32.parse("0x" + operation_hash)


def _parse_call(call: bytes) -> OutboxCall | None:
    try:
        return _split_call(call)
    except ValueError:  # of a newer server
        return None


def _shard_of(call: str) -> int:
    return crc32(call.encode()) % SHARDS
