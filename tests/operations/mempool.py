"""A bundler that takes its time: it keeps what it is sent until it is told to mine, as real ones do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import GasEstimate, OperationReceipt, PendingOperation
from wallet_rpc.primitives import Address, Hash32


@dataclass
class HeldMempool:
    """`ports.Bundler` in front of a real one."""

    inner: HttpBundler
    chain_id: int
    waiting: dict[Hash32, UserOperation] = field(default_factory=dict)
    sent: int = 0
    fails: list[Exception] = field(default_factory=list)
    """Raised by the next sends, after the operation was taken: an answer that got lost."""
    is_blind: bool = False
    """Does not find what waits."""
    refuses_used_nonces: bool = False
    """Hands what it is sent to the real one at once, which refuses a nonce that is used."""
    is_silent: bool = False
    """Answers no questions."""
    is_behind: bool = False
    """Has not seen the latest block."""

    async def estimate(
        self, operation: UserOperation, overrides: Mapping[Address, Mapping[str, Any]] | None = None
    ) -> GasEstimate:
        return await self.inner.estimate(operation, overrides)

    async def send(self, operation: UserOperation) -> Hash32:
        if self.refuses_used_nonces:
            return await self.inner.send(operation)
        made = user_operation_hash(operation, self.chain_id, ENTRY_POINT)
        self.waiting[made] = operation
        self.sent += 1
        if self.fails:
            raise self.fails.pop()
        return made

    async def receipt(self, operation_hash: Hash32) -> OperationReceipt | None:
        self._refuse_while_silent()
        return None if self.is_behind else await self.inner.receipt(operation_hash)

    async def lookup(self, operation_hash: Hash32) -> PendingOperation | None:
        self._refuse_while_silent()
        operation = self.waiting.get(operation_hash)
        if operation is not None and not self.is_blind:
            return PendingOperation(operation=operation, transaction_hash=None, block_number=None)
        return None if self.is_behind else await self.inner.lookup(operation_hash)

    def _refuse_while_silent(self) -> None:
        if self.is_silent:
            raise Unavailable("the bundler does not answer", part="bundler")

    async def mine(self) -> None:
        """Hand everything over; of two operations with one nonce the one that pays more."""
        chosen: dict[tuple[Address, int], UserOperation] = {}
        for operation in self.waiting.values():
            place = (operation.sender, operation.nonce)
            if place not in chosen or operation.max_fee_per_gas > chosen[place].max_fee_per_gas:
                chosen[place] = operation
        self.waiting.clear()
        for operation in chosen.values():
            await self.inner.send(operation)

    def drop(self) -> None:
        """Forget everything, as a bundler does with what it cannot place."""
        self.waiting.clear()
