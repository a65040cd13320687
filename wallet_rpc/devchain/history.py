"""History of a chain: its blocks, the state version at the end of each, and the store of both.

All changes of a block are one version of the `ChainState` and one write of the `ChainStore`. A direct change is also
one version and one write.
"""

from __future__ import annotations

from collections.abc import Mapping

from wallet_rpc.devchain.block_index import BlockIndex
from wallet_rpc.devchain.chain_state import ChainState, Source, Value
from wallet_rpc.devchain.execution import ChainConfig
from wallet_rpc.devchain.ledger import Block, Inclusion, make_block
from wallet_rpc.devchain.node_errors import UnknownBlock
from wallet_rpc.devchain.store import ChainStore, Snapshot, VersionRecord


class History:
    """Blocks and state, written together. Not thread-safe."""

    def __init__(self, config: ChainConfig, store: ChainStore, source: Source | None) -> None:
        self._config = config
        self._store = store
        self.state = ChainState(source, store)
        """The chain state, in every version."""
        self.blocks = BlockIndex(store)
        """The blocks."""
        stored = store.load()
        self.clock_offset = 0 if stored is None else stored.clock_offset
        """The stored offset of the clock, in seconds."""
        if stored is not None:
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

    def next_block(self, timestamp: int, state_root: bytes, inclusion: Inclusion | None) -> Block:
        """Build the block that would follow the newest, or the first one when there is none."""
        config = self._config
        return make_block(
            None if self.blocks.is_empty else self.blocks.head,
            timestamp=timestamp,
            state_root=state_root,
            limits=(config.gas_limit, config.base_fee),
            inclusion=inclusion,
            number=config.number,
        )

    def append(
        self, changes: Mapping[bytes, Value], timestamp: int, inclusion: Inclusion | None, *, clock_offset: int
    ) -> Block:
        """Write a block and its changes atomically."""
        root = self.state.next_root(changes)
        block = self.next_block(timestamp, root, inclusion)
        self._write_version(changes, root, block, clock_offset)
        self.blocks.append(block)
        return block

    def change(self, changes: Mapping[bytes, Value], *, clock_offset: int) -> None:
        """Write changes as part of the newest block's state."""
        self._write_version(changes, self.state.next_root(changes), None, clock_offset)

    def snapshot(self, *, clock_offset: int) -> int:
        """Take a snapshot and return its number, from 1 up. Snapshots persist across restarts."""
        return self._store.add_snapshot(Snapshot(self.state.version, self.blocks.head.number, clock_offset))

    def revert(self, identity: int) -> Snapshot | None:
        """Revert to a snapshot and remove it and all later ones; None when it does not exist."""
        reverted = self._store.revert_to_snapshot(identity)
        if reverted is None:
            return None
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
