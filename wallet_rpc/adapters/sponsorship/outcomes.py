"""Outcome of a sponsorship that was returned to a client, according to chain and bundler.

A reservation is released only when the chain shows that its signature can no longer be used. There are two such cases:
the signature has expired by block time while the account's nonce is unused, or an operation without a paymaster used
the nonce. An open-ended reservation is released only in the second case. The sender of the operation and its bundler do
not matter. An included operation settles its reservation once its block has the chain's `confirmations`; until then the
block may be replaced.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.sponsorship.redis_budgets import PendingReservation
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import NO_LOGS, Clock, Node
from wallet_rpc.primitives import BlockNumber, Hash32, Uint256, Wei
from wallet_rpc.services.confirmations import has_confirmations
from wallet_rpc.wire import shape

SETTLE_GRACE_SECONDS = 60
"""Time for which a reservation stays open after its expiry: clocks differ, and blocks may be replaced."""
SETTLE_TIMEOUT_SECONDS = 900
"""Time to wait, after a reservation's expiry, for a block (an idle chain makes none) or for an operation's cost."""

NONCE_SEARCH_BLOCKS = 20_000
"""Number of the latest blocks in which the operation that used a nonce is searched; a sponsorship waits for it."""


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
    """Included operation: its `cost` in wei, or None when it is unknown."""

    cost: int | None


class Unsettled(Enum):
    """Outcome without an included, final operation."""

    OPEN = auto()
    """The operation may still be included, or its block is not final yet."""
    VOID = auto()
    """The operation can no longer be included."""


SponsorshipOutcome: TypeAlias = Settlement | Unsettled


class OutcomeReader:
    """Reader of the outcomes of one chain's sponsorships."""

    def __init__(self, chain: Node, *, node: Rpc, bundler: Rpc, clock: Clock, confirmations: int = 1) -> None:
        """Create a reader; a receipt is final once its block and the later ones are `confirmations` blocks."""
        self._chain = chain
        self._confirmations = confirmations
        self._node = node
        self._bundler = bundler
        self.clock = clock
        """The clock of the chain's time, or of the server's."""

    async def now(self) -> int:
        """Return the minimum time of the next block: the later of the clock's and the latest block's, in Unix seconds.

        Raises: Unavailable.
        """
        return max(self.clock.now(), await self._block_time())

    async def read(self, pending: PendingReservation) -> SponsorshipOutcome:
        """Return the outcome of a reservation. Raises: Unavailable when the node or the bundler does not respond."""
        receipts = await asyncio.gather(*(self._receipt(one) for one in pending.operation_hashes))
        receipt = next((one for one in receipts if one is not None), None)
        if receipt is not None:
            is_final = await self._is_final(receipt.receipt.block_number)
            return Settlement(receipt.actual_gas_cost) if is_final else Unsettled.OPEN
        block_time = await self._block_time()  # read before the nonce, which is then of this block or a later one
        now = max(self.clock.now(), block_time)
        if now <= pending.valid_until + SETTLE_GRACE_SECONDS:
            return Unsettled.OPEN
        is_late = now > pending.valid_until + SETTLE_TIMEOUT_SECONDS
        has_expired = is_late or block_time > pending.valid_until
        if await self._chain.user_operation_nonce(pending.sender, pending.nonce >> 64) > pending.nonce:
            return await self._read_used_nonce(pending) if is_late else Unsettled.OPEN
        return Unsettled.VOID if has_expired and not pending.is_open_ended else Unsettled.OPEN

    async def _read_used_nonce(self, pending: PendingReservation) -> SponsorshipOutcome:
        """Return the outcome for a used nonce without a receipt."""
        latest = await self._chain.block_number()
        blocks = range(max(latest - NONCE_SEARCH_BLOCKS, -1) + 1, latest + 1)
        try:
            use = await self._chain.find_nonce_use(pending.sender, pending.nonce, blocks, to_latest=True)
        except Unavailable as error:
            if error.reason != NO_LOGS:
                raise
            return Settlement(None)
        if use is None:
            return Settlement(None)
        if not await self._is_final(use.block_number):
            return Unsettled.OPEN
        return Settlement(use.cost) if use.is_sponsored else Unsettled.VOID

    async def _is_final(self, block_number: int) -> bool:
        return await has_confirmations(self._chain, block_number, required=self._confirmations)

    async def _block_time(self) -> int:
        answer = await self._node.read("eth_getBlockByNumber", ["latest", False])
        return self._node.decode_result(_Block, answer).timestamp

    async def _receipt(self, operation_hash: Hash32) -> _Receipt | None:
        answer = await self._bundler.read("eth_getUserOperationReceipt", [operation_hash.hex0x()])
        return None if answer is None else self._bundler.decode_result(_Receipt, answer)
