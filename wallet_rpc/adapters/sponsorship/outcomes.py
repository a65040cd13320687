"""What became of a sponsorship that was given away, as chain and bundler tell it.

The rule: a promise is released only when the chain shows that it can no longer be redeemed: its time is over on the
chain itself, and the account's nonce was not used by then, or by an operation that no paymaster paid. One whose end
nobody knows is released by such a use only. It does not matter who sent the operation, or to whom. What landed settles
a promise when its block is as deep as the chain's `confirmations` ask: until then the block may be replaced.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from wallet_rpc.adapters.client import is_silence
from wallet_rpc.adapters.nonce_use import find_use
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.sponsorship.redis_budgets import Due
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import Chain, Clock
from wallet_rpc.primitives import BlockNumber, Hash32, Uint256, Wei
from wallet_rpc.wire import shape

GRACE_SECONDS = 60
"""After its end a promise is left alone for so long: clocks differ, and blocks may be replaced."""
PATIENCE_SECONDS = 900
"""After its end, how long one waits for a block (an idle chain makes none) or for the cost of what landed."""


@shape
class _Block:
    timestamp: Uint256


@shape
class _Transaction:
    block_number: BlockNumber


@shape
class _Receipt:
    actual_gas_cost: Wei
    receipt: _Transaction


@dataclass(frozen=True, slots=True)
class Landed:
    """It is on chain: `cost` in wei, or None when nobody says what it cost."""

    cost: int | None


class Fate(Enum):
    """What else may have become of it."""

    OPEN = auto()
    """It may still land, or has landed a moment ago."""
    VOID = auto()
    """It can never land."""


Outcome: TypeAlias = Landed | Fate


class Outcomes:
    """The outcomes of one chain's sponsorships."""

    def __init__(self, chain: Chain, *, node: Rpc, bundler: Rpc, clock: Clock, confirmations: int = 1) -> None:
        """`confirmations` are the blocks that make a receipt final, its own included."""
        self._chain = chain
        self._confirmations = confirmations
        self._node = node
        self._bundler = bundler
        self._clock = clock

    async def now(self) -> int:
        """The time that the next block has at least: ours, or the latest block's when that is ahead.

        In seconds since 1970. Raises: Unavailable.
        """
        return max(self._clock.now(), await self._block_time())

    async def of(self, due: Due) -> Outcome:
        """Raises: Unavailable while it cannot be told."""
        receipts = await asyncio.gather(*(self._receipt(one) for one in due.operation_hashes))
        receipt = next((one for one in receipts if one is not None), None)
        if receipt is not None:
            is_final = await self._is_final(receipt.receipt.block_number)
            return Landed(receipt.actual_gas_cost) if is_final else Fate.OPEN
        block_time = await self._block_time()  # asked before the nonce, which then is of this block or a later one
        now = max(self._clock.now(), block_time)
        if now <= due.ends + GRACE_SECONDS:
            return Fate.OPEN
        is_late = now > due.ends + PATIENCE_SECONDS
        is_over = is_late or block_time > due.ends
        if await self._chain.user_operation_nonce(due.sender, due.nonce >> 64) > due.nonce:
            return await self._of_used(due) if is_late else Fate.OPEN
        return Fate.VOID if is_over and not due.lasts else Fate.OPEN

    async def _of_used(self, due: Due) -> Outcome:
        """For a nonce that was used by an operation of which there is no receipt."""
        latest = await self._chain.block_number()
        try:
            use = await find_use(self._node, due.sender, due.nonce, latest=latest)
        except Unavailable as error:
            if is_silence(error):
                raise
            return Landed(None)
        if use is None:
            return Landed(None)
        if not await self._is_final(use.block_number):
            return Fate.OPEN
        return Landed(use.cost) if use.is_sponsored else Fate.VOID

    async def _is_final(self, block_number: int) -> bool:
        """Whether enough blocks stand from this one on."""
        if self._confirmations == 1:
            return True
        return await self._chain.block_number() - block_number + 1 >= self._confirmations

    async def _block_time(self) -> int:
        answer = await self._node.read("eth_getBlockByNumber", ["latest", False])
        return self._node.answered(_Block, answer).timestamp

    async def _receipt(self, operation_hash: Hash32) -> _Receipt | None:
        answer = await self._bundler.read("eth_getUserOperationReceipt", [operation_hash.hex0x()])
        return None if answer is None else self._bundler.answered(_Receipt, answer)
