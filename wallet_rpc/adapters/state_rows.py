"""Rows of the state of a chain: the values of keys in Redis, as JSON for a state dump."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from wallet_rpc.adapters.redis_session_index import can_be_indexed
from wallet_rpc.adapters.redis_state_keys import find_state_key
from wallet_rpc.primitives import preview

_FORMAT = 1
_PAIRED = frozenset({"hash", "zset"})
_SCORE = re.compile(rb"-?(?:inf|[0-9]{1,19}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,2})?)")
"""Scores as Redis writes them; it rejects others that Python reads, such as `1_0`, and those beyond a double."""
_INDEX_KEY = re.compile(r"(?:org_[0-9A-Za-z]+:)?\{sessions:[^}]*\}:(entries|tags)")
_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_BYTES = "latin-1"
"""Encoding of bytes as text: a character for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """The value of a key."""

    name: str
    """Key without the store's prefix."""
    kind: str
    """Type in Redis."""
    ends: str
    """Millisecond since 1970 in which the key ends; empty for none."""
    values: tuple[bytes, ...]
    """Values in the order of the type's command: fields and values of a hash, members and scores of a sorted set."""


def format_section(chain_id: int, rows: list[StateRow]) -> dict[str, Any]:
    """Return the wallet's section of a dump of a chain."""
    keys = [[row.name, row.kind, row.ends, [value.decode(_BYTES) for value in row.values]] for row in rows]
    return {"format": _FORMAT, "chainId": chain_id, "keys": keys}


def parse_section(section: object, chain_id: int) -> list[StateRow]:
    """Return the rows of a section. Raises: ValueError for another value, and for keys that are no state of the chain.

    A dump can therefore not bring API keys, tokens or entries of the audit log.
    """
    match section:
        case {"format": found, "chainId": named, "keys": list(keys)} if (found, named) == (_FORMAT, chain_id):
            return [_parse_row(entry, chain_id) for entry in keys]
    raise ValueError(f"a wallet section of format {_FORMAT} with keys of chain {chain_id}")


def _parse_row(entry: object, chain_id: int) -> StateRow:
    match entry:
        case [str(name), str(kind), str(ends), list(texts)] if all(isinstance(text, str) for text in texts):
            place = find_state_key(name)
            values = tuple(text.encode(_BYTES) for text in texts)
            is_state = place is not None and place.chain_id in {None, chain_id} and place.type == kind
            if is_state and _is_complete(kind, ends, values) and _is_readable(name, values):
                return StateRow(name=name, kind=kind, ends=ends, values=values)
    named = preview(entry[0] if isinstance(entry, list) and entry else entry)
    raise ValueError(f"a wallet section whose keys are complete and state of this chain, got {named}")


def _is_complete(kind: str, ends: str, values: tuple[bytes, ...]) -> bool:
    """Return True if Redis takes the values."""
    if not values or not (ends == "" or _MILLISECONDS.fullmatch(ends)):
        return False
    if kind == "zset" and not all(_SCORE.fullmatch(score) for score in values[1::2]):
        return False
    return len(values) == 1 if kind == "string" else kind not in _PAIRED or len(values) % 2 == 0


def _is_readable(name: str, values: tuple[bytes, ...]) -> bool:
    """Return True unless the script that changes the index of sessions would end at the values."""
    index = _INDEX_KEY.fullmatch(name)
    return index is None or all(can_be_indexed(index[1], value) for value in values[1::2])
