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

from wallet_rpc.adapters.client import is_no_response
from wallet_rpc.adapters.nonce_use import find_nonce_use
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.sponsorship.redis_budgets import PendingReservation
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import Clock, Node
from wallet_rpc.primitives import BlockNumber, Hash32, Uint256, Wei
from wallet_rpc.wire import shape

SETTLE_GRACE_SECONDS = 60
"""After its end a promise is left alone for so long: clocks differ, and blocks may be replaced."""
SETTLE_TIMEOUT_SECONDS = 900
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
class Settlement:
    """It is on chain: `cost` in wei, or None when nobody says what it cost."""

    cost: int | None


class Unsettled(Enum):
    """What else may have become of it."""

    OPEN = auto()
    """It may still land, or has landed a moment ago."""
    VOID = auto()
    """It can never land."""


SponsorshipOutcome: TypeAlias = Settlement | Unsettled


class OutcomeReader:
    """The outcomes of one chain's sponsorships."""

    def __init__(self, chain: Node, *, node: Rpc, bundler: Rpc, clock: Clock, confirmations: int = 1) -> None:
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

    async def read(self, pending: PendingReservation) -> SponsorshipOutcome:
        """Raises: Unavailable while it cannot be told."""
        receipts = await asyncio.gather(*(self._receipt(one) for one in pending.operation_hashes))
        receipt = next((one for one in receipts if one is not None), None)
        if receipt is not None:
            is_final = await self._is_final(receipt.receipt.block_number)
            return Settlement(receipt.actual_gas_cost) if is_final else Unsettled.OPEN
        block_time = await self._block_time()  # asked before the nonce, which then is of this block or a later one
        now = max(self._clock.now(), block_time)
        if now <= pending.valid_until + SETTLE_GRACE_SECONDS:
            return Unsettled.OPEN
        is_late = now > pending.valid_until + SETTLE_TIMEOUT_SECONDS
        is_over = is_late or block_time > pending.valid_until
        if await self._chain.user_operation_nonce(pending.sender, pending.nonce >> 64) > pending.nonce:
            return await self._read_used_nonce(pending) if is_late else Unsettled.OPEN
        return Unsettled.VOID if is_over and not pending.is_open_ended else Unsettled.OPEN

    async def _read_used_nonce(self, pending: PendingReservation) -> SponsorshipOutcome:
        """For a nonce that was used by an operation of which there is no receipt."""
        latest = await self._chain.block_number()
        try:
            use = await find_nonce_use(self._node, pending.sender, pending.nonce, latest=latest)
        except Unavailable as error:
            if is_no_response(error):
                raise
            return Settlement(None)
        if use is None:
            return Settlement(None)
        if not await self._is_final(use.block_number):
            return Unsettled.OPEN
        return Settlement(use.cost) if use.is_sponsored else Unsettled.VOID

    async def _is_final(self, block_number: int) -> bool:
        """Whether enough blocks stand from this one on."""
        if self._confirmations == 1:
            return True
        return await self._chain.block_number() - block_number + 1 >= self._confirmations

    async def _block_time(self) -> int:
        answer = await self._node.read("eth_getBlockByNumber", ["latest", False])
        return self._node.decode_result(_Block, answer).timestamp

    async def _receipt(self, operation_hash: Hash32) -> _Receipt | None:
        answer = await self._bundler.read("eth_getUserOperationReceipt", [operation_hash.hex0x()])
        return None if answer is None else self._bundler.decode_result(_Receipt, answer)
