"""Blocks of a chain: the newest in memory, all of them in its store."""

from __future__ import annotations

from collections.abc import Iterator

from eth_typing import Hash32

from wallet_rpc.devchain.bloom import BloomTest
from wallet_rpc.devchain.ledger import Block, Inclusion
from wallet_rpc.devchain.node_errors import UnknownBlock
from wallet_rpc.devchain.store import ChainStore
from wallet_rpc.domain.operation_events import OperationEvent, operation_events

RECENT_BLOCKS = 512
"""The maximum number of blocks in memory; more than code can read with BLOCKHASH."""
_BLOCK_HASHES = 256
"""The number of ancestor hashes that code can read with BLOCKHASH."""


class BlockIndex:
    """Blocks of rising height, which are stored before they are added here."""

    def __init__(self, store: ChainStore) -> None:
        self._store = store
        self._recent: dict[int, Block] = {}
        self._head: Block | None = None
        self._first_number = 0

    @property
    def is_empty(self) -> bool:
        """True when there is no block yet."""
        return self._head is None

    @property
    def head(self) -> Block:
        """The newest block."""
        assert self._head is not None  # noqa: S101 - a chain has a first block
        return self._head

    @property
    def first_number(self) -> int:
        """The height of the oldest block."""
        return self._first_number

    @property
    def blocks_in_memory(self) -> int:
        """The number of blocks in memory."""
        return len(self._recent)

    def restore(self, first_number: int, head: Block) -> None:
        """Set the oldest height and the newest block of a stored chain."""
        self._first_number = first_number
        self._recent.clear()
        self._head = self._recent[head.number] = head

    def append(self, block: Block) -> None:
        """Add the newest block."""
        if self._head is None:
            self._first_number = block.number
        self._head = self._recent[block.number] = block
        self._recent.pop(block.number - RECENT_BLOCKS, None)

    def drop_after(self, number: int) -> None:
        """Remove every block above `number`, which are no longer stored. Raises: UnknownBlock."""
        self._recent = {height: block for height, block in self._recent.items() if height <= number}
        head = self.find_by_number(number)
        if head is None:
            raise UnknownBlock
        self._head = self._recent[number] = head

    def find_by_number(self, number: int) -> Block | None:
        """Return the block of that height, or None when it is not stored."""
        if not self._first_number <= number <= self.head.number:
            return None
        recent = self._recent.get(number)
        return self._store.block(number) if recent is None else recent

    def find_by_hash(self, identity: bytes) -> Block | None:
        """Return the block of that hash, or None when it is not stored."""
        block = self._find(identity)
        return block if block is not None and block.hash == identity else None

    def find_by_transaction(self, identity: bytes) -> tuple[Block, Inclusion] | None:
        """Return the transaction of that hash and its block, or None when there is none."""
        block = self._find(identity)
        found = None if block is None else block.find_transaction(identity)
        return None if block is None or found is None else (block, found)

    def find_by_operation(self, identity: bytes) -> tuple[Block, Inclusion, OperationEvent] | None:
        """Return the event of the user operation of that hash, its block and transaction, or None without one."""
        block = self._find(identity)
        for inclusion in () if block is None else block.inclusions:
            for event in operation_events(inclusion.logs):
                if block is not None and event.operation_hash == identity:
                    return block, inclusion, event
        return None

    def find_by_bloom(self, first: int, last: int, test: BloomTest) -> Iterator[Block]:
        """Iterate over the blocks with logs, from `first` to `last`, whose bloom filter passes the test."""
        for number, bloom in self._store.blooms(max(first, self.first_number), min(last, self.head.number)):
            if test.may_match(bloom):
                block = self.find_by_number(number)
                if block is not None:
                    yield block

    def hashes_before(self, number: int) -> Iterator[Hash32]:
        """Iterate over the hashes of the block's ancestors, parent first."""
        for ancestor in range(number - 1, max(number - 1 - _BLOCK_HASHES, self.first_number - 1), -1):
            block = self.find_by_number(ancestor)
            yield Hash32(bytes(32) if block is None else block.hash)

    def _find(self, identity: bytes) -> Block | None:
        number = self._store.find_number(identity)
        return None if number is None else self.find_by_number(number)
