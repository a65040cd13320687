"""How a vector is read and compared: hex text as bytes, whatever its letter case, and every key accounted for."""

from __future__ import annotations

from typing import Any

from eth_keys.datatypes import PrivateKey

from wallet_rpc.domain.signature import SIGNATURE_SIZE
from wallet_rpc.primitives import Address, Data

Vector = dict[str, Any]


class MismatchError(Exception):
    """A field of a vector that is not what we compute."""


class Answers:
    """The fields of a vector: inputs are taken, answers are compared, and at the end none may be left."""

    def __init__(self, vector: Vector, *, ignore: tuple[str, ...] = ("id", "kind", "note")) -> None:
        self._fields = vector
        self._left = set(vector) - set(ignore)

    def has(self, name: str) -> bool:
        return name in self._fields

    def take(self, name: str) -> Any:
        """An input."""
        self._left.discard(name)
        return self._fields[name]

    def address(self, name: str) -> Address:
        return address(self.take(name))

    def data(self, name: str) -> Data:
        return data(self.take(name))

    def number(self, name: str) -> int:
        return number(self.take(name))

    def check(self, **computed: object) -> None:
        """Answers: each must be in the vector and equal; bytes, numbers, and lists of them are told by our own type."""
        for name, value in computed.items():
            if name not in self._fields:
                raise MismatchError(f"{name}: the vector has no such field")
            self._left.discard(name)
            same(name, value, self._fields[name])

    def finish(self) -> None:
        """Raises MismatchError when a field was neither taken nor compared."""
        if self._left:
            raise MismatchError(f"fields never looked at: {', '.join(sorted(self._left))}")


def same(name: str, computed: object, expected: Any) -> None:
    """Compare by our own type: bytes and integers with hex text, containers item by item, anything else as it is."""
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
            for place, item in enumerate(computed):
                same(f"{name}[{place}]", item, expected[place])
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
    """Hex text of any length."""
    return Data.parse(text)


def address(text: str) -> Address:
    """Hex text of 20 bytes, in any letter case."""
    return Address(Data.parse(text))


def number(value: str | int) -> int:
    """Hex text, or a JSON number."""
    return int(value, 16) if isinstance(value, str) else value


def private_key(text: str) -> PrivateKey:
    """A throw-away key."""
    return PrivateKey(data(text))


def owner_of(text: str) -> Address:
    """The address of a throw-away key."""
    return Address(private_key(text).public_key.to_canonical_address())


def sign(text: str, digest: bytes) -> Data:
    """r | s | v (27 or 28) by a throw-away key; deterministic (RFC 6979)."""
    made = private_key(text).sign_msg_hash(digest).to_bytes()
    return Data(made[: SIGNATURE_SIZE - 1] + bytes([27 + made[-1]]))
