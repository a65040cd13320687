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
        self.state = ChainState(source)
        """The chain state, in every version."""
        self.blocks = BlockIndex()
        """The blocks, each with its state version."""
        stored = store.load()
        self.clock_offset = stored.clock_offset
        """The stored offset of the clock, in seconds."""
        if stored.blocks:
            self.state.restore(stored.upstream_values, stored.versions)
            for block, version in zip(stored.blocks, stored.block_versions, strict=True):
                self.blocks.append(block, version)

    def version_at(self, number: int) -> int:
        """Return the state version at the end of a block. Raises: UnknownBlock."""
        return self.blocks.version_at(self.get_block(number).number)

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
        version = self.state.commit(changes)
        block = self.next_block(timestamp, self.state.root, inclusion)
        self._store_version(changes, version, block, clock_offset)
        self.blocks.append(block, version)
        return block

    def change(self, changes: Mapping[bytes, Value], *, clock_offset: int) -> None:
        """Write changes as part of the newest block's state."""
        version = self.state.commit(changes)
        self._store_version(changes, version, None, clock_offset)
        self.blocks.set_head_version(version)

    def snapshot(self, *, clock_offset: int) -> int:
        """Take a snapshot and return its number, from 1 up. Snapshots persist across restarts."""
        return self._store.add_snapshot(Snapshot(self.state.version, self.blocks.head.number, clock_offset))

    def revert(self, identity: int) -> Snapshot | None:
        """Revert to a snapshot and remove it and all later ones; None when it does not exist."""
        snapshot = self._store.revert_to_snapshot(identity)
        if snapshot is not None:
            self.state.rewind(snapshot.version)
            self.blocks.drop_after(snapshot.number)
            self.blocks.set_head_version(snapshot.version)
        return snapshot

    def _store_version(
        self, changes: Mapping[bytes, Value], version: int, block: Block | None, clock_offset: int
    ) -> None:
        record = VersionRecord(
            version=version,
            root=self.state.root,
            changes=changes,
            upstream_values=dict(self.state.learned),
            number=self.blocks.head.number if block is None else block.number,
            block=block,
            clock_offset=clock_offset,
        )
        try:
            self._store.append(record)
        except BaseException:
            self.state.rewind(version - 1)  # the state must not be ahead of the disk
            raise
        self.state.learned.clear()
