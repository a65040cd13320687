"""In-process Ethereum chain with Prague rules: synchronous; by default each transaction is mined when it is sent.

`execute` runs a transaction on the pending state without storing anything; `include` mines it, or adds it to the
mempool when automatic mining is off. `submit` does both. `call` runs a message at any stored block.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from wallet_rpc.devchain.chain_state import Source, Value, balance_key, code_key, nonce_key, slot_key
from wallet_rpc.devchain.chain_time import check_timestamp
from wallet_rpc.devchain.chain_view import PENDING_BLOCK
from wallet_rpc.devchain.execution import ChainConfig
from wallet_rpc.devchain.ledger import Block
from wallet_rpc.devchain.mempool import Mempool
from wallet_rpc.devchain.mining import MiningChain
from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.devchain.node_record import pack_node, unpack_node
from wallet_rpc.devchain.node_settings import NodeSettings
from wallet_rpc.devchain.run_limit import RunLimit
from wallet_rpc.devchain.sent_transaction import SentTransaction
from wallet_rpc.devchain.store import ChainStore

__all__ = ["PENDING_BLOCK", "Blockchain", "ChainConfig"]


class Blockchain(MiningChain):
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
        super().__init__(config, store=store, source=source, clock=clock, limit=limit)
        if self.blocks.is_empty:
            at = self._time.next(0) if config.timestamp is None else config.timestamp
            self._mine(genesis, self.next_values(at), has_chosen_time=config.timestamp is not None)
        else:
            self._restore_node(self._store.get_node())

    # Time and blocks on demand

    def set_next_timestamp(self, timestamp: int) -> None:
        """Set the next block's time; the clock continues from there. Raises: InvalidParams for the past."""
        self._time.set_next(check_timestamp(timestamp, self.head.timestamp))

    def set_time(self, timestamp: int) -> int:
        """Have the clock continue from a time, and return the seconds by which it moved. Raises: InvalidParams."""
        before = self.next_timestamp()
        self._time.reset(0)
        self._time.resume_from(check_timestamp(timestamp, self.head.timestamp))
        self._store.set_clock_offset(self._time.offset)
        return max(timestamp - before, 0)

    def increase_time(self, seconds: int) -> int:
        """Move the clock forward, and return its total offset from the real clock, in seconds."""
        check_timestamp(self.next_timestamp() + seconds, self.head.timestamp)
        self._time.offset += seconds
        self._store.set_clock_offset(self._time.offset)
        return self._time.offset

    # Direct changes: part of the newest block's state

    def set_balance(self, address: bytes, balance: int) -> None:
        """Set an account's balance in wei."""
        self.change({balance_key(bytes(address)): balance})

    def set_nonce(self, address: bytes, nonce: int) -> None:
        """Set an account's next nonce."""
        self.change({nonce_key(bytes(address)): nonce})

    def set_code(self, address: bytes, code: bytes) -> None:
        """Set an account's code."""
        self.change({code_key(bytes(address)): bytes(code)})

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        """Set one storage word of an account."""
        self.change({slot_key(bytes(address), slot): value})

    def change(self, changes: Mapping[bytes, Value]) -> None:
        """Write values by their state keys."""
        self._history.change(changes, clock_offset=self._time.offset)

    def change_settings(self, settings: NodeSettings) -> None:
        """Replace the settings."""
        self.settings = settings
        self.store_node()

    # Snapshots

    def snapshot(self) -> int:
        """Take a snapshot and return its number, from 1 up. Snapshots persist across restarts."""
        return self._history.snapshot(clock_offset=self._time.offset, node=pack_node(self.settings, self.mempool))

    def revert(self, identity: int) -> bool:
        """Revert to a snapshot and remove it and all later ones; False when it does not exist."""
        snapshot = self._history.revert(identity)
        if snapshot is None:
            return False
        self._time.reset(snapshot.clock_offset)
        self._restore_node(snapshot.node)
        return True

    def reorganize(self, depth: int, *, keeps_transactions: bool) -> tuple[Block, ...]:
        """Replace the newest `depth` blocks by as many empty ones of another proposer, and return the old ones.

        The new blocks have the times and fees of the old ones. The old ones' transactions return to the mempool, where
        they wait for the next block, or are lost. Raises: UnknownBlock when there are fewer blocks after the first one.
        """
        first = self.head.number - depth + 1
        replaced = tuple(self._history.get_block(number) for number in range(first, self.head.number + 1))
        offset, node = self._time.offset, pack_node(self.settings, self.mempool)
        self._history.rewind(first - 1, clock_offset=offset, node=node)
        for block in replaced:
            self.on_replaced(block)
        for block in replaced:
            values = replace(block.values, coinbase=block.hash[:20])
            self.on_block(self._history.append({}, values, (), clock_offset=offset))
        self._pending = None
        if keeps_transactions:
            for inclusion in (one for block in replaced for one in block.inclusions):
                with suppress(NodeRejection):  # the mempool is full, or has another transaction of this nonce
                    self.mempool.add(SentTransaction.from_inclusion(inclusion))
        self.store_node()
        return replaced

    def reset(self) -> None:
        """Revert to the first block, and remove all snapshots, settings and transactions."""
        self._history.reset()
        self._time.reset(0)
        if self.config.timestamp is not None and not self.config.is_clock_counted:
            self._time.resume_from(self.config.timestamp)
        self._store.set_clock_offset(self._time.offset)
        self._restore_node(None)

    def dump(self) -> dict[str, Any]:
        """Return the whole chain as JSON values."""
        return {
            "genesis": self._store.hash_genesis(),
            "rows": self._store.dump(self.limit.on_tick),
            "clockOffset": self._time.offset,
            "node": pack_node(self.settings, self.mempool),
        }

    def load_dump(self, dumped: Mapping[str, Any]) -> None:
        """Replace the whole chain by one that `dump` returned, and remove all snapshots.

        Raises errors of many kinds, before anything is changed, for other values and another genesis.
        """
        offset, node = int(dumped["clockOffset"]), str(dumped["node"])
        unpack_node(node, Mempool())
        if dumped["genesis"] != self._store.hash_genesis():
            raise ValueError("expected the same genesis")
        self._store.load_dump(dumped["rows"], offset, node)
        self._history.load()
        self._time.reset(offset)
        self._restore_node(node)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _restore_node(self, record: str | None) -> None:
        self._pending = None
        self.settings = unpack_node(record, self.mempool)
