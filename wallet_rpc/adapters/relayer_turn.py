"""Turn of a relayer in Redis: one process at a time reads the relayer's nonce and sends a transaction with it.

Two that read the same nonce would send two transactions of which the chain includes one. The other call would be
delivered again, but later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from wallet_rpc.adapters.redis_lease import Lease
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import Address, ChainId

LONGEST_SECONDS = 10.0
"""Time after which the turn of a process that has ended goes to another; no attempt of a delivery takes longer."""
_POLL_SECONDS = 0.02


class RelayerTurn:
    """The turns of the relayers of all processes on one Redis."""

    def __init__(self, link: Link, *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._link = link
        self._longest_seconds = longest_seconds

    @asynccontextmanager
    async def hold(self, chain_id: ChainId, relayer: Address) -> AsyncIterator[None]:
        """Run a block in the turn of a relayer on a chain, once other holders have left. Raises: Unavailable."""
        key = self._link.key(f"relayer-turn:{chain_id}:{relayer.hex()}")
        lease = Lease(self._link, key, seconds=self._longest_seconds)
        try:
            while not await lease.take():  # noqa: ASYNC110  # in Redis
                await asyncio.sleep(_POLL_SECONDS)
            yield
        finally:
            with suppress(Unavailable):  # the turn then ends by time
                await lease.leave()
