"""A bundler that holds operations in its mempool until the test calls `mine`, to imitate a slow real one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import GasEstimate
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import OperationReceipt, PendingOperation
from wallet_rpc.primitives import Address, Hash32


@dataclass
class HeldMempool:
    """A `ports.Bundler` in front of a real one that delays or fails sends."""

    inner: HttpBundler
    chain_id: int
    waiting: dict[Hash32, UserOperation] = field(default_factory=dict)
    sent: int = 0
    queries: int = 0
    """Number of queries about operations: lookups and receipts."""
    fails: list[Exception] = field(default_factory=list)
    """Errors that the next sends raise after the operation was accepted, last one first, like a lost response."""
    is_blind: bool = False
    """True: lookups do not find waiting operations."""
    refuses_used_nonces: bool = False
    """True: forwards operations to the real bundler at once, which rejects a used nonce."""
    is_silent: bool = False
    """True: lookups and receipts raise Unavailable."""
    is_behind: bool = False
    """True: the latest block is not known yet."""
    invented: OperationReceipt | None = None
    """Receipt that is returned for every operation."""
    resume: asyncio.Event | None = None
    """Event for which sends wait before they are answered."""
    is_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Event that a send waits for `resume`."""

    async def estimate(
        self, operation: UserOperation, overrides: Mapping[Address, Mapping[str, Any]] | None = None
    ) -> GasEstimate:
        return await self.inner.estimate(operation, overrides)

    async def send(self, operation: UserOperation) -> Hash32:
        if self.refuses_used_nonces:
            return await self.inner.send(operation)
        operation_hash = user_operation_hash(operation, self.chain_id, ENTRY_POINT)
        self.waiting[operation_hash] = operation
        self.sent += 1
        if self.resume is not None:
            self.is_waiting.set()
            await self.resume.wait()
        if self.fails:
            raise self.fails.pop()
        return operation_hash

    async def receipt(self, operation_hash: Hash32) -> OperationReceipt | None:
        self.queries += 1
        self._refuse_while_silent()
        if self.invented is not None:
            return self.invented
        return None if self.is_behind else await self.inner.receipt(operation_hash)

    async def lookup(self, operation_hash: Hash32) -> PendingOperation | None:
        self.queries += 1
        self._refuse_while_silent()
        operation = self.waiting.get(operation_hash)
        if operation is not None and not self.is_blind:
            return PendingOperation(operation=operation, transaction_hash=None, block_number=None)
        return None if self.is_behind else await self.inner.lookup(operation_hash)

    def _refuse_while_silent(self) -> None:
        if self.is_silent:
            raise Unavailable("the bundler does not answer", part="bundler")

    async def mine(self) -> None:
        """Submit all waiting operations; of two with the same nonce, the one with the higher fee."""
        chosen: dict[tuple[Address, int], UserOperation] = {}
        for operation in self.waiting.values():
            key = (operation.sender, operation.nonce)
            if key not in chosen or operation.max_fee_per_gas > chosen[key].max_fee_per_gas:
                chosen[key] = operation
        self.waiting.clear()
        for operation in chosen.values():
            await self.inner.send(operation)

    def drop(self) -> None:
        """Drop all waiting operations, as a bundler does with operations that it cannot include."""
        self.waiting.clear()
