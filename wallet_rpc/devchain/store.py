"""Storage port of a chain's versions, blocks and snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from wallet_rpc.devchain.chain_state import Value
from wallet_rpc.devchain.ledger import Block

StoredValue: TypeAlias = tuple[bytes, int, Value | None]
"""A key, the version that its newest value was written in (-1 for a learned one), and the value, if it has any."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state version, block number, clock offset and node record to revert to."""

    version: int
    number: int
    clock_offset: int
    node: str | None = None
    """The settings and the mempool; None for those of a new node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChain:
    """The newest state of a chain in a store, from which it starts."""

    version: int
    root: bytes
    values: Iterable[StoredValue]
    """The newest value of each key."""
    first_number: int
    head: Block
    clock_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted:
    """The newest state after a revert to a snapshot."""

    snapshot: Snapshot
    root: bytes
    values: Iterable[StoredValue]
    """The newest value of each key that was changed after the snapshot."""


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

    def load(self) -> StoredChain | None:
        """Read the newest state, at the start; None for a new chain."""
        ...

    def append(self, entry: VersionRecord) -> None:
        """Add a version atomically."""
        ...

    def value_at(self, key: bytes, version: int) -> Value | None:
        """Return the value of `key` as of a version; None when none was written or learned."""
        ...

    def block(self, number: int) -> Block | None:
        """Return the block of that height; None when there is none."""
        ...

    def first_version(self, number: int) -> int | None:
        """Return the version that the block of that height was appended with; None when there is none."""
        ...

    def find_number(self, identity: bytes) -> int | None:
        """Return the height of the block with the hash of itself, its transaction or one of its operations."""
        ...

    def blooms(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Iterate over (height, bloom) of the blocks with logs, from `first` to `last`."""
        ...

    def set_clock_offset(self, clock_offset: int) -> None:
        """Write the clock's offset, in seconds."""
        ...

    def add_snapshot(self, snapshot: Snapshot) -> int:
        """Add a snapshot and return its number, which is never reused."""
        ...

    def revert_to_snapshot(self, identity: int) -> Reverted | None:
        """Remove a snapshot, all later ones, and every version and block after it; None when it does not exist."""
        ...

    def rewind(self, to: Snapshot) -> Reverted:
        """Remove every version and block after `to`, and the snapshots that were taken later."""
        ...

    def reset(self) -> Reverted:
        """Remove all snapshots, and every version and block after the first one."""
        ...

    def dump(self, tick: Callable[[], None]) -> Mapping[str, Any]:
        """Return all versions and blocks as JSON values; `tick` is called now and then."""
        ...

    def hash_genesis(self) -> str:
        """Return a hash of the first version's changes, which a dump does not contain."""
        ...

    def load_dump(self, rows: Mapping[str, Any], clock_offset: int, node: str) -> None:
        """Replace all versions and blocks by those of a dump, atomically, and remove all snapshots."""
        ...

    def set_node(self, node: str) -> None:
        """Write the settings and the mempool."""
        ...

    def get_node(self) -> str | None:
        """Read the settings and the mempool; None for a new node."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...
