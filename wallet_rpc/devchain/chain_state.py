"""The chain state: every value of every account, in every version.

A *version* is one committed set of changes: a block, or one direct change by a control method. Values are stored under
flat byte keys: the newest of each key in memory, all others in the chain's store.

The state root is a commitment, not a Merkle root: keccak(previous root | key | value | ... of the changes, by key).
Equal histories have equal roots; account proofs are not available.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

from eth_hash.auto import keccak

Value: TypeAlias = int | bytes
"""A balance, a nonce or a storage word as an integer; code as bytes."""

_BALANCE, _NONCE, _CODE = b"b", b"n", b"c"
_HEAD = 1 << 62


def balance_key(address: bytes) -> bytes:
    """Return the key of an account's balance, in wei."""
    return address + _BALANCE


def nonce_key(address: bytes) -> bytes:
    """Return the key of an account's nonce."""
    return address + _NONCE


def code_key(address: bytes) -> bytes:
    """Return the key of an account's code."""
    return address + _CODE


def slot_key(address: bytes, slot: int) -> bytes:
    """Return the key of one storage word: address(20) | slot(32)."""
    return address + slot.to_bytes(32)


def is_code(key: bytes) -> bool:
    """Return True when the values under `key` are bytes."""
    return len(key) == 21 and key[20:] == _CODE


class Source(Protocol):
    """Source of values that this chain has never written: a forked chain."""

    def fetch(self, key: bytes) -> Mapping[bytes, Value]:
        """Fetch the value of `key`, and any other values that come with the response."""
        ...


class EarlierValues(Protocol):
    """Source of the values that this chain has replaced: its store."""

    def value_at(self, key: bytes, version: int) -> Value | None:
        """Return the value of `key` as of an earlier version; None when none was written or learned."""
        ...


class ChainState:
    """Values by key and version. Version 0 is genesis; values read from the forked chain are version -1.

    The newest value of each key is in memory, earlier ones are in `earlier`. Without it only the newest can be read.
    """

    def __init__(self, source: Source | None = None, earlier: EarlierValues | None = None) -> None:
        self._source = source
        self._earlier = earlier
        self._newest: dict[bytes, tuple[int, Value]] = {}
        self.version = -1
        """The newest version; -1 before genesis."""
        self.root = bytes(32)
        """The commitment to all changes up to now."""
        self.learned: dict[bytes, Value] = {}
        """Values read from the source since this was last cleared; the store writes them to disk."""

    def read(self, key: bytes, version: int = _HEAD) -> Value:
        """Return the value of `key` as of `version`; zero or empty bytes where none was written."""
        newest = self._newest.get(key)
        if newest is None:
            return self._read_source(key)
        if version >= newest[0]:
            return newest[1]
        earlier = None if self._earlier is None else self._earlier.value_at(key, version)
        return self._read_source(key) if earlier is None else earlier

    def next_root(self, changes: Mapping[bytes, Value]) -> bytes:
        """Return the commitment after `changes`, once the earlier value of each key is learned from the source."""
        for key in changes:
            if self._source is not None and self.version >= 0 and key not in self._newest:
                self._read_source(key)  # the key's earlier value must stay readable
        hashed = [self.root]
        for key in sorted(changes):
            value = changes[key]
            hashed += [key, value if isinstance(value, bytes) else value.to_bytes(32)]
        return bytes(keccak(b"".join(hashed)))

    def commit(self, changes: Mapping[bytes, Value], root: bytes) -> None:
        """Write `changes` as a new version with the commitment `root`."""
        self.version += 1
        self.root = root
        for key, value in changes.items():
            self._newest[key] = (self.version, value)

    def clear(self) -> None:
        """Forget all values."""
        self._newest.clear()
        self.learned.clear()

    def newest_values(self) -> dict[bytes, Value]:
        """Return the newest value of each key."""
        return {key: value for key, (_, value) in self._newest.items()}

    def restore(self, version: int, root: bytes, values: Iterable[tuple[bytes, int, Value | None]]) -> None:
        """Set the newest version, and (key, version, value) of each key that changes; None for a key without value."""
        self.version = version
        self.root = root
        for key, written, value in values:
            if value is None:
                self._newest.pop(key, None)
            else:
                self._newest[key] = (written, value)

    def _read_source(self, key: bytes) -> Value:
        if self._source is None:
            return b"" if is_code(key) else 0
        if key not in self.learned:
            for fetched, value in self._source.fetch(key).items():
                self.learned.setdefault(fetched, value)
                self._newest.setdefault(fetched, (-1, value))  # immediately: a run may be interrupted here
        return self.learned[key]
