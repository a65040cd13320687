"""Bloom filters of blocks, by which a search skips blocks without a log that it looks for (yellow paper, 4.3.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from eth_hash.auto import keccak

from wallet_rpc.devchain.evm import EventLog


def logs_bloom(logs: Iterable[EventLog]) -> bytes:
    """Return the 2048-bit filter of addresses and topics (yellow paper, 4.3.1)."""
    bits = 0
    for log in logs:
        for item in (log.address, *log.topics):
            bits |= _bloom_bits(item)
    return bits.to_bytes(256)


@dataclass(frozen=True, slots=True)
class BloomTest:
    """The bits that a block's filter has if one of its logs has certain addresses and topics."""

    required: int
    """The bits of all items that have no alternative."""
    choices: tuple[tuple[int, ...], ...]
    """Of each other item, the bits of its alternatives; a filter has those of at least one."""

    @classmethod
    def build(cls, conditions: Iterable[Collection[bytes]]) -> BloomTest:
        """Build the test for logs that have one item of each condition as their address or a topic."""
        required, choices = 0, []
        for alternatives in conditions:
            bits = tuple(map(_bloom_bits, alternatives))
            if len(bits) == 1:
                required |= bits[0]
            else:
                choices.append(bits)
        return cls(required, tuple(choices))

    def may_match(self, bloom: int) -> bool:
        """Return False when a block with this filter has no such log; True when it may have one."""
        if bloom & self.required != self.required:
            return False
        return all(any(bloom & bits == bits for bits in each) for each in self.choices)


@lru_cache(maxsize=4096)
def _bloom_bits(item: bytes) -> int:
    digest = keccak(item)
    return sum({1 << (int.from_bytes(digest[at : at + 2]) & 2047) for at in (0, 2, 4)})
