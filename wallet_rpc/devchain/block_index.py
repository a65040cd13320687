"""Index of the stored blocks by height, by hash and by transaction hash."""

from __future__ import annotations

from collections.abc import Iterator

from eth_typing import Hash32

from wallet_rpc.devchain.ledger import Block

_BLOCK_HASHES = 256
"""The number of ancestor hashes that code can read with BLOCKHASH."""


class BlockIndex:
    """Blocks of rising height, each with the version of the chain state at its end."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._versions: list[int] = []
        self._numbers: dict[bytes, int] = {}
        self._transactions: dict[bytes, int] = {}

    @property
    def is_empty(self) -> bool:
        """True when there is no block yet."""
        return len(self._blocks) == 0

    @property
    def head(self) -> Block:
        """The newest block."""
        return self._blocks[-1]

    @property
    def first_number(self) -> int:
        """The height of the oldest block."""
        return self._blocks[0].number

    def append(self, block: Block, version: int) -> None:
        """Add the newest block, with the state version at its end."""
        self._blocks.append(block)
        self._versions.append(version)
        self._numbers[block.hash] = block.number
        if block.inclusion is not None:
            self._transactions[block.inclusion.hash] = block.number

    def drop_after(self, number: int) -> None:
        """Remove every block above `number`."""
        while self.head.number > number:
            dropped = self._blocks.pop()
            self._versions.pop()
            del self._numbers[dropped.hash]
            if dropped.inclusion is not None:
                del self._transactions[dropped.inclusion.hash]

    def find_by_number(self, number: int) -> Block | None:
        """Return the block of that height, or None when it is not stored."""
        index = number - self._blocks[0].number
        return self._blocks[index] if 0 <= index < len(self._blocks) else None

    def version_at(self, number: int) -> int:
        """Return the state version at the end of a stored block."""
        return self._versions[number - self._blocks[0].number]

    def set_head_version(self, version: int) -> None:
        """Set the state version at the end of the newest block."""
        self._versions[-1] = version

    def find_by_hash(self, identity: bytes) -> Block | None:
        """Return the block of that hash, or None when it is not stored."""
        number = self._numbers.get(bytes(identity))
        return None if number is None else self.find_by_number(number)

    def find_by_transaction(self, identity: bytes) -> Block | None:
        """Return the block that contains the transaction of that hash, or None when there is none."""
        number = self._transactions.get(bytes(identity))
        return None if number is None else self.find_by_number(number)

    def hashes_before(self, number: int) -> Iterator[Hash32]:
        """Iterate over the hashes of the block's ancestors, parent first."""
        for ancestor in range(number - 1, max(number - 1 - _BLOCK_HASHES, self.first_number - 1), -1):
            block = self.find_by_number(ancestor)
            yield Hash32(bytes(32) if block is None else block.hash)
