"""Arguments of a call, read at a path of the function's types: `1`, `0.2` in a tuple, `1.*` for each item of an array.

Only the value at the path is read, and as strictly as Solidity reads it: a word that does not fit its type is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from eth_abi.grammar import ABIType, BasicType, TupleType, normalize, parse

from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader
from wallet_rpc.primitives import Address

ArgumentValue: TypeAlias = int | bytes
"""An argument in a form that compares: an integer for address, bool and numbers, else bytes."""
_EACH = "*"
_NUMBER = re.compile(r"-?[0-9]{1,78}|0x[0-9a-fA-F]{1,64}", re.ASCII)
_MAX_VALUES = 1000
"""Maximum number of values at a path with `*`."""
MAX_PARTS = 5000
"""Maximum number of arrays, tuples and values on the paths of one rule, in all calls of an operation.

Offsets of nested arrays may all point at the same bytes, so little data can have billions of them."""
_WORD_BITS = 256


@lru_cache(maxsize=1024)
def parse_types(function: str) -> TupleType:
    """Return the types of a function's signature, which `function_text.parse_function` accepted."""
    types = parse(normalize(function[function.index("(") :]))  # type: ignore[no-untyped-call]  # eth-abi 6 has no type
    if not isinstance(types, TupleType):
        raise TypeError(f"expected the types of arguments, got {types}")
    return types


def find_type(types: TupleType, path: Sequence[str]) -> BasicType | None:
    """Return the type of the value at a path; None if there is no single value."""
    kind: ABIType = types
    for step in path:
        if kind.is_array:
            dimension = kind.arrlist[-1]
            if step != _EACH and dimension and int(step) >= dimension[0]:
                return None
            kind = kind.item_type
        elif isinstance(kind, TupleType) and step != _EACH and int(step) < len(kind.components):
            kind = kind.components[int(step)]
        else:
            return None
    return kind if isinstance(kind, BasicType) and not kind.is_array else None


def name_type(kind: ABIType) -> str:
    """Return the Solidity name of a type."""
    return str(kind.to_type_str())  # type: ignore[no-untyped-call]  # eth-abi 6 has no type


def parse_value(kind: BasicType, text: str) -> ArgumentValue:
    """Parse a value of a type from the text of a rule. Raises: ValueError."""
    match kind.base:
        case "address":
            return int.from_bytes(Address.parse(text))
        case "bool":
            return ("false", "true").index(text)
        case "uint" | "int":
            if _NUMBER.fullmatch(text) is None:
                raise ValueError(f"{text} is not a number")
            number = int(text, 16) if text[:2] == "0x" else int(text)
            least = -(1 << kind.sub - 1) if kind.base == "int" else 0
            if not least <= number < 1 << (kind.sub - (kind.base == "int")):
                raise ValueError(f"{number} is not a {name_type(kind)}")
            return number
        case "string":
            return text.encode()
        case "bytes":
            value = bytes.fromhex(text.removeprefix("0x"))
            if not text.startswith("0x") or (kind.sub is not None and len(value) != kind.sub):
                raise ValueError(f"{text} is not a {name_type(kind)}")
            return value
        case _:
            raise ValueError(f"values of type {name_type(kind)} cannot be compared")


@dataclass(slots=True)
class PartsLeft:
    """Number of arrays, tuples and values that may still be read."""

    count: int = MAX_PARTS

    def take(self) -> None:
        """Count one. Raises: AbiDecodeError when none is left."""
        self.count -= 1
        if self.count < 0:
            raise AbiDecodeError(f"expected at most {MAX_PARTS} arrays, tuples and values, got more")


class _PartReader(Reader):
    """Reader of arguments that counts the parts it is at."""

    def __init__(self, data: bytes, left: PartsLeft) -> None:
        super().__init__(data)
        self.left = left


def read_values(
    types: TupleType, arguments: bytes, path: Sequence[str], *, left: PartsLeft
) -> tuple[ArgumentValue, ...]:
    """Return the values at a path. Raises: AbiDecodeError when they cannot be decoded, or are too many."""
    values: list[ArgumentValue] = []
    for value in _read(types, _PartReader(arguments, left), 0, tuple(path)):
        values.append(value)
        if len(values) > _MAX_VALUES:
            raise AbiDecodeError(f"expected at most {_MAX_VALUES} values, got more")
    return tuple(values)


def _read(kind: ABIType, reader: _PartReader, at: int, path: tuple[str, ...]) -> Iterator[ArgumentValue]:
    """Yield the values at a path inside of the value that is encoded at byte `at`."""
    reader.left.take()
    if not path:
        yield _read_value(kind, reader, at)
    elif kind.is_array:
        dimension = kind.arrlist[-1]
        count, start = (dimension[0], at) if dimension else (reader.word(at), at + 32)
        if path[0] != _EACH and int(path[0]) >= count:
            raise AbiDecodeError(f"expected an item {path[0]}, got {count} items")
        if count > _MAX_VALUES:
            raise AbiDecodeError(f"expected at most {_MAX_VALUES} items, got {count}")
        indexes = range(count) if path[0] == _EACH else (int(path[0]),)
        size = _head_size(kind.item_type)
        for index in indexes:
            yield from _read_part(kind.item_type, reader, (start, start + index * size), path[1:])
    elif isinstance(kind, TupleType):
        index = int(path[0])
        head = at + sum(_head_size(each) for each in kind.components[:index])
        yield from _read_part(kind.components[index], reader, (at, head), path[1:])


def _read_part(
    kind: ABIType, reader: _PartReader, place: tuple[int, int], path: tuple[str, ...]
) -> Iterator[ArgumentValue]:
    """Yield values of a part; its place is the start of what contains it, and its own head."""
    start, head = place
    yield from _read(kind, reader, start + reader.word(head) if kind.is_dynamic else head, path)


def _head_size(kind: ABIType) -> int:
    """Return the number of bytes that a type takes where it is contained: an offset for a dynamic one."""
    if kind.is_dynamic:
        return 32
    if kind.is_array:
        return int(kind.arrlist[-1][0]) * _head_size(kind.item_type)
    return sum(map(_head_size, kind.components)) if isinstance(kind, TupleType) else 32


def _read_value(kind: ABIType, reader: Reader, at: int) -> ArgumentValue:
    if not isinstance(kind, BasicType):
        raise AbiDecodeError(f"expected one value, got a {name_type(kind)}")
    match kind.base:
        case "string" | "bytes" if kind.sub is None:
            return reader.blob(at)
        case "bytes":
            return reader.fixed_bytes(at, kind.sub)
        case "address":
            return int.from_bytes(reader.address(at))
        case "int":
            return _read_signed(reader.word(at), kind.sub)
        case _:
            word = reader.word(at)
            if word >> (1 if kind.base == "bool" else kind.sub):
                raise AbiDecodeError(f"expected a {name_type(kind)} at byte {at}, got {word:#x}")
            return word


def _read_signed(word: int, bits: int) -> int:
    value = word - (1 << _WORD_BITS) if word >> (_WORD_BITS - 1) else word
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise AbiDecodeError(f"expected an int{bits}, got {value}")
    return value
