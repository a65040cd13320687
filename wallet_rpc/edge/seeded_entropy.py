"""Random bytes that follow from a seed, so that the same requests get the same ids and keys in every run.

Values of one purpose do not depend on those of another. Each request that needs random bytes has a stream of its own,
by its position among such requests, and so has each entry of a batch. Requests that need none, such as those that wait
for a call's end, change nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from hashlib import shake_256

from wallet_rpc.edge.request_context import current_context
from wallet_rpc.ports import RandomSources


class SeededStream:
    """`ports.Entropy` of one purpose; the values are in the order of the calls."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._key = f"wallet-rpc {seed} {purpose} ".encode()
        self._position = 0

    def random_bytes(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        self._position += 1
        return shake_256(self._key + str(self._position).encode()).digest(size)


class _RequestStreams:
    """`ports.Entropy` of one request; its position is counted when it first needs a value."""

    def __init__(self, seed: int, positions: Iterator[int]) -> None:
        self._seed = seed
        self._positions = positions
        self._position: int | None = None
        self._streams: dict[int | None, SeededStream] = {}

    def random_bytes(self, size: int) -> bytes:
        """Return the next `size` bytes of the running entry."""
        if self._position is None:
            self._position = next(self._positions)
        entry = current_context().entry
        if entry not in self._streams:
            self._streams[entry] = SeededStream(self._seed, f"request {self._position} entry {entry}")
        return self._streams[entry].random_bytes(size)


def seeded_sources(seed: int) -> RandomSources:
    """Return sources that follow from a seed."""
    positions = itertools.count()
    return RandomSources(
        lambda: _RequestStreams(seed, positions), SeededStream(seed, "request ids"), SeededStream(seed, "background")
    )
