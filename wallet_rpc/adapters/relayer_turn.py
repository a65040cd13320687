"""Turn of a relayer in Redis: one process at a time reads the relayer's nonce and sends a transaction with it.

Two that read the same nonce would send two transactions of which the chain includes one. The other call would be
delivered again, but later.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import Address, ChainId

LONGEST_SECONDS = 10.0
"""Time after which the turn of a process that has ended goes to another; no attempt of a delivery takes longer."""
_POLL_SECONDS = 0.02
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""Store the holder's mark unless another holder has the turn."""
_LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""
"""End the turn of this holder, if it still has it."""


class RelayerTurn:
    """The turns of the relayers of all processes on one Redis."""

    def __init__(self, link: Link, *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._link = link
        self._milliseconds = int(longest_seconds * 1000)
        self._take = link.script(_TAKE)
        self._leave = link.script(_LEAVE)

    @asynccontextmanager
    async def hold(self, chain_id: ChainId, relayer: Address) -> AsyncIterator[None]:
        """Run a block in the turn of a relayer on a chain, once other holders have left. Raises: Unavailable."""
        key = self._link.key(f"relayer-turn:{chain_id}:{relayer.hex()}")
        mark = secrets.token_hex(8)
        try:
            while not await self._link.run(self._take, key, mark, self._milliseconds):  # noqa: ASYNC110  # in Redis
                await asyncio.sleep(_POLL_SECONDS)
            yield
        finally:
            with suppress(Unavailable):  # the turn then ends by time
                await self._link.run(self._leave, key, mark)
