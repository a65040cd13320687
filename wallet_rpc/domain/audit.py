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

from wallet_rpc.domain.records import RECORD_VERSION
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
class AuditEvent:
    """What happened, when, and who did it: a key's id, `cli`, or a token's id behind its key's."""

    kind: EventKind
    at: UnixSeconds
    actor: str
    facts: dict[str, Any]
    """What it was about, in JSON's own types; nothing that is secret."""


@shape
class AuditEntry:
    """An event in its place."""

    version: int = RECORD_VERSION
    number: int
    """From 0, without gaps."""
    event: AuditEvent
    previous: str
    """The hash of the entry before; 64 zeros in the first."""
    hash: str
    """SHA-256, in hex, over the canonical JSON of all else."""


@dataclass(frozen=True, slots=True)
class LogHead:
    """The end of a log: how many entries there are, and the hash of the newest."""

    count: int
    hash: str


EMPTY_HEAD = LogHead(0, "0" * 64)
"""The head of a log without entries."""


class IntegrityFailureReason(StrEnum):
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
class IntegrityFailure:
    """The first entry that is not there as it was written."""

    number: int
    reason: IntegrityFailureReason


@dataclass(frozen=True, slots=True)
class ExpectedEntry:
    """An entry that a record kept outside the log asks for: of this kind, and about this key where one is named."""

    kind: EventKind
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class VerificationState:
    """What reading a log from its beginning has shown so far."""

    head: LogHead = EMPTY_HEAD
    """The end of what is whole."""
    failure: IntegrityFailure | None = None
    expected: frozenset[LogHead | ExpectedEntry] = frozenset()
    """Anchored heads that the log has not reached yet, and entries that it has not shown yet."""


def next_entry(head: LogHead, event: AuditEvent) -> AuditEntry:
    """The entry that follows a head. Raises: ValueError when the facts are not the same after a way through JSON."""
    unhashed = AuditEntry(number=head.count, event=event, previous=head.hash, hash="")
    try:
        entry = replace(unhashed, hash=_hash(encode(AuditEntry, unhashed)))
        is_kept = decode(AuditEntry, from_json(format_entry(entry))) == entry
    except ValueError as error:
        raise _facts_error() from error
    if not is_kept:
        raise _facts_error()
    return entry


def _facts_error() -> ValueError:
    return ValueError("facts of an event that JSON does not keep as they are")


def format_entry(entry: AuditEntry) -> str:
    """An entry as it is kept."""
    return canonical_json(encode(AuditEntry, entry))


def verify_line(reading: VerificationState, line: bytes) -> VerificationState:
    """What is known of a log once its next line was read too.

    An entry that was altered and hashed anew is found by the one after it, which was hashed over the older words.
    """
    known, broken = _parse_entry(line), reading.failure
    if broken is not None:
        is_it = (
            broken.reason is IntegrityFailureReason.CUT_OUT and known is not None and known["number"] == broken.number
        )
        return replace(reading, failure=replace(broken, reason=IntegrityFailureReason.REORDERED)) if is_it else reading
    expected = reading.head.count
    if known is None:
        broken = IntegrityFailure(expected, IntegrityFailureReason.ALTERED)
    elif known["number"] > expected:
        broken = IntegrityFailure(expected, IntegrityFailureReason.CUT_OUT)
    elif known["number"] < expected:
        broken = IntegrityFailure(expected, IntegrityFailureReason.ADDED)
    elif known.get("previous") != reading.head.hash:
        broken = IntegrityFailure(max(expected - 1, 0), IntegrityFailureReason.ALTERED)
    else:
        head = LogHead(expected + 1, known["hash"])
        return replace(reading, head=head, expected=reading.expected - {head, _identify_entry(known)})
    return replace(reading, failure=broken)


def _identify_entry(known: dict[str, Any]) -> ExpectedEntry | None:
    """What the entry of a line proves; None for an event that no other record asks for."""
    match known.get("event"):
        case {"kind": EventKind.ORGANIZATION_CREATED}:
            return ExpectedEntry(EventKind.ORGANIZATION_CREATED)
        case {"kind": EventKind.KEY_CREATED | EventKind.KEY_REVOKED as kind, "facts": {"keyId": str(key_id)}}:
            return ExpectedEntry(EventKind(kind), key_id)
        case _:
            return None


def finish_verification(reading: VerificationState, kept: LogHead) -> IntegrityFailure | None:
    """What is wrong with a log that was read to its end.

    None when it is whole, ends with the head that was kept, and has shown everything that was expected of it.
    """
    found = reading.head
    if reading.failure is not None:
        return reading.failure
    if found.count < kept.count:
        return IntegrityFailure(found.count, IntegrityFailureReason.CUT_OFF)
    if found.count > kept.count:
        return IntegrityFailure(kept.count, IntegrityFailureReason.ADDED)
    if found != kept:
        return IntegrityFailure(max(found.count - 1, 0), IntegrityFailureReason.ALTERED)
    return _check_expected(found, reading.expected - {EMPTY_HEAD})


def _check_expected(found: LogHead, expected: frozenset[LogHead | ExpectedEntry]) -> IntegrityFailure | None:
    """What is wrong with a log that is whole but lacks what was expected of it."""
    if not expected:
        return None
    if found == EMPTY_HEAD:
        return IntegrityFailure(0, IntegrityFailureReason.EMPTIED)
    anchored = min((each.count for each in expected if isinstance(each, LogHead)), default=None)
    if anchored is None:
        return IntegrityFailure(found.count, IntegrityFailureReason.MISSING)
    return (
        IntegrityFailure(found.count, IntegrityFailureReason.CUT_OFF)
        if anchored > found.count
        else IntegrityFailure(max(anchored - 1, 0), IntegrityFailureReason.REPLACED)
    )


def verify_log(
    lines: Iterable[bytes], kept: LogHead, expected: frozenset[LogHead | ExpectedEntry] = frozenset()
) -> IntegrityFailure | None:
    """The first fault of a log, by its lines and the head that was kept of it; None when it is whole."""
    reading = VerificationState(expected=expected)
    for line in lines:
        reading = verify_line(reading, line)
    return finish_verification(reading, kept)


def _parse_entry(line: bytes) -> dict[str, Any] | None:
    """The entry of a line, of any version; None when the line is not what its hash was made over."""
    try:
        value = from_json(line, allow_inf_nan=False)
        is_own = canonical_json(value).encode() == line and value["hash"] == _hash(value)
    except (ValueError, TypeError, KeyError):
        return None
    return value if is_own and isinstance(value.get("number"), int) else None


def _hash(value: dict[str, Any]) -> str:
    rest = {name: part for name, part in value.items() if name != "hash"}
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, every letter as itself."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
