"""A reader of ABI-encoded data from untrusted callers.

As in Solidity, padding after the last byte is optional. Invariant: all `bytes` values read from the data are together
no longer than the data. Many offsets may point at the same bytes, and an ABI library copies them for each offset, so
that a small request could take gigabytes of memory. Source: Solidity contract ABI specification.
"""

from __future__ import annotations

from collections.abc import Iterator

from wallet_rpc.primitives import Address, Data


class AbiDecodeError(ValueError):
    """The data ends early, a word does not fit its type, or the values overlap and are longer than the data."""


class Reader:
    """A reader of words and values by their position, in bytes from the start of `data`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._remaining = len(data)

    def word(self, at: int) -> int:
        """Read the 32-byte word at `at`. Raises: AbiDecodeError."""
        word = self._data[at : at + 32]
        if len(word) < 32:
            raise AbiDecodeError(f"expected a 32-byte word at byte {at}, got {len(word)} bytes")
        return int.from_bytes(word, "big")

    def address(self, at: int) -> Address:
        """Read the address in the word at `at`. Raises: AbiDecodeError when its upper 12 bytes are not zero."""
        word = self.word(at)
        if word >> 160:
            raise AbiDecodeError(f"expected an address at byte {at}, got {word:#x}")
        return Address(word.to_bytes(20, "big"))

    def fixed_bytes(self, at: int, size: int) -> bytes:
        """Read the first `size` bytes, at most 32, of the word at `at`. Raises: AbiDecodeError for a nonzero rest."""
        word = self.word(at).to_bytes(32, "big")
        if any(word[size:]):
            raise AbiDecodeError(f"expected a bytes{size} value at byte {at}, got 0x{word.hex()}")
        return word[:size]

    def blob(self, at: int) -> Data:
        """Read the `bytes` value whose length is at `at`. Raises: AbiDecodeError."""
        size = self.word(at)
        if size > len(self._data) - at - 32:
            raise AbiDecodeError(f"expected {size} bytes after the length at byte {at}, but the data ends before")
        self._remaining -= 32 + size
        if self._remaining < 0:
            raise AbiDecodeError("the values overlap: together they are longer than the data")
        return Data(self._data[at + 32 : at + 32 + size])

    def items(self, at: int) -> Iterator[int]:
        """Return the positions of the one-word items of the array whose count is at `at`. Raises: AbiDecodeError."""
        count = self.word(at)
        first = at + 32
        if count > (len(self._data) - first) // 32:
            raise AbiDecodeError(f"expected {count} items after the count at byte {at}, but the data ends before")
        return iter(range(first, first + 32 * count, 32))
