"""Mining: by default each transaction is mined when it is sent; else it waits in the mempool.

`execute` runs a transaction on the pending state without storing anything; `include` mines it, or adds it to the
mempool when automatic mining is off. `submit` does both. `call` runs a message at any stored block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from wallet_rpc.devchain.admission import BlockEnvironment, authorities, check_transaction, read_transaction
from wallet_rpc.devchain.chain_state import Value
from wallet_rpc.devchain.chain_time import check_timestamp
from wallet_rpc.devchain.chain_view import ChainView
from wallet_rpc.devchain.evm import ExecutionResult, run_transaction
from wallet_rpc.devchain.execution import ChainConfig, Execution
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.ledger import Block, BlockValues, Inclusion
from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.devchain.node_record import pack_node
from wallet_rpc.devchain.pending import PendingBlock, build_pending
from wallet_rpc.devchain.sent_transaction import SentTransaction


class MiningChain(ChainView):
    """A chain that accepts transactions and mines them."""

    def __init__(self, config: ChainConfig, **parts: Any) -> None:
        super().__init__(config, **parts)
        self._pending: PendingBlock | None = None
        self.on_block: Callable[[Block], object] = lambda _: None
        """Called with each new block."""
        self.on_replaced: Callable[[Block], object] = lambda _: None
        """Called with each block that a reorganisation replaces, before those that replace it."""

    def execute(self, raw: bytes, *, timestamp: int | None = None) -> Execution:
        """Run a signed transaction in the next block, after the ready ones of the mempool, without storing it.

        Raises: NodeRejection when that block cannot include it. A transaction that reverts is a result, not an error.
        """
        sent = read_transaction(bytes(raw))
        self._check_new(sent)
        values = self.next_values(self._block_time(timestamp))
        changes = self._build_pending(values).changes if len(self.mempool) else {}
        return self._run(sent, values, changes, has_chosen_time=timestamp is not None)

    def include(self, execution: Execution) -> Block | None:
        """Mine an execution, or add its transaction to the mempool when blocks are mined later.

        Return the block, if it was mined. Raises: ValueError when the state has changed since; NodeRejection.
        """
        if execution.version != self._state.version:
            raise ValueError("the state has changed since the transaction ran")
        if not self.settings.automine or len(self.mempool):
            return self._submit(execution.sent)
        self.mempool.record(execution.sent)
        return self._mine_executions([execution], execution.values, has_chosen_time=execution.has_chosen_time)

    def submit(self, sent: SentTransaction) -> Block | None:
        """Accept a transaction: mine it at once, or add it to the mempool. Return its block, if it was mined.

        Raises: NodeRejection when it can never be mined as it is.
        """
        self._check_new(sent)
        if self.settings.automine and len(self.mempool) == 0 and sent.nonce <= self.nonce(sent.sender):
            return self.include(self._run(sent, self.next_values(), {}))
        return self._submit(sent)

    def send(self, raw: bytes, *, timestamp: int | None = None) -> tuple[Block, ExecutionResult]:
        """Run a signed transaction and mine it at once, at `timestamp` when given. Raises: NodeRejection."""
        execution = self.execute(raw, timestamp=timestamp)
        return self._mine_executions(
            [execution], execution.values, has_chosen_time=timestamp is not None
        ), execution.result

    def pending_block(self) -> Block:
        """Build the block that would be mined now, without a final state root."""
        values = self.next_values()
        executions = self._build_pending(values).executions if len(self.mempool) else []
        return self._history.next_block(values, bytes(32), [execution.inclusion() for execution in executions])

    def pending_changes(self) -> Mapping[bytes, Value]:
        """Return the changes that the ready transactions of the mempool make to the newest state."""
        return self._build_pending(self.next_values()).changes

    def mine(self, *, timestamp: int | None = None) -> Block:
        """Mine a block with the ready transactions of the mempool."""
        values = self.next_values(self._block_time(timestamp))
        has_chosen_time = timestamp is not None
        if len(self.mempool) == 0:
            return self._mine({}, values, has_chosen_time=has_chosen_time)
        pending = self._build_pending(values)
        for identity in pending.rejections:
            self.mempool.drop(identity)
        return self._mine_executions(pending.executions, values, has_chosen_time=has_chosen_time)

    def mine_many(self, blocks: int, *, interval: int = 0, timestamp: int | None = None) -> None:
        """Mine `blocks` blocks, `interval` seconds apart; the first is `interval` seconds from now or at `timestamp`.

        Raises: InvalidParams, before any block is mined, when the last one's time is more than contracts can store.
        """
        first = self._block_time(timestamp, interval)
        check_timestamp(first + interval * max(0, blocks - 1), self.head.timestamp)
        for position in range(blocks):
            if position > 0:
                self.limit.on_tick()
            if interval or (timestamp is not None and position == 0):
                self.mine(timestamp=first + interval * position)
            else:
                self.mine()

    def store_node(self) -> None:
        """Write the settings and the mempool to the store."""
        self._store.set_node(pack_node(self.settings, self.mempool))

    def _submit(self, sent: SentTransaction) -> Block | None:
        values = self.next_values()
        check_transaction(sent, self.journal(), self._environment(values), allows_gap=True)
        nonce = self.nonce(sent.sender)
        next_before = self.mempool.next_nonce(sent.sender, nonce)
        self.mempool.add(sent)
        is_ready = sent.nonce < self.mempool.next_nonce(sent.sender, nonce)
        if self.settings.automine and is_ready:
            rejection = self._build_pending(values).rejections.get(sent.hash)
            if rejection is not None:
                self.mempool.drop(sent.hash)
                raise rejection
        if is_ready:
            self.mempool.record_ready(sent, next_before)
        if self.settings.automine and is_ready:
            return self.mine()
        self.store_node()
        return None

    def _check_new(self, sent: SentTransaction) -> None:
        if self.mempool.find(sent.hash) is not None or self.blocks.find_by_transaction(sent.hash) is not None:
            raise NodeRejection("already known", reason="already_known")

    def _environment(self, values: BlockValues) -> BlockEnvironment:
        return BlockEnvironment(self.config.chain_id, values.base_fee, values.gas_limit)

    def _run(
        self,
        sent: SentTransaction,
        values: BlockValues,
        changes: Mapping[bytes, Value],
        *,
        has_chosen_time: bool = False,
    ) -> Execution:
        journal = Journal(self._state, self._state.version, changes)
        check_transaction(sent, journal, self._environment(values))
        transaction = sent.transaction
        for authority in authorities(transaction):
            journal.account_is_empty(authority)  # read now: py-evm swallows every error while it applies authorizations
        outcome = self.limit.run(partial(run_transaction, journal, self.next_context(values), transaction))
        return Execution(
            sent=sent,
            values=values,
            has_chosen_time=has_chosen_time,
            version=self._state.version,
            gas_price=min(transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas + values.base_fee),
            result=outcome,
            changes=journal.changes(),
        )

    def _build_pending(self, values: BlockValues) -> PendingBlock:
        self._pending = build_pending(
            self.mempool, values, self._state.version, self.nonce, self._run, previous=self._pending
        )
        return self._pending

    def _mine_executions(
        self, executions: Sequence[Execution], values: BlockValues, *, has_chosen_time: bool = False
    ) -> Block:
        changes: dict[bytes, Value] = {}
        for execution in executions:
            changes.update(execution.changes)
        return self._mine(changes, values, executions, has_chosen_time=has_chosen_time)

    def _mine(
        self,
        changes: Mapping[bytes, Value],
        values: BlockValues,
        executions: Sequence[Execution] = (),
        *,
        has_chosen_time: bool = False,
    ) -> Block:
        self._time.record_block(values.timestamp, was_chosen=has_chosen_time)
        inclusions = [execution.inclusion() for execution in executions]
        block = self._history.append(changes, values, inclusions, clock_offset=self._time.offset)
        self.faults.count_block()
        if len(self.mempool) or self.settings.next_base_fee is not None:
            self._update_node(inclusions)
        self.on_block(block)
        return block

    def _update_node(self, inclusions: Sequence[Inclusion]) -> None:
        """Remove mined transactions and those that can never be mined, and forget the base fee of the mined block."""
        for inclusion in inclusions:
            self.mempool.drop(inclusion.hash)
        self.mempool.drop_stale(self.nonce)
        self.settings = replace(self.settings, next_base_fee=None)
        self.store_node()

    def _block_time(self, timestamp: int | None, interval: int = 0) -> int:
        return self.next_timestamp(interval) if timestamp is None else check_timestamp(timestamp, self.head.timestamp)
