"""The chain state: every value of every account, in every version.

A *version* is one committed set of changes: a block, or one direct change by a control method. Values are stored under
flat byte keys, newest last. A read at any stored block is one bisection, and a revert is a truncation.

The state root is a commitment, not a Merkle root: keccak(previous root | key | value | ... of the changes, by key).
Equal histories have equal roots; account proofs are not available.
"""

from __future__ import annotations

from bisect import bisect_right
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


class ChainState:
    """Values by key and version. Version 0 is genesis; values read from the forked chain are version -1."""

    def __init__(self, source: Source | None = None) -> None:
        self._source = source
        self._history: dict[bytes, list[tuple[int, Value]]] = {}
        self._changed: list[tuple[bytes, ...]] = []
        self._roots: list[bytes] = []
        self.learned: dict[bytes, Value] = {}
        """Values read from the source since this was last cleared; the store writes them to disk."""

    @property
    def version(self) -> int:
        """The newest version; -1 before genesis."""
        return len(self._roots) - 1

    @property
    def root(self) -> bytes:
        """The commitment to all changes up to now."""
        return self._roots[-1]

    def read(self, key: bytes, version: int = _HEAD) -> Value:
        """Return the value of `key` as of `version`; zero or empty bytes where none was written."""
        entries = self._history.get(key)
        if entries is None:
            return self._read_source(key)
        if version >= entries[-1][0]:
            return entries[-1][1]
        position = bisect_right(entries, version, key=lambda entry: entry[0])
        return entries[position - 1][1] if position else self._read_source(key)

    def commit(self, changes: Mapping[bytes, Value]) -> int:
        """Write `changes` as a new version and return its number."""
        version = len(self._roots)
        for key in changes:
            if self._source is not None and version > 0 and key not in self._history:
                self._read_source(key)  # the key's earlier value must stay readable
        hashed = [self._roots[-1] if self._roots else bytes(32)]
        for key in sorted(changes):
            value = changes[key]
            self._history.setdefault(key, []).append((version, value))
            hashed += [key, value if isinstance(value, bytes) else value.to_bytes(32)]
        self._changed.append(tuple(changes))
        self._roots.append(keccak(b"".join(hashed)))
        return version

    def rewind(self, version: int) -> None:
        """Remove every version after `version`."""
        while len(self._roots) - 1 > version:
            self._roots.pop()
            for key in self._changed.pop():
                entries = self._history[key]
                entries.pop()
                if not entries:
                    del self._history[key]

    def restore(self, learned: Mapping[bytes, Value], versions: Iterable[tuple[bytes, Mapping[bytes, Value]]]) -> None:
        """Fill an empty state from disk: `learned` values, then (root, changes) of each version from 0 up."""
        for key, value in learned.items():
            self._history[key] = [(-1, value)]
        for version, (root, changes) in enumerate(versions):
            for key, value in changes.items():
                self._history.setdefault(key, []).append((version, value))
            self._changed.append(tuple(changes))
            self._roots.append(root)

    def _read_source(self, key: bytes) -> Value:
        empty: Value = b"" if is_code(key) else 0
        if self._source is None:
            return empty
        for upstream_values, value in self._source.fetch(key).items():
            entries = self._history.get(upstream_values, [])
            if not entries or entries[0][0] >= 0:
                self.learned[upstream_values] = value
                self._history[upstream_values] = [(-1, value), *entries]  # immediately: a run may be interrupted here
        return self._history[key][0][1]
