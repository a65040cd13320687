"""An organisation's audit log: a hash chain of entries that reveals any change or removal of an entry.

An entry is stored as one line of canonical JSON; any other JSON text of the same entry counts as altered. The head (the
number of entries and the newest entry's hash) is stored separately, so that a cut at the end is noticed too. A writer
of both the entries and the head can replace or empty the whole log. Two checks detect that: anchors, which are heads
stored elsewhere (`domain/anchor.py`), and the entries that the records of organisations and API keys require.
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
from wallet_rpc.wire import dump_json, parse_json, shape


class EventKind(StrEnum):
    """The kind of an audited event."""

    ORGANIZATION_CREATED = "organization.created"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    TOKEN_CREATED = "token.created"  # noqa: S105  # the name of an event
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  # the name of an event
    GRANT_REQUESTED = "grant.requested"
    """A session was created, for its owner to sign."""
    GRANT_REGISTERED = "grant.registered"
    GRANT_REVOKED = "grant.revoked"
    GRANT_POLICY_CHANGED = "grant.policy.changed"
    """The warnings about grants that are errors were changed; `refusedWarnings` lists all of them."""
    SESSION_PAUSED = "session.paused"
    SESSION_RESUMED = "session.resumed"
    SESSION_KEY_ROTATED = "session.key-rotated"
    """Another key was read back from the chain as that of the session."""
    STOP_SET = "stop.set"
    """A kill switch was set."""
    STOP_REMOVED = "stop.removed"
    """A kill switch that pauses was removed."""
    GRANT_TAGGED = "grant.tagged"
    """The tags of a session were replaced."""
    CALL_SENT = "call.sent"
    RULES_CHANGED = "rules.changed"
    APPROVAL_REQUESTED = "approval.requested"
    """A call waits for an approval."""
    APPROVAL_GRANTED = "approval.granted"
    APPROVAL_REJECTED = "approval.rejected"
    CHAIN_REQUESTED = "chain.requested"
    """A chain method that changes state was requested. It is forwarded after this entry is written."""
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_DELETED = "webhook.deleted"
    DENIED = "denied"


@shape
class AuditEvent:
    """An audited event. `actor` is an API key's id, the key's id and a token's id (`key/token`), or `cli`."""

    kind: EventKind
    at: UnixSeconds
    actor: str
    facts: dict[str, Any]
    """Details of the event as JSON values, without secrets."""


@shape
class AuditEntry:
    """An event in the hash chain."""

    version: int = RECORD_VERSION
    number: int
    """From 0, without gaps."""
    event: AuditEvent
    previous: str
    """The hash of the previous entry; 64 zeros in the first."""
    hash: str
    """SHA-256, in hex, over the canonical JSON of the other fields."""


@dataclass(frozen=True, slots=True)
class LogHead:
    """The end of a log: the number of entries and the hash of the newest."""

    count: int
    hash: str


EMPTY_HEAD = LogHead(0, "0" * 64)
"""The head of a log without entries."""


class IntegrityFailureReason(StrEnum):
    """The kind of damage at an entry of a log."""

    ALTERED = "altered"
    CUT_OUT = "cut out"
    CUT_OFF = "cut off at the end"
    REORDERED = "reordered"
    ADDED = "added"
    """An entry that the log never contained."""
    REPLACED = "replaced by another log than the one that was anchored"
    EMPTIED = "emptied"
    MISSING = "missing: an entry that an organisation or key asks for"


@dataclass(frozen=True, slots=True)
class IntegrityFailure:
    """The number of the first damaged entry, and the kind of damage."""

    number: int
    reason: IntegrityFailureReason


@dataclass(frozen=True, slots=True)
class ExpectedEntry:
    """An entry that a record outside the log requires: its kind and, if it is about an API key, the key's id."""

    kind: EventKind
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class VerificationState:
    """The result of reading a log from its start up to some line."""

    head: LogHead = EMPTY_HEAD
    """The end of the intact part."""
    failure: IntegrityFailure | None = None
    expected: frozenset[LogHead | ExpectedEntry] = frozenset()
    """Anchored heads and required entries that have not been read yet."""


def next_line(head: LogHead, event: AuditEvent) -> tuple[LogHead, str]:
    """Return the head and the line, without a line break, of the entry that follows a head.

    Raises: ValueError when JSON encoding would change the facts.
    """
    unhashed = AuditEntry(number=head.count, event=event, previous=head.hash, hash="")
    try:
        entry = parse_json(dump_json(AuditEntry, unhashed))
        if entry["event"]["facts"] != event.facts:
            raise _facts_error()
        entry["hash"] = _hash(entry)
        return LogHead(head.count + 1, entry["hash"]), canonical_json(entry)
    except ValueError as error:
        raise _facts_error() from error


def _facts_error() -> ValueError:
    return ValueError("expected the facts of an event to be the same after encoding as JSON and decoding")


def verify_line(state: VerificationState, line: bytes) -> VerificationState:
    """Return the state after the next line of the log.

    An entry that was altered and hashed again is detected at the next entry, which has the hash of the original.
    """
    entry = _parse_entry(line)
    failure = state.failure
    if failure is not None:
        is_cut_out = failure.reason is IntegrityFailureReason.CUT_OUT
        if is_cut_out and entry is not None and entry["number"] == failure.number:
            return replace(state, failure=replace(failure, reason=IntegrityFailureReason.REORDERED))
        return state
    number = state.head.count
    if entry is None:
        failure = IntegrityFailure(number, IntegrityFailureReason.ALTERED)
    elif entry["number"] > number:
        failure = IntegrityFailure(number, IntegrityFailureReason.CUT_OUT)
    elif entry["number"] < number:
        failure = IntegrityFailure(number, IntegrityFailureReason.ADDED)
    elif entry.get("previous") != state.head.hash:
        failure = IntegrityFailure(max(number - 1, 0), IntegrityFailureReason.ALTERED)
    else:
        head = LogHead(number + 1, entry["hash"])
        return replace(state, head=head, expected=state.expected - {head, _identify_entry(entry)})
    return replace(state, failure=failure)


def _identify_entry(entry: dict[str, Any]) -> ExpectedEntry | None:
    """Return the requirement that an entry fulfils; None for an event that no other record requires."""
    match entry.get("event"):
        case {"kind": EventKind.ORGANIZATION_CREATED}:
            return ExpectedEntry(EventKind.ORGANIZATION_CREATED)
        case {"kind": EventKind.KEY_CREATED | EventKind.KEY_REVOKED as kind, "facts": {"keyId": str(key_id)}}:
            return ExpectedEntry(EventKind(kind), key_id)
        case _:
            return None


def finish_verification(state: VerificationState, stored: LogHead) -> IntegrityFailure | None:
    """Return the first failure of a log that was read to its end.

    None when the log is intact, ends with the `stored` head, and contains every expected head and entry.
    """
    head = state.head
    if state.failure is not None:
        return state.failure
    if head.count < stored.count:
        return IntegrityFailure(head.count, IntegrityFailureReason.CUT_OFF)
    if head.count > stored.count:
        return IntegrityFailure(stored.count, IntegrityFailureReason.ADDED)
    if head != stored:
        return IntegrityFailure(max(head.count - 1, 0), IntegrityFailureReason.ALTERED)
    return _check_expected(head, state.expected - {EMPTY_HEAD})


def _check_expected(head: LogHead, missing: frozenset[LogHead | ExpectedEntry]) -> IntegrityFailure | None:
    """Return the failure of an intact log from which expected heads or entries are `missing`; None if none are."""
    if not missing:
        return None
    if head == EMPTY_HEAD:
        return IntegrityFailure(0, IntegrityFailureReason.EMPTIED)
    anchored = min((each.count for each in missing if isinstance(each, LogHead)), default=None)
    if anchored is None:
        return IntegrityFailure(head.count, IntegrityFailureReason.MISSING)
    if anchored > head.count:
        return IntegrityFailure(head.count, IntegrityFailureReason.CUT_OFF)
    return IntegrityFailure(max(anchored - 1, 0), IntegrityFailureReason.REPLACED)


def verify_log(
    lines: Iterable[bytes], stored: LogHead, expected: frozenset[LogHead | ExpectedEntry] = frozenset()
) -> IntegrityFailure | None:
    """Return the first failure of a log with these lines and this stored head; None when it is intact."""
    state = VerificationState(expected=expected)
    for line in lines:
        state = verify_line(state, line)
    return finish_verification(state, stored)


def _parse_entry(line: bytes) -> dict[str, Any] | None:
    """Parse the entry of a line, of any version; None unless the line is canonical JSON and has the hash it states."""
    try:
        value = from_json(line, allow_inf_nan=False)
        is_intact = canonical_json(value).encode() == line and value["hash"] == _hash(value)
    except (ValueError, TypeError, KeyError):
        return None
    return value if is_intact and isinstance(value.get("number"), int) else None


def _hash(value: dict[str, Any]) -> str:
    """Hash an encoded entry without its own `hash`."""
    rest = {name: part for name, part in value.items() if name != "hash"}
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """Encode a value as JSON with sorted keys, without spaces and without escapes of non-ASCII characters."""
    return _CANONICAL.encode(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
