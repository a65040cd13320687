"""What a chain asks of whoever keeps its versions, blocks and snapshots; and the one that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wallet_rpc.devchain.chain_state import Value
from wallet_rpc.devchain.ledger import Block


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment to come back to."""

    version: int
    number: int
    clock_offset: int


@dataclass(frozen=True, slots=True)
class StoredChain:
    """Everything a store holds, for a chain to start from."""

    upstream_values: Mapping[bytes, Value] = field(default_factory=dict)
    versions: Iterable[tuple[bytes, Mapping[bytes, Value]]] = ()
    blocks: tuple[Block, ...] = ()
    block_versions: tuple[int, ...] = ()
    clock_offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One version, as it is to be kept: all or nothing."""

    version: int
    root: bytes
    changes: Mapping[bytes, Value]
    upstream_values: Mapping[bytes, Value]
    """What was read from a forked chain since the last entry."""
    number: int
    """The block whose state it is."""
    block: Block | None
    """That block, when this version made it."""
    clock_offset: int


class ChainStore(Protocol):
    """What a chain needs kept."""

    def load(self) -> StoredChain:
        """Everything, at the start."""
        ...

    def append(self, entry: VersionRecord) -> None:
        """Add a version; all or nothing."""
        ...

    def set_clock_offset(self, clock_offset: int) -> None:
        """The shift of the clock, in seconds."""
        ...

    def add_snapshot(self, snapshot: Snapshot) -> int:
        """Its number, never used before."""
        ...

    def revert_to_snapshot(self, identity: int) -> Snapshot | None:
        """Drop it, all later ones, and every version and block after it."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class EphemeralStore:
    """Keeps snapshots only: a chain that is gone when it ends."""

    def __init__(self) -> None:
        self._snapshots: dict[int, Snapshot] = {}
        self._last = 0

    def load(self) -> StoredChain:
        """Nothing."""
        return StoredChain()

    def append(self, entry: VersionRecord) -> None:
        """The chain has it in memory."""

    def set_clock_offset(self, clock_offset: int) -> None:
        """The chain has it in memory."""

    def add_snapshot(self, snapshot: Snapshot) -> int:
        """Its number."""
        self._last += 1
        self._snapshots[self._last] = snapshot
        return self._last

    def revert_to_snapshot(self, identity: int) -> Snapshot | None:
        """Drop it and all later ones."""
        taken = self._snapshots.get(identity)
        if taken is not None:
            self._snapshots = {key: kept for key, kept in self._snapshots.items() if key < identity}
        return taken

    def close(self) -> None:
        """Nothing to let go of."""
