"""Reads of a chain's blocks and state, and calls that store nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from eth.vm.execution_context import ExecutionContext
from eth_typing import Address

from wallet_rpc.devchain.chain_faults import ChainFaults
from wallet_rpc.devchain.chain_state import Source, Value
from wallet_rpc.devchain.chain_time import ChainTime, NextTime
from wallet_rpc.devchain.computation import Computation
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall, run_call
from wallet_rpc.devchain.execution import (
    NO_BLOCK_OVERRIDE,
    BlockOverride,
    ChainConfig,
    Override,
    apply_override,
    block_context,
)
from wallet_rpc.devchain.history import History
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.ledger import Block, BlockValues, Inclusion
from wallet_rpc.devchain.mempool import Mempool
from wallet_rpc.devchain.node_settings import NodeSettings
from wallet_rpc.devchain.run_limit import RunLimit
from wallet_rpc.devchain.sqlite_store import SqliteStore
from wallet_rpc.devchain.store import ChainStore

_J = TypeVar("_J", bound=Journal)

PENDING_BLOCK = -1
"""Pseudo block number: the block that would be mined now."""


class ChainView:
    """One development chain, as its readers see it. Not thread-safe."""

    def __init__(
        self,
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
        self.settings = NodeSettings()
        """The settings that control methods change."""
        self.faults = ChainFaults()
        """The faults that a test has asked for."""
        self.mempool = Mempool()
        """The transactions that are in no block yet."""
        self._store = SqliteStore(None, "a temporary chain") if store is None else store
        self._history = History(config.number, self._store, source)
        self.blocks = self._history.blocks
        """The blocks, by height and by hash."""
        self._state = self._history.state
        self._time = ChainTime(self._count_seconds if config.is_clock_counted else clock, self._history.clock_offset)

    # Blocks

    @property
    def head(self) -> Block:
        """The newest block."""
        return self.blocks.head

    @property
    def first_number(self) -> int:
        """The number of the oldest stored block."""
        return self.blocks.first_number

    @property
    def base_fee(self) -> int:
        """The base fee of the next block, in wei per gas."""
        chosen = self.faults.base_fee
        chosen = self.settings.next_base_fee if chosen is None else chosen
        return self.config.base_fee if chosen is None else chosen

    @property
    def gas_limit(self) -> int:
        """The gas limit of the next block, and so of a transaction and a call."""
        chosen = self.settings.gas_limit
        return self.config.gas_limit if chosen is None else chosen

    def next_values(self, timestamp: int | None = None) -> BlockValues:
        """Return the header values of the next block."""
        return BlockValues(
            timestamp=self.next_timestamp() if timestamp is None else timestamp,
            gas_limit=self.gas_limit,
            base_fee=self.base_fee,
            coinbase=self.settings.coinbase,
        )

    def block(self, number: int) -> Block | None:
        """Return the block of that height, or None when it is not stored."""
        return self.blocks.find_by_number(number)

    def block_by_hash(self, identity: bytes) -> Block | None:
        """Return the block of that hash, or None when it is not stored."""
        return self.blocks.find_by_hash(identity)

    def find_transaction(self, identity: bytes) -> tuple[Block, Inclusion] | None:
        """Return the mined transaction of that hash and its block, or None when there is none."""
        return self.blocks.find_by_transaction(identity)

    def next_timestamp(self, interval: int = 0) -> int:
        """Return the next block's time in Unix seconds, never before the newest block's.

        A time that was not set explicitly is `interval` seconds later.
        """
        every, newest = self.settings.timestamp_interval, self.head.timestamp
        earliest = newest + 1 if self.config.is_clock_counted and every is None else newest
        return self._time.next(earliest, interval, every=every)

    @property
    def next_time(self) -> NextTime:
        """The rule for the next block's time."""
        if self.config.is_clock_counted:
            return NextTime(self.head.timestamp, 0, self.next_timestamp())
        return self._time.rule(self.head.timestamp, self.settings.timestamp_interval)

    def _count_seconds(self) -> float:
        """Return the time of a clock that counts blocks."""
        count = 0 if self.blocks.is_empty else self.head.number - self.first_number + 1
        return (self.config.timestamp or 0) + count

    # State

    @property
    def identity(self) -> tuple[bytes, ...]:
        """The newest block's hash, the commitment to the newest state, and the values that calls take from settings.

        Equal ones give an equal call equal results.
        """
        return self.head.hash, self._state.root, self.gas_limit.to_bytes(8), self.base_fee.to_bytes(32)

    def version_at(self, number: int | None) -> int:
        """Return the state version at the end of a block; None or `PENDING_BLOCK`: the newest. Raises: UnknownBlock."""
        if number is None or number == PENDING_BLOCK:
            return self._state.version
        return self._history.version_at(number)

    def newest_values(self) -> dict[bytes, Value]:
        """Return the newest value of each state key."""
        return self._state.newest_values()

    def pending_changes(self) -> Mapping[bytes, Value]:
        """Return the changes that the ready transactions of the mempool make to the newest state."""
        return {}

    def journal(self, number: int | None = None) -> Journal:
        """Create a journal to run code on, over the state at a block."""
        return Journal(self._state, self.version_at(number), self.changes_at(number))

    def changes_at(self, number: int | None) -> Mapping[bytes, Value]:
        """Return the changes of a block that are in no state version: those of `PENDING_BLOCK`."""
        return self.pending_changes() if number == PENDING_BLOCK and len(self.mempool) else {}

    def open_journal(self, version: int, overlay: Mapping[bytes, Value], kind: type[_J]) -> _J:
        """Create a journal of the given kind over a state version and changes that are not in it."""
        return kind(self._state, version, overlay)

    def version_before(self, number: int) -> int:
        """Return the state version that a block's transactions ran on. Raises: UnknownBlock."""
        return self._history.version_before(number)

    def balance(self, address: bytes, number: int | None = None) -> int:
        """Return an account's balance in wei."""
        return self.journal(number).get_balance(Address(bytes(address)))

    def nonce(self, address: bytes, number: int | None = None) -> int:
        """Return an account's transaction count; at `PENDING_BLOCK` with its ready transactions."""
        if number == PENDING_BLOCK:
            return self.mempool.next_nonce(address, self.nonce(address))
        return self.journal(number).get_nonce(Address(bytes(address)))

    def code(self, address: bytes, number: int | None = None) -> bytes:
        """Return an account's code."""
        return self.journal(number).get_code(Address(bytes(address)))

    def storage(self, address: bytes, slot: int, number: int | None = None) -> int:
        """Return one storage word of an account."""
        return self.journal(number).get_storage(Address(bytes(address)), slot)

    # Calls

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
        return self.call_on(
            self.journal(number), call, number=number, overrides=overrides, block=block, machine=machine
        )

    def call_on(
        self,
        journal: Journal,
        call: MessageCall,
        *,
        number: int | None = PENDING_BLOCK,
        overrides: Mapping[bytes, Override] | None = None,
        block: BlockOverride = NO_BLOCK_OVERRIDE,
        machine: type[Computation] = Computation,
    ) -> ExecutionResult:
        """Run `call` like `call`, on a given journal."""
        for address, override in (overrides or {}).items():
            apply_override(journal, Address(bytes(address)), override)
        if call.to is not None:
            journal.increment_nonce(Address(bytes(call.sender)))  # as in a transaction; a creation does it itself
        context = self.context(number, changed=block)
        return self.limit.run(partial(run_call, journal, context, call, machine))

    def context(self, number: int | None, *, changed: BlockOverride = NO_BLOCK_OVERRIDE) -> ExecutionContext:
        """Return the block values that code sees, with the changes of `changed`."""
        if number == PENDING_BLOCK:
            return self.next_context(self.next_values(), changed)
        block = self.head if number is None else self._history.get_block(number)
        return self._build_context(block.number, block.values, changed)

    def next_context(self, values: BlockValues, changed: BlockOverride = NO_BLOCK_OVERRIDE) -> ExecutionContext:
        """Return the block values that code sees in the next block."""
        return self._build_context(self.head.number + 1, values, changed)

    def _build_context(self, height: int, values: BlockValues, changed: BlockOverride) -> ExecutionContext:
        ancestors = self.blocks.hashes_before(height if changed.number is None else changed.number)
        return block_context(self.config.chain_id, height, values, ancestors, changed)
