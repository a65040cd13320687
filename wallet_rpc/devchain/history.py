"""History of a chain: its blocks, the state version at the end of each, and the store of both.

All changes of a block are one version of the `ChainState` and one write of the `ChainStore`. A direct change is also
one version and one write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wallet_rpc.devchain.block_index import BlockIndex
from wallet_rpc.devchain.chain_state import ChainState, Source, Value
from wallet_rpc.devchain.ledger import Block, BlockValues, Inclusion, make_block
from wallet_rpc.devchain.node_errors import UnknownBlock
from wallet_rpc.devchain.store import ChainStore, Reverted, Snapshot, VersionRecord


class History:
    """Blocks and state, written together. Not thread-safe."""

    def __init__(self, first_number: int, store: ChainStore, source: Source | None) -> None:
        self._first_number = first_number
        self._store = store
        self.state = ChainState(source, store)
        """The chain state, in every version."""
        self.blocks = BlockIndex(store)
        """The blocks."""
        self.clock_offset = 0
        """The stored offset of the clock, in seconds."""
        self.load()

    def load(self) -> None:
        """Read blocks and state from the store, instead of those in memory."""
        stored = self._store.load()
        if stored is not None:
            self.clock_offset = stored.clock_offset
            self.state.clear()
            self.state.restore(stored.version, stored.root, stored.values)
            self.blocks.restore(stored.first_number, stored.head)

    def version_at(self, number: int) -> int:
        """Return the state version at the end of a block. Raises: UnknownBlock."""
        self.get_block(number)
        following = self._store.first_version(number + 1)
        return self.state.version if following is None else following - 1

    def get_block(self, number: int) -> Block:
        """Return the block of that height. Raises: UnknownBlock."""
        block = self.blocks.find_by_number(number)
        if block is None:
            raise UnknownBlock
        return block

    def version_before(self, number: int) -> int:
        """Return the state version that a block's transactions ran on. Raises: UnknownBlock."""
        first = self._store.first_version(number)
        if first is None:
            raise UnknownBlock
        return first - 1

    def next_block(self, values: BlockValues, state_root: bytes, inclusions: Sequence[Inclusion]) -> Block:
        """Build the block that would follow the newest, or the first one when there is none."""
        return make_block(
            None if self.blocks.is_empty else self.blocks.head,
            values,
            state_root=state_root,
            inclusions=inclusions,
            number=self._first_number,
        )

    def append(
        self, changes: Mapping[bytes, Value], values: BlockValues, inclusions: Sequence[Inclusion], *, clock_offset: int
    ) -> Block:
        """Write a block and its changes atomically."""
        root = self.state.next_root(changes)
        block = self.next_block(values, root, inclusions)
        self._write_version(changes, root, block, clock_offset)
        self.blocks.append(block)
        return block

    def change(self, changes: Mapping[bytes, Value], *, clock_offset: int) -> None:
        """Write changes as part of the newest block's state."""
        self._write_version(changes, self.state.next_root(changes), None, clock_offset)

    def snapshot(self, *, clock_offset: int, node: str) -> int:
        """Take a snapshot and return its number, from 1 up. Snapshots persist across restarts."""
        return self._store.add_snapshot(Snapshot(self.state.version, self.blocks.head.number, clock_offset, node))

    def revert(self, identity: int) -> Snapshot | None:
        """Revert to a snapshot and remove it and all later ones; None when it does not exist."""
        reverted = self._store.revert_to_snapshot(identity)
        return None if reverted is None else self._restore(reverted)

    def rewind(self, number: int, *, clock_offset: int, node: str) -> None:
        """Remove every block after `number`, and the direct changes after it. Raises: UnknownBlock."""
        self._restore(self._store.rewind(Snapshot(self.version_at(number), number, clock_offset, node)))

    def reset(self) -> None:
        """Revert to the first block and remove all snapshots."""
        self._restore(self._store.reset())

    def _restore(self, reverted: Reverted) -> Snapshot:
        snapshot = reverted.snapshot
        self.state.restore(snapshot.version, reverted.root, reverted.values)
        self.blocks.drop_after(snapshot.number)
        return snapshot

    def _write_version(
        self, changes: Mapping[bytes, Value], root: bytes, block: Block | None, clock_offset: int
    ) -> None:
        """Write a version to the store, then to memory, which is never ahead of the store."""
        record = VersionRecord(
            version=self.state.version + 1,
            root=root,
            changes=changes,
            upstream_values=dict(self.state.learned),
            number=self.blocks.head.number if block is None else block.number,
            block=block,
            clock_offset=clock_offset,
        )
        self._store.append(record)
        self.state.commit(changes, root)
        self.state.learned.clear()
