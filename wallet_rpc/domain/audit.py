"""An organisation's log: every entry is hashed over the one before, so that none can be changed or cut out unseen.

The rule: an entry is kept as one line of canonical JSON, and any other spelling of it counts as altered. How many
entries there are and the newest one's hash, the head, is kept apart from them, so that the end cannot be cut off unseen
either. A writer of both can write a whole new log, or none: an anchor (`domain/anchor.py`), which is a head that is
kept elsewhere, and the entries that other records ask for show that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic_core import from_json

from wallet_rpc.domain.records import VERSION
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.wire import decode, encode, shape


class EventKind(StrEnum):
    """What happened."""

    ORGANIZATION_CREATED = "organization.created"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    TOKEN_CREATED = "token.created"  # noqa: S105  # a name of what happened
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  # a name of what happened
    GRANT_REQUESTED = "grant.requested"
    """A session was made, for its owner to sign."""
    GRANT_REGISTERED = "grant.registered"
    GRANT_REVOKED = "grant.revoked"
    CALL_SENT = "call.sent"
    CHAIN_REQUESTED = "chain.requested"
    """A method of the chain that changes something was asked for, and is handed on after this entry is written."""
    DENIED = "denied"


@shape
class Event:
    """What happened, when, and who did it: a key's id, `cli`, or a token's id behind its key's."""

    kind: EventKind
    at: UnixSeconds
    actor: str
    facts: dict[str, Any]
    """What it was about, in JSON's own types; nothing that is secret."""


@shape
class Entry:
    """An event in its place."""

    version: int = VERSION
    number: int
    """From 0, without gaps."""
    event: Event
    previous: str
    """The hash of the entry before; 64 zeros in the first."""
    hash: str
    """SHA-256, in hex, over the canonical JSON of all else."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log: how many entries there are, and the hash of the newest."""

    count: int
    hash: str


NOTHING = Head(0, "0" * 64)
"""The head of a log without entries."""


class Why(StrEnum):
    """What is wrong at a place of a log."""

    ALTERED = "altered"
    CUT_OUT = "cut out"
    CUT_OFF = "cut off at the end"
    REORDERED = "reordered"
    ADDED = "added"
    """What stands there is none of the log's own."""
    REPLACED = "replaced by another log than the one that was anchored"
    EMPTIED = "emptied"
    MISSING = "missing: an entry that an organisation or key asks for"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry that is not there as it was written."""

    number: int
    why: Why


@dataclass(frozen=True, slots=True)
class Trace:
    """An entry that a record kept outside the log asks for: of this kind, and about this key where one is named."""

    kind: EventKind
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a log from its beginning has shown so far."""

    head: Head = NOTHING
    """The end of what is whole."""
    broken: Broken | None = None
    expected: frozenset[Head | Trace] = frozenset()
    """Anchored heads that the log has not reached yet, and entries that it has not shown yet."""


def next_entry(head: Head, event: Event) -> Entry:
    """The entry that follows a head. Raises: ValueError when the facts are not the same after a way through JSON."""
    unhashed = Entry(number=head.count, event=event, previous=head.hash, hash="")
    try:
        entry = replace(unhashed, hash=_hash(encode(Entry, unhashed)))
        is_kept = decode(Entry, from_json(line_of(entry))) == entry
    except ValueError as error:
        raise _not_kept() from error
    if not is_kept:
        raise _not_kept()
    return entry


def _not_kept() -> ValueError:
    return ValueError("facts of an event that JSON does not keep as they are")


def line_of(entry: Entry) -> str:
    """An entry as it is kept."""
    return canonical(encode(Entry, entry))


def follow(reading: Reading, line: bytes) -> Reading:
    """What is known of a log once its next line was read too.

    An entry that was altered and hashed anew is found by the one after it, which was hashed over the older words.
    """
    known, broken = _own(line), reading.broken
    if broken is not None:
        is_it = broken.why is Why.CUT_OUT and known is not None and known["number"] == broken.number
        return replace(reading, broken=replace(broken, why=Why.REORDERED)) if is_it else reading
    expected = reading.head.count
    if known is None:
        broken = Broken(expected, Why.ALTERED)
    elif known["number"] > expected:
        broken = Broken(expected, Why.CUT_OUT)
    elif known["number"] < expected:
        broken = Broken(expected, Why.ADDED)
    elif known.get("previous") != reading.head.hash:
        broken = Broken(max(expected - 1, 0), Why.ALTERED)
    else:
        head = Head(expected + 1, known["hash"])
        return replace(reading, head=head, expected=reading.expected - {head, _trace(known)})
    return replace(reading, broken=broken)


def _trace(known: dict[str, Any]) -> Trace | None:
    """What the entry of a line proves; None for an event that no other record asks for."""
    match known.get("event"):
        case {"kind": EventKind.ORGANIZATION_CREATED}:
            return Trace(EventKind.ORGANIZATION_CREATED)
        case {"kind": EventKind.KEY_CREATED | EventKind.KEY_REVOKED as kind, "facts": {"keyId": str(key_id)}}:
            return Trace(EventKind(kind), key_id)
        case _:
            return None


def conclude(reading: Reading, kept: Head) -> Broken | None:
    """What is wrong with a log that was read to its end.

    None when it is whole, ends with the head that was kept, and has shown everything that was expected of it.
    """
    found = reading.head
    if reading.broken is not None:
        return reading.broken
    if found.count < kept.count:
        return Broken(found.count, Why.CUT_OFF)
    if found.count > kept.count:
        return Broken(kept.count, Why.ADDED)
    if found != kept:
        return Broken(max(found.count - 1, 0), Why.ALTERED)
    return _unmet(found, reading.expected - {NOTHING})


def _unmet(found: Head, expected: frozenset[Head | Trace]) -> Broken | None:
    """What is wrong with a log that is whole but lacks what was expected of it."""
    if not expected:
        return None
    if found == NOTHING:
        return Broken(0, Why.EMPTIED)
    anchored = min((each.count for each in expected if isinstance(each, Head)), default=None)
    if anchored is None:
        return Broken(found.count, Why.MISSING)
    return Broken(found.count, Why.CUT_OFF) if anchored > found.count else Broken(max(anchored - 1, 0), Why.REPLACED)


def verify(lines: Iterable[bytes], kept: Head, expected: frozenset[Head | Trace] = frozenset()) -> Broken | None:
    """The first fault of a log, by its lines and the head that was kept of it; None when it is whole."""
    reading = Reading(expected=expected)
    for line in lines:
        reading = follow(reading, line)
    return conclude(reading, kept)


def _own(line: bytes) -> dict[str, Any] | None:
    """The entry of a line, of any version; None when the line is not what its hash was made over."""
    try:
        value = from_json(line, allow_inf_nan=False)
        is_own = canonical(value).encode() == line and value["hash"] == _hash(value)
    except (ValueError, TypeError, KeyError):
        return None
    return value if is_own and isinstance(value.get("number"), int) else None


def _hash(value: dict[str, Any]) -> str:
    rest = {name: part for name, part in value.items() if name != "hash"}
    return hashlib.sha256(canonical(rest).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, every letter as itself."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
