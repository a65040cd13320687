"""Decoder of arguments to values for JSON: strict, bounded, and without a copy for every offset to the same bytes.

Integers become decimal text, addresses and bytes hex, tuples objects, arrays lists. A text that is not UTF-8 keeps its
valid parts. Words must fit their types, as Solidity's decoder demands.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader
from wallet_rpc.domain.decoding.functions import AbiType, Parameter
from wallet_rpc.primitives import Address, Data

DecodedValue: TypeAlias = Any
"""A value for JSON: text, bool, list or dictionary."""
MAX_DECODED_VALUES = 1000
"""The maximum number of values of one call, arrays and tuples included."""


def decode_arguments(inputs: tuple[Parameter, ...], arguments: bytes) -> dict[str, DecodedValue]:
    """Decode arguments to values by name; a parameter without a name has its position. Raises: AbiDecodeError."""
    decoded: dict[str, DecodedValue] = _ValueReader(arguments).read_sequence(inputs, 0)
    return decoded


def name_of(parameter: Parameter, position: int) -> str:
    """Return the name of a parameter, or its position."""
    return parameter.name or str(position)


class _ValueReader:
    def __init__(self, data: bytes) -> None:
        self._reader = Reader(data)
        self._left = MAX_DECODED_VALUES

    def read_sequence(self, parameters: tuple[Parameter, ...], start: int) -> dict[str, DecodedValue]:
        """Read the parts of a tuple, or the arguments of a function, whose heads begin at `start`."""
        values: dict[str, DecodedValue] = {}
        at = start
        for position, parameter in enumerate(parameters):
            values[name_of(parameter, position)] = self._read(parameter.type, at, start)
            at += parameter.type.head_size
        return values

    def _read(self, kind: AbiType, at: int, start: int) -> DecodedValue:
        """Read the value whose head is at `at`; offsets count from `start`."""
        self._left -= 1
        if self._left < 0:
            raise AbiDecodeError(f"expected at most {MAX_DECODED_VALUES} values")
        place = start + self._reader.word(at) if kind.is_dynamic else at
        if kind.dimensions:
            return self._read_array(kind, place)
        if kind.base == "tuple":
            return self.read_sequence(kind.components, place)
        if kind.base in ("bytes", "string"):
            data = self._reader.blob(place)
            return data.hex0x() if kind.base == "bytes" else bytes(data).decode("utf-8", "replace")
        return self._read_word(kind.base, place)

    def _read_array(self, kind: AbiType, place: int) -> list[DecodedValue]:
        count = kind.dimensions[-1]
        if count is None:
            count, place = self._reader.word(place), place + 32
        size = kind.item.head_size
        return [self._read(kind.item, place + size * index, place) for index in range(count)]

    def _read_word(self, base: str, at: int) -> DecodedValue:
        if base == "address":
            return str(Address(self._reader.address(at)))
        word = self._reader.word(at)
        if base == "bool":
            _check(word <= 1, base)
            return bool(word)
        if base.startswith("bytes"):
            return Data(self._reader.fixed_bytes(at, int(base[5:]))).hex0x()
        if base.startswith("uint"):
            _check(word >> int(base[4:]) == 0, base)
            return str(word)
        bits = int(base[3:])
        number = word - (1 << 256) if word >> 255 else word
        _check(-(1 << bits - 1) <= number < 1 << bits - 1, base)
        return str(number)


def _check(fits: bool, base: str) -> None:
    if not fits:
        raise AbiDecodeError(f"expected a word that is a {base}")
