"""Mempool of a chain: transactions that were accepted and are in no block yet.

A transaction is ready when its nonce follows its sender's, through the other transactions of the pool; else it is
queued. With automatic mining the pool has queued transactions only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from eth_typing import Address

from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.devchain.sent_transaction import SentTransaction

MAX_POOL_TRANSACTIONS = 4096
"""The maximum number of transactions in the pool."""
MAX_POOL_BYTES = 4 << 20
"""The maximum size of all raw transactions in the pool."""
MAX_RECENT_HASHES = 10_000
"""The number of hashes kept for filters of pending transactions."""


class Mempool:
    """Transactions by sender and nonce. Not thread-safe."""

    def __init__(self) -> None:
        self._by_hash: dict[bytes, SentTransaction] = {}
        self._by_sender: dict[bytes, dict[int, SentTransaction]] = {}
        self._size = 0
        self._recent: deque[bytes] = deque(maxlen=MAX_RECENT_HASHES)
        self.recorded = 0
        """The number of transactions that were ever ready, also those that were mined at once."""
        self.on_ready: Callable[[SentTransaction], object] = lambda _: None
        """Called with each transaction that is ready."""

    def __iter__(self) -> Iterator[SentTransaction]:
        return iter(self._by_hash.values())

    def __len__(self) -> int:
        return len(self._by_hash)

    def find(self, identity: bytes) -> SentTransaction | None:
        """Return the transaction of that hash, or None when it is not in the pool."""
        return self._by_hash.get(bytes(identity))

    def add(self, sent: SentTransaction) -> None:
        """Add a transaction, or replace the sender's of the same nonce.

        Raises: NodeRejection when the pool is full, or the replacement does not pay more.
        """
        replaced = self._by_sender.get(sent.sender, {}).get(sent.nonce)
        if replaced is not None and sent.transaction.max_fee_per_gas <= replaced.transaction.max_fee_per_gas:
            raise NodeRejection("replacement transaction underpriced", reason="fee_too_low")
        size = self._size + len(sent.raw) - (0 if replaced is None else len(replaced.raw))
        if size > MAX_POOL_BYTES or (replaced is None and len(self) >= MAX_POOL_TRANSACTIONS):
            text = f"txpool is full: expected at most {MAX_POOL_TRANSACTIONS} transactions of {MAX_POOL_BYTES} bytes"
            raise NodeRejection(f"{text} together; mine or drop some", reason="mempool_full")
        if replaced is not None:
            self.drop(replaced.hash)
        self._size += len(sent.raw)
        self._by_hash[sent.hash] = sent
        self._by_sender.setdefault(sent.sender, {})[sent.nonce] = sent

    def drop(self, identity: bytes) -> bool:
        """Remove a transaction; False when it is not in the pool."""
        dropped = self._by_hash.pop(bytes(identity), None)
        if dropped is None:
            return False
        self._size -= len(dropped.raw)
        others = self._by_sender[dropped.sender]
        del others[dropped.nonce]
        if not others:
            del self._by_sender[dropped.sender]
        return True

    def drop_sender(self, sender: bytes) -> None:
        """Remove all transactions of a sender."""
        for sent in list(self._by_sender.get(bytes(sender), {}).values()):
            self.drop(sent.hash)

    def drop_stale(self, nonce_of: Callable[[Address], int]) -> None:
        """Remove transactions whose nonce is used."""
        for sent in list(self):
            if sent.nonce < nonce_of(sent.sender):
                self.drop(sent.hash)

    def clear(self) -> None:
        """Remove all transactions."""
        self._by_hash.clear()
        self._by_sender.clear()
        self._size = 0

    def next_nonce(self, sender: bytes, nonce: int) -> int:
        """Return the nonce after the sender's ready transactions, when its next one in the state is `nonce`."""
        sent = self._by_sender.get(bytes(sender), {})
        while nonce in sent:
            nonce += 1
        return nonce

    def find_by_nonce(self, sender: bytes, nonce: int) -> SentTransaction | None:
        """Return the sender's transaction of that nonce, or None when there is none."""
        return self._by_sender.get(bytes(sender), {}).get(nonce)

    def split(self, nonce_of: Callable[[Address], int]) -> tuple[list[SentTransaction], list[SentTransaction]]:
        """Return the ready and the queued transactions."""
        ends = {sender: self.next_nonce(sender, nonce_of(Address(sender))) for sender in self._by_sender}
        ready = [sent for sent in self if sent.nonce < ends[sent.sender]]
        return ready, [sent for sent in self if sent.nonce >= ends[sent.sender]]

    def senders(self) -> list[Address]:
        """Return the senders, by the arrival of their first transaction."""
        return list(map(Address, self._by_sender))

    # Filters and subscriptions

    def record_ready(self, added: SentTransaction, next_nonce: int) -> None:
        """Record a transaction that is ready, and those that it made ready: of `next_nonce` and later ones."""
        self.record(added)
        nonce = max(added.nonce + 1, next_nonce)
        while (sent := self.find_by_nonce(added.sender, nonce)) is not None:
            self.record(sent)
            nonce += 1

    def record(self, sent: SentTransaction) -> None:
        """Record a transaction that is ready."""
        self._recent.append(sent.hash)
        self.recorded += 1
        self.on_ready(sent)

    def recorded_since(self, count: int) -> list[bytes]:
        """Return the hashes recorded since `recorded` was `count`, as far as they are kept."""
        fresh = min(self.recorded - count, len(self._recent))
        return list(self._recent)[len(self._recent) - fresh :] if fresh > 0 else []
