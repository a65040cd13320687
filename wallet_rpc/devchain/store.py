"""Storage port of a chain's versions, blocks and snapshots, and an implementation without persistence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wallet_rpc.devchain.chain_state import Value
from wallet_rpc.devchain.ledger import Block


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state version, block number and clock offset to revert to."""

    version: int
    number: int
    clock_offset: int


@dataclass(frozen=True, slots=True)
class StoredChain:
    """The full contents of a store, from which a chain starts."""

    upstream_values: Mapping[bytes, Value] = field(default_factory=dict)
    versions: Iterable[tuple[bytes, Mapping[bytes, Value]]] = ()
    blocks: tuple[Block, ...] = ()
    block_versions: tuple[int, ...] = ()
    clock_offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One version, to be stored atomically."""

    version: int
    root: bytes
    changes: Mapping[bytes, Value]
    upstream_values: Mapping[bytes, Value]
    """The values read from a forked chain since the previous version."""
    number: int
    """The number of the block that the version belongs to."""
    block: Block | None
    """The block whose changes are this version; None for a direct change."""
    clock_offset: int


class ChainStore(Protocol):
    """Storage port of a chain."""

    def load(self) -> StoredChain:
        """Read everything, at the start."""
        ...

    def append(self, entry: VersionRecord) -> None:
        """Add a version atomically."""
        ...

    def set_clock_offset(self, clock_offset: int) -> None:
        """Write the clock's offset, in seconds."""
        ...

    def add_snapshot(self, snapshot: Snapshot) -> int:
        """Add a snapshot and return its number, which is never reused."""
        ...

    def revert_to_snapshot(self, identity: int) -> Snapshot | None:
        """Remove a snapshot, all later ones, and every version and block after it; None when it does not exist."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...


class EphemeralStore:
    """Store without persistence: it stores only the snapshots, and the chain is lost when its process ends."""

    def __init__(self) -> None:
        self._snapshots: dict[int, Snapshot] = {}
        self._last = 0

    def load(self) -> StoredChain:
        """Return an empty chain."""
        return StoredChain()

    def append(self, entry: VersionRecord) -> None:
        """Do nothing: the chain itself has it in memory."""

    def set_clock_offset(self, clock_offset: int) -> None:
        """Do nothing: the chain itself has it in memory."""

    def add_snapshot(self, snapshot: Snapshot) -> int:
        """Add a snapshot and return its number."""
        self._last += 1
        self._snapshots[self._last] = snapshot
        return self._last

    def revert_to_snapshot(self, identity: int) -> Snapshot | None:
        """Remove a snapshot and all later ones; None when it does not exist."""
        snapshot = self._snapshots.get(identity)
        if snapshot is not None:
            self._snapshots = {key: earlier for key, earlier in self._snapshots.items() if key < identity}
        return snapshot

    def close(self) -> None:
        """Do nothing."""
