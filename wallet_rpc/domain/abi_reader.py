"""Reading ABI-encoded data that a stranger sent.

Read as Solidity reads it: padding after the last byte is not needed. The rule: what is handed out is together no longer
than the data; an ABI library copies what many offsets share, so that one request could ask for gigabytes.
Source: Solidity contract ABI specification.
"""

from __future__ import annotations

from collections.abc import Iterator

from wallet_rpc.primitives import Address, Data


class AbiDecodeError(ValueError):
    """The data ends early, a word does not fit its type, or parts share so many bytes that they were copied."""


class Reader:
    """Positions are bytes from the start of `data`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._room = len(data)

    def word(self, at: int) -> int:
        """The 32-byte word at `at`. Raises: AbiDecodeError."""
        word = self._data[at : at + 32]
        if len(word) < 32:
            raise AbiDecodeError(f"no word at byte {at}")
        return int.from_bytes(word, "big")

    def address(self, at: int) -> Address:
        """The address in the word at `at`. Raises: AbiDecodeError when its upper 12 bytes are not zero."""
        word = self.word(at)
        if word >> 160:
            raise AbiDecodeError(f"no address at byte {at}")
        return Address(word.to_bytes(20, "big"))

    def fixed_bytes(self, at: int, size: int) -> bytes:
        """The first `size` bytes (at most 32) of the word at `at`. Raises: AbiDecodeError when the rest is not zero."""
        word = self.word(at).to_bytes(32, "big")
        if any(word[size:]):
            raise AbiDecodeError(f"no {size} bytes at byte {at}")
        return word[:size]

    def blob(self, at: int) -> Data:
        """The `bytes` value whose length stands at `at`. Raises: AbiDecodeError."""
        size = self.word(at)
        if size > len(self._data) - at - 32:
            raise AbiDecodeError(f"no {size} bytes after byte {at}")
        self._room -= 32 + size
        if self._room < 0:
            raise AbiDecodeError("the parts share their bytes")
        return Data(self._data[at + 32 : at + 32 + size])

    def items(self, at: int) -> Iterator[int]:
        """The positions of the items of the array whose count stands at `at`, one word each. Raises: AbiDecodeError."""
        count, first = self.word(at), at + 32
        if count > (len(self._data) - first) // 32:
            raise AbiDecodeError(f"no {count} items after byte {at}")
        return iter(range(first, first + 32 * count, 32))
