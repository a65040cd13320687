"""Calls of an organisation that wait for an approval, in Redis: one sorted set, in the order of its members' texts."""

from __future__ import annotations

from collections.abc import Sequence

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.ports.approvals import place_of
from wallet_rpc.primitives import ChainId, Hash32


class RedisApprovals:
    """`ports.approvals.Approvals` on Redis."""

    def __init__(self, link: Link, organization: OrganizationId) -> None:
        self._link = link
        self.key = link.key(f"approvals:{organization}")
        """Sorted set: the places of the calls, all with the score 0."""

    async def add(self, call: CallRecord) -> None:
        """Add a call before its record is written."""
        await self._link.command("ZADD", self.key, 0, place_of(call))

    async def remove(self, calls: Sequence[bytes]) -> None:
        """Remove entries by their places."""
        if calls:
            await self._link.command("ZREM", self.key, *calls)

    async def page(self, *, after: bytes, limit: int) -> tuple[tuple[bytes, ChainId, Hash32], ...]:
        """Return up to `limit` entries after a place."""
        start = b"(" + after if after else b"-"
        found = await self._link.command("ZRANGEBYLEX", self.key, start, "+", "LIMIT", 0, limit)
        return tuple(_parse(place) for place in found)


def _parse(place: bytes) -> tuple[bytes, ChainId, Hash32]:
    _, chain_id, operation_hash = place.decode().split(":")
    return place, int(chain_id), Hash32.parse("0x" + operation_hash)
