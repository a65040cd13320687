"""Keys in Redis that have state of an embedded chain, and so go back with it (specs/state.md lists all keys)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

_KEY = re.compile(r"(?:org_[0-9A-Za-z]+:)?\{([^}]*)\}(?::(.*))?", re.DOTALL)
_CHAIN_TAG = re.compile(r"account:[0-9a-f]{40}:(\d+)|(?:call|nonce|relayer|sponsored):(\d+):.+")
_MEMBERS = {
    "sessions": frozenset({"entries", "tags"}),  # the sorted sets next to them follow from these
    "approvals": frozenset({""}),
    "stops": frozenset({"open", "open-by-session"}),
    "holder": frozenset({"unsigned-ids"}),
    "events": frozenset({"marks", "announced", "due"}),
}
"""The rest of the keys, by the first word of the tag, that have members of each chain."""
_COMMON = {
    "signer": None,
    "address": None,
    "account-id": None,
    "groups": None,
    "policy": None,
    "stops": frozenset({""}),
}
"""The rest of the keys, by the first word of the tag, that all chains have in common; None: any rest."""
TYPES: Mapping[str, Mapping[str, str]] = {
    "account": {
        "unsigned:*": "string",
        "unsigned-ids:*": "zset",
        "session:*": "hash",
        "trust:*": "string",
        "calls:*": "zset",
        "entities": "hash",
        "revoked": "set",
        "paused": "hash",
        "created": "zset",
        "created:*": "string",
        "controllers": "hash",
        "consent:*": "string",
        "end:*": "string",
        "rules:*": "hash",
        "rules-unsigned": "set",
        "usage:*": "hash",
        "usage:*:open": "hash",
        "usage:*:rate": "zset",
        "usage:*:settled": "zset",
    },
    "call": {"": "hash", "signed": "string", "events": "list"},
    "nonce": {"": "hash"},
    "relayer": {"": "hash"},
    "sponsored": {"": "string"},
    "sessions": {"entries": "hash", "tags": "hash"},
    "approvals": {"": "zset"},
    "stops": {"": "hash", "open": "zset", "open-by-session": "zset"},
    "holder": {"unsigned-ids": "zset"},
    "events": {"marks": "zset", "announced": "hash", "due": "zset"},
    "signer": {"accounts": "list", "index": "hash", "confirmed": "hash"},
    "address": {"signers": "zset"},
    "account-id": {"signers": "zset"},
    "groups": {"records": "hash", "sessions": "hash", "revoked": "hash", "listed": "zset", "ending": "zset"},
    "policy": {"sums": "hash", "promises": "hash", "due": "zset", "ended": "zset"},
}
"""Types of the values, by the first word of the tag and the rest of the key; `*` is its second part, an id."""


class Extent(Enum):
    """Part of a key's value that is state of one chain."""

    WHOLE = auto()
    MEMBERS = auto()
    """Those of its members that name the chain."""
    COMMON = auto()
    """No part, as it is state of all chains of the server together."""


@dataclass(frozen=True, slots=True)
class StateKey:
    """Place of a key in the state of chains."""

    extent: Extent
    type: str | None
    """Type of the value in Redis; None for a key that this version does not write."""
    chain_id: int | None = None
    """Id of the chain that has the whole value."""


def find_state_key(name: str) -> StateKey | None:
    """Return the place of a key, without the store's prefix; None for one that stays when a chain is reverted."""
    match = _KEY.fullmatch(name)
    if match is None:
        return None
    tag, rest = match[1], match[2] or ""
    kind = tag.partition(":")[0]
    value_type = TYPES.get(kind, {}).get(_replace_id(rest))
    chain = _CHAIN_TAG.fullmatch(tag)
    if chain is not None:
        return StateKey(Extent.WHOLE, value_type, int(chain[1] or chain[2]))
    if rest in _MEMBERS.get(kind, ()):
        return StateKey(Extent.MEMBERS, value_type)
    rests = _COMMON.get(kind, frozenset())
    return StateKey(Extent.COMMON, value_type) if rests is None or rest in rests else None


def _replace_id(rest: str) -> str:
    """Return the rest of a key with `*` in the place of its second part."""
    parts = rest.split(":")
    return ":".join([*parts[:1], *("*" for _ in parts[1:2]), *parts[2:]])
