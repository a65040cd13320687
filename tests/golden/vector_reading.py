"""Reading and comparison of vectors: hex text as bytes in any letter case, with every key accounted for."""

from __future__ import annotations

from typing import Any

from eth_keys.datatypes import PrivateKey

from tests.support.keys import address_of, sign_hash
from wallet_rpc.primitives import Address, Data

Vector = dict[str, Any]


class MismatchError(Exception):
    """A field of a vector that differs from the computed value."""


class Answers:
    """The fields of a vector: inputs are taken, answers are compared, and `finish` checks that none is left."""

    def __init__(self, vector: Vector, *, ignore: tuple[str, ...] = ("id", "kind", "note")) -> None:
        self._fields = vector
        self._left = set(vector) - set(ignore)

    def has(self, name: str) -> bool:
        return name in self._fields

    def take(self, name: str) -> Any:
        """Return an input, and mark it as used."""
        self._left.discard(name)
        return self._fields[name]

    def address(self, name: str) -> Address:
        return address(self.take(name))

    def data(self, name: str) -> Data:
        return data(self.take(name))

    def number(self, name: str) -> int:
        return number(self.take(name))

    def check(self, **computed: object) -> None:
        """Compare answers: each must be in the vector and equal to the computed value, by that value's type."""
        for name, value in computed.items():
            if name not in self._fields:
                raise MismatchError(f"{name}: the vector has no such field")
            self._left.discard(name)
            same(name, value, self._fields[name])

    def finish(self) -> None:
        """Check that every field was taken or compared. Raises: MismatchError."""
        if self._left:
            raise MismatchError(f"fields neither taken nor compared: {', '.join(sorted(self._left))}")


def same(name: str, computed: object, expected: Any) -> None:
    """Compare by the computed type: bytes and integers with hex text, containers item by item, others directly."""
    match computed:
        case bytes():
            equal = isinstance(expected, str) and data(expected) == computed
        case bool() | str() | None:
            equal = expected is computed or expected == computed
        case int():
            equal = not isinstance(expected, bool) and number(expected) == computed
        case list() | tuple():
            if not isinstance(expected, list) or len(expected) != len(computed):
                raise MismatchError(f"{name}: computed {len(computed)} items, expected {expected!r:.80}")
            for index, item in enumerate(computed):
                same(f"{name}[{index}]", item, expected[index])
            return
        case dict():
            if not isinstance(expected, dict) or set(expected) != set(computed):
                raise MismatchError(f"{name}: computed keys {sorted(computed)}, expected {expected!r:.200}")
            for key, item in computed.items():
                same(f"{name}.{key}", item, expected[key])
            return
        case _:
            equal = False
    if not equal:
        raise MismatchError(f"{name}: computed {computed!r:.200}, expected {expected!r:.200}")


def data(text: str) -> Data:
    """Parse hex text of any length."""
    return Data.parse(text)


def address(text: str) -> Address:
    """Parse hex text of 20 bytes, in any letter case."""
    return Address(Data.parse(text))


def number(value: str | int) -> int:
    """Parse hex text, or return a JSON number."""
    return int(value, 16) if isinstance(value, str) else value


def private_key(text: str) -> PrivateKey:
    """Return a test key."""
    return PrivateKey(data(text))


def owner_of(text: str) -> Address:
    """Return the address of a test key."""
    return address_of(private_key(text))


def sign(text: str, digest: bytes) -> Data:
    """Sign with a test key: r | s | v (27 or 28); deterministic (RFC 6979)."""
    return Data(sign_hash(private_key(text), digest))
