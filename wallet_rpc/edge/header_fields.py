"""Header fields of a request, looked up by name."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Scope

_KEY = "wallet_rpc.header_fields"


class HeaderFields:
    """The header fields of one request. Names are in lower case; values are text in Latin-1, as HTTP has it.

    Starlette's `Headers` searches the list of fields at each look-up.
    """

    __slots__ = ("_all", "_first")

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        self._all = [*fields]
        self._first = dict(reversed(self._all))

    @classmethod
    def of(cls, scope: Scope) -> HeaderFields:
        """Return the fields of the request with this ASGI scope, which keeps them."""
        fields: HeaderFields | None = scope.get(_KEY)
        if fields is None:
            fields = scope[_KEY] = cls(scope["headers"])
        return fields

    def __contains__(self, name: bytes) -> bool:
        """Return True if the request has this field."""
        return name in self._first

    def get(self, name: bytes, default: str = "") -> str:
        """Return the first value of a field."""
        value = self._first.get(name)
        return default if value is None else value.decode("latin-1")

    def values_of(self, name: bytes) -> list[str]:
        """Return all values of a field."""
        if name not in self._first:
            return []
        return [value.decode("latin-1") for other, value in self._all if other == name]

    @property
    def names(self) -> str:
        """The names of all fields, one a line."""
        return b"\n".join(self._first).decode("latin-1")
