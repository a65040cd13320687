"""Signed transactions, and the same without their signatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]  # rlp 5 has no py.typed
from rlp.exceptions import RLPException  # type: ignore[import-untyped]  # rlp 5 has no py.typed

_SIGNED_FIELDS = {0: 9, 1: 11, 2: 12, 3: 14, 4: 13}
"""The number of fields of a signed transaction by its type; 0 is the form without a type (EIP-155)."""
_SIGNATURE_FIELDS = 3
"""The last fields of a signed transaction, and of an authorization: parity, r and s."""
_AUTHORIZATION_TYPE, _AUTHORIZATION_FIELDS = 4, 6


@dataclass(frozen=True, slots=True)
class SplitTransaction:
    """A transaction without signatures as hex, and the numbers r and s of all signatures as hex digits."""

    unsigned: str
    numbers: tuple[str, ...]


def split_transaction(text: str) -> SplitTransaction | None:
    """Take the signatures from a signed transaction in hex, also those of its authorizations (EIP-7702).

    Returns None for any other text.
    """
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
        kind = raw[0] if raw[:1] < b"\x80" else 0
        fields = rlp.decode(raw[1:] if kind else raw)
    except (ValueError, IndexError, RLPException):
        return None
    if kind == 3 and isinstance(fields, list) and fields and isinstance(fields[0], list):
        fields = fields[0]  # the form with blobs (EIP-4844)
    if not isinstance(fields, list) or len(fields) != _SIGNED_FIELDS.get(kind):
        return None
    numbers = [*fields[-2:]]
    unsigned = fields[:-_SIGNATURE_FIELDS]
    if kind == _AUTHORIZATION_TYPE:
        unsigned[-1] = [_strip_authorization(each, numbers) for each in unsigned[-1]]
    prefix = bytes([kind] if kind else [])
    hidden = tuple(each.hex() for each in numbers if isinstance(each, bytes))
    return SplitTransaction(f"0x{(prefix + rlp.encode(unsigned)).hex()}", hidden)


def _strip_authorization(fields: Any, numbers: list[Any]) -> Any:
    if not isinstance(fields, list) or len(fields) != _AUTHORIZATION_FIELDS:
        return fields
    numbers += fields[-2:]
    return fields[:-_SIGNATURE_FIELDS]
