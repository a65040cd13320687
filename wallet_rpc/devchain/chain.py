"""In-process Ethereum chain with Prague rules: synchronous, one transaction a block, mined when it is sent.

`execute` runs a transaction on the newest state without storing anything; `include` makes the block. `send` does both.
`call` runs a message at any stored block. The base fee is constant. Blocks of the same second share a timestamp.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from eth.vm.execution_context import ExecutionContext
from eth_typing import Address

from wallet_rpc.devchain.admission import BlockEnvironment, authorities, check_transaction, read_transaction
from wallet_rpc.devchain.chain_state import Source, Value, balance_key, code_key, nonce_key, slot_key
from wallet_rpc.devchain.chain_time import ChainTime, check_timestamp
from wallet_rpc.devchain.computation import Computation
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall, run_call, run_transaction
from wallet_rpc.devchain.execution import (
    NO_BLOCK_OVERRIDE,
    BlockOverride,
    ChainConfig,
    Execution,
    Override,
    apply_override,
    block_context,
)
from wallet_rpc.devchain.history import History
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.ledger import Block, Inclusion
from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.devchain.run_limit import RunLimit
from wallet_rpc.devchain.sqlite_store import SqliteStore
from wallet_rpc.devchain.store import ChainStore

__all__ = ["PENDING_BLOCK", "Blockchain", "ChainConfig"]

PENDING_BLOCK = -1
"""Pseudo block number: the block that would be mined now."""


class Blockchain:
    """One development chain. Not thread-safe."""

    def __init__(
        self,
        genesis: Mapping[bytes, Value],
        config: ChainConfig,
        *,
        store: ChainStore | None = None,
        source: Source | None = None,
        clock: Callable[[], float] = time.time,
        limit: RunLimit | None = None,
    ) -> None:
        self.config = config
        self.limit = RunLimit() if limit is None else limit
        """The limit on the run time of one request."""
        self._store = SqliteStore(None, "a temporary chain") if store is None else store
        self._history = History(config, self._store, source)
        self.blocks = self._history.blocks
        """The blocks, by height and by hash."""
        self._state = self._history.state
        self._time = ChainTime(clock, self._history.clock_offset)
        if self.blocks.is_empty:
            at = self._time.next(0) if config.timestamp is None else config.timestamp
            self._mine(genesis, at, None, has_chosen_time=config.timestamp is not None)

    # Blocks

    @property
    def head(self) -> Block:
        """The newest block."""
        return self.blocks.head

    @property
    def first_number(self) -> int:
        """The number of the oldest stored block."""
        return self.blocks.first_number

    def pending_block(self) -> Block:
        """Build the block that would be mined now: without a transaction, and without a final state root."""
        return self._history.next_block(self.next_timestamp(), bytes(32), None)

    def block(self, number: int) -> Block | None:
        """Return the block of that height, or None when it is not stored."""
        return self.blocks.find_by_number(number)

    def block_by_hash(self, identity: bytes) -> Block | None:
        """Return the block of that hash, or None when it is not stored."""
        return self.blocks.find_by_hash(identity)

    def block_by_transaction(self, identity: bytes) -> Block | None:
        """Return the block whose only transaction has that hash, or None when there is none."""
        return self.blocks.find_by_transaction(identity)

    # State

    def version_at(self, number: int | None) -> int:
        """Return the state version at the end of a block; None or `PENDING_BLOCK`: the newest. Raises: UnknownBlock."""
        if number is None or number == PENDING_BLOCK:
            return self._state.version
        return self._history.version_at(number)

    def journal(self, number: int | None = None) -> Journal:
        """Create a journal to run code on, over the state at a block."""
        return Journal(self._state, self.version_at(number))

    def balance(self, address: bytes, number: int | None = None) -> int:
        """Return an account's balance in wei."""
        return self.journal(number).get_balance(Address(bytes(address)))

    def nonce(self, address: bytes, number: int | None = None) -> int:
        """Return an account's transaction count."""
        return self.journal(number).get_nonce(Address(bytes(address)))

    def code(self, address: bytes, number: int | None = None) -> bytes:
        """Return an account's code."""
        return self.journal(number).get_code(Address(bytes(address)))

    def storage(self, address: bytes, slot: int, number: int | None = None) -> int:
        """Return one storage word of an account."""
        return self.journal(number).get_storage(Address(bytes(address)), slot)

    # Runs

    def call(
        self,
        call: MessageCall,
        *,
        number: int | None = PENDING_BLOCK,
        overrides: Mapping[bytes, Override] | None = None,
        block: BlockOverride = NO_BLOCK_OVERRIDE,
        machine: type[Computation] = Computation,
    ) -> ExecutionResult:
        """Run `call` at the end of block `number`, or in the block that would be mined now, without storing it."""
        journal = self.journal(number)
        for address, override in (overrides or {}).items():
            apply_override(journal, Address(bytes(address)), override)
        if call.to is not None:
            journal.increment_nonce(Address(bytes(call.sender)))  # as in a transaction; a creation does it itself
        context = self.context(number, changed=block)
        return self.limit.run(partial(run_call, journal, context, call, machine))

    def execute(self, raw: bytes, *, timestamp: int | None = None) -> Execution:
        """Run a signed transaction in the next block without storing it.

        Raises: NodeRejection when that block cannot include it. A transaction that reverts is a result, not an error.
        """
        raw = bytes(raw)
        transaction, sender = read_transaction(raw)
        if self.blocks.find_by_transaction(transaction.hash) is not None:
            raise NodeRejection("already known", reason="already_known")
        config = self.config
        at = self._block_time(timestamp)
        journal = self.journal()
        check_transaction(
            transaction, sender, journal, BlockEnvironment(config.chain_id, config.base_fee, config.gas_limit)
        )
        for authority in authorities(transaction):
            journal.account_is_empty(authority)  # read now: py-evm swallows every error while it applies authorizations
        outcome = self.limit.run(partial(run_transaction, journal, self.context(PENDING_BLOCK, at), transaction))
        return Execution(
            raw=raw,
            transaction=transaction,
            sender=sender,
            timestamp=at,
            has_chosen_time=timestamp is not None,
            version=self._state.version,
            gas_price=min(transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas + config.base_fee),
            result=outcome,
            changes=journal.changes(),
        )

    def include(self, execution: Execution) -> Block:
        """Make the block of an execution. Raises ValueError when the state has changed since."""
        if execution.version != self._state.version:
            raise ValueError("the state has changed since the transaction ran")
        outcome = execution.result
        inclusion = Inclusion(
            raw=execution.raw,
            hash=execution.transaction.hash,
            sender=execution.sender,
            success=outcome.success,
            gas_used=outcome.gas_used,
            gas_price=execution.gas_price,
            logs=outcome.logs,
        )
        return self._mine(execution.changes, execution.timestamp, inclusion, has_chosen_time=execution.has_chosen_time)

    def send(self, raw: bytes, *, timestamp: int | None = None) -> tuple[Block, ExecutionResult]:
        """Run a signed transaction and mine it at once, at `timestamp` when given. Raises: NodeRejection."""
        execution = self.execute(raw, timestamp=timestamp)
        return self.include(execution), execution.result

    def context(
        self, number: int | None, timestamp: int | None = None, *, changed: BlockOverride = NO_BLOCK_OVERRIDE
    ) -> ExecutionContext:
        """Return the block values that code sees, with the changes of `changed`."""
        if number == PENDING_BLOCK:
            height, at = self.head.number + 1, self.next_timestamp() if timestamp is None else timestamp
        else:
            block = self.head if number is None else self._history.get_block(number)
            height, at = block.number, block.timestamp
        ancestors = self.blocks.hashes_before(height if changed.number is None else changed.number)
        return block_context(self.config, height, at, ancestors, changed)

    # Time and blocks on demand

    def next_timestamp(self, interval: int = 0) -> int:
        """Return the next block's time in Unix seconds, never before the newest block's.

        A time that was not set explicitly is `interval` seconds later.
        """
        return self._time.next(self.head.timestamp, interval)

    def set_next_timestamp(self, timestamp: int) -> None:
        """Set the next block's time; the clock continues from there. Raises: InvalidParams for the past."""
        self._time.set_next(check_timestamp(timestamp, self.head.timestamp))

    def increase_time(self, seconds: int) -> int:
        """Move the clock forward, and return its total offset from the real clock, in seconds."""
        check_timestamp(self.next_timestamp() + seconds, self.head.timestamp)
        self._time.offset += seconds
        self._store.set_clock_offset(self._time.offset)
        return self._time.offset

    def mine(self, *, timestamp: int | None = None) -> Block:
        """Mine a block without a transaction."""
        at = self._block_time(timestamp)
        return self._mine({}, at, None, has_chosen_time=timestamp is not None)

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

    # Direct changes: part of the newest block's state

    def set_balance(self, address: bytes, balance: int) -> None:
        """Set an account's balance in wei."""
        self._change({balance_key(bytes(address)): balance})

    def set_nonce(self, address: bytes, nonce: int) -> None:
        """Set an account's next nonce."""
        self._change({nonce_key(bytes(address)): nonce})

    def set_code(self, address: bytes, code: bytes) -> None:
        """Set an account's code."""
        self._change({code_key(bytes(address)): bytes(code)})

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        """Set one storage word of an account."""
        self._change({slot_key(bytes(address), slot): value})

    # Snapshots

    def snapshot(self) -> int:
        """Take a snapshot and return its number, from 1 up. Snapshots persist across restarts."""
        return self._history.snapshot(clock_offset=self._time.offset)

    def revert(self, identity: int) -> bool:
        """Revert to a snapshot and remove it and all later ones; False when it does not exist."""
        snapshot = self._history.revert(identity)
        if snapshot is None:
            return False
        self._time.reset(snapshot.clock_offset)
        return True

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _mine(
        self,
        changes: Mapping[bytes, Value],
        timestamp: int,
        inclusion: Inclusion | None,
        *,
        has_chosen_time: bool = False,
    ) -> Block:
        self._time.record_block(timestamp, was_chosen=has_chosen_time)
        return self._history.append(changes, timestamp, inclusion, clock_offset=self._time.offset)

    def _change(self, changes: Mapping[bytes, Value]) -> None:
        self._history.change(changes, clock_offset=self._time.offset)

    def _block_time(self, timestamp: int | None, interval: int = 0) -> int:
        return self.next_timestamp(interval) if timestamp is None else check_timestamp(timestamp, self.head.timestamp)
