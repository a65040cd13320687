"""A chain's past: its blocks, the world's version at the end of each, and the store that both are kept in.

Everything a block changes is one version of the `World` and one write of the `Store`; so is each direct change.
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
    """Blocks and state, written together. Not for several threads."""

    def __init__(self, config: ChainConfig, store: ChainStore, source: Source | None) -> None:
        self._config = config
        self._store = store
        self.state = ChainState(source)
        """The state, in every version."""
        self.blocks = BlockIndex()
        """The blocks, each with its version."""
        kept = store.load()
        self.clock_offset = kept.clock_offset
        """The shift of the clock that was kept, in seconds."""
        if kept.blocks:
            self.state.restore(kept.upstream_values, kept.versions)
            for block, version in zip(kept.blocks, kept.block_versions, strict=True):
                self.blocks.append(block, version)

    def version_at(self, number: int) -> int:
        """The world's version at the end of a block. Raises: UnknownBlock."""
        return self.blocks.version_at(self.get_block(number).number)

    def get_block(self, number: int) -> Block:
        """The block of that height. Raises: UnknownBlock."""
        block = self.blocks.find_by_number(number)
        if block is None:
            raise UnknownBlock
        return block

    def next_block(self, timestamp: int, state_root: bytes, inclusion: Inclusion | None) -> Block:
        """The block that would follow the newest; the first one when there is none."""
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
        """Write a block and what it changes; all or nothing."""
        version = self.state.commit(changes)
        block = self.next_block(timestamp, self.state.root, inclusion)
        self._keep(changes, version, block, clock_offset)
        self.blocks.append(block, version)
        return block

    def change(self, changes: Mapping[bytes, Value], *, clock_offset: int) -> None:
        """Write changes that become part of the newest block's state."""
        version = self.state.commit(changes)
        self._keep(changes, version, None, clock_offset)
        self.blocks.set_head_version(version)

    def snapshot(self, *, clock_offset: int) -> int:
        """Remember this moment; its number, from 1 up. Snapshots are kept across restarts."""
        return self._store.add_snapshot(Snapshot(self.state.version, self.blocks.head.number, clock_offset))

    def revert(self, identity: int) -> Snapshot | None:
        """Go back to a snapshot and forget it and all later ones; None when there is none of that number."""
        kept = self._store.revert_to_snapshot(identity)
        if kept is not None:
            self.state.rewind(kept.version)
            self.blocks.drop_after(kept.number)
            self.blocks.set_head_version(kept.version)
        return kept

    def _keep(self, changes: Mapping[bytes, Value], version: int, block: Block | None, clock_offset: int) -> None:
        entry = VersionRecord(
            version=version,
            root=self.state.root,
            changes=changes,
            upstream_values=dict(self.state.learned),
            number=self.blocks.head.number if block is None else block.number,
            block=block,
            clock_offset=clock_offset,
        )
        try:
            self._store.append(entry)
        except BaseException:
            self.state.rewind(version - 1)  # what is not on disk did not happen
            raise
        self.state.learned.clear()
