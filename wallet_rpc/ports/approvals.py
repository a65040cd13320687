"""Port of the list of an organisation's calls that wait for an approval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.primitives import ChainId, Hash32


class Approvals(Protocol):
    """Calls that may wait for an approval, oldest first. An entry is a hint; the call's record is the truth."""

    async def add(self, call: CallRecord) -> None:
        """Add a call before its record is written. A repeat changes nothing."""

    async def remove(self, calls: Sequence[bytes]) -> None:
        """Remove entries by their places."""

    async def page(self, *, after: bytes, limit: int) -> tuple[tuple[bytes, ChainId, Hash32], ...]:
        """Return up to `limit` entries after a place, empty at first: place, chain and hash of each call."""


def place_of(call: CallRecord) -> bytes:
    """Return the place of a call in the list: time of acceptance, chain and hash."""
    return f"{call.sent_at:015d}:{call.chain_id}:{call.hash.hex()}".encode()
