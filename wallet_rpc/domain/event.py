"""Events of an organisation: changes of its sessions and calls, as its event log stores and delivers them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.domain.call_state import CallState, status_code
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.domain.times import Time
from wallet_rpc.primitives import (
    Address,
    ChainId,
    Data,
    SessionId,
    malformed_error,
    preview,
    validation_error,
)
from wallet_rpc.wire import shape

_POSITION = re.compile(r"([0-9]{1,16})-([0-9]{1,16})", re.ASCII)


class EventType(StrEnum):
    """The type of an event: its subject, a dot, and what happened."""

    SESSION_CREATED = "session.created"
    """A session was created, for its owner to sign."""
    SESSION_ACTIVATED = "session.activated"
    """The owner's valid signature of the session was presented."""
    SESSION_INSTALLED = "session.installed"
    """A call that installs the session is final."""
    SESSION_PAUSED = "session.paused"
    SESSION_RESUMED = "session.resumed"
    SESSION_REVOKED = "session.revoked"
    """The session was revoked on this server."""
    SESSION_ROTATED = "session.rotated"
    """Another key took over the session."""
    SESSION_REMOVED = "session.removed"
    """The session was uninstalled on chain."""
    SESSION_EXPIRED = "session.expired"
    """The last second in which the session is valid has passed."""
    STOP_SET = "stop.set"
    """A kill switch was set, which stops all sessions of its scope."""
    STOP_REMOVED = "stop.removed"
    """A kill switch was removed."""
    RULE_CHANGED = "rule.changed"
    """The rules of a session were set."""
    APPROVAL_REQUESTED = "approval.requested"
    """A call waits for its approval."""
    APPROVAL_APPROVED = "approval.approved"
    APPROVAL_REJECTED = "approval.rejected"
    APPROVAL_EXPIRED = "approval.expired"
    CALL_SUBMITTED = "call.submitted"
    """The signed call is stored, and its delivery begins."""
    CALL_PENDING = "call.pending"
    """A bundler has the call in its mempool."""
    CALL_INCLUDED = "call.included"
    """The call is in a block that may still be replaced."""
    CALL_REORGED = "call.reorged"
    """The block that had the call was replaced."""
    CALL_CONFIRMED = "call.confirmed"
    """The call succeeded; final."""
    CALL_FAILED = "call.failed"
    """The call reverted, or every bundler refused it; final."""
    CALL_DROPPED = "call.dropped"
    """Another operation used the nonce, or the call's last valid second has passed; final."""
    WEBHOOK_TEST = "webhook.test"
    """A test of one webhook; in no log."""


@shape
class Event:
    """A change of a session or of a call."""

    id: str | None = None
    """Position in the organisation's log, such as `1764500000000-0`; later events have higher ids."""
    type: Annotated[EventType | str, Field(union_mode="left_to_right")]
    """Type of the event, such as `call.confirmed`; one that is not known here was written by a newer server."""
    time: Time
    """Time of the change, as RFC 3339 text in UTC."""
    account: Address | None = None
    """Account that the event is about."""
    chain_id: ChainId | None = None
    """Chain of the account."""
    session_id: SessionId | None = None
    """Session that the event is about, or with which the call was sent."""
    call_id: Data | None = None
    """Id of the call, as `wallet_getCallsStatus` takes it."""
    data: dict[str, Any] = field(default_factory=dict)
    """Further facts, which depend on the type."""
    is_certain: bool = True
    """False if the server ended during the change, which may not have taken effect: read the session or the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedEvent:
    """An event with a mark, under which the log has it only once."""

    mark: str
    """A text without spaces."""
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLimits:
    """The limits of each organisation's event log; the oldest events beyond them are deleted."""

    entries: int = 50_000
    seconds: int = 7 * 86_400


EVENT_LIMITS = EventLimits()
"""The limits without a setting."""

_TYPES = {
    CallState.SUBMITTED: EventType.CALL_PENDING,
    CallState.INCLUDED: EventType.CALL_INCLUDED,
    CallState.CONFIRMED: EventType.CALL_CONFIRMED,
    CallState.REVERTED: EventType.CALL_FAILED,
    CallState.REJECTED: EventType.CALL_FAILED,
    CallState.REPLACED: EventType.CALL_DROPPED,
    CallState.EXPIRED: EventType.CALL_DROPPED,
}
"""The event of a call that reaches a state; the other states are of interest to the server alone."""


def list_call_events(old: CallRecord | None, new: CallRecord) -> tuple[MarkedEvent, ...]:
    """Return the events of a call's change, oldest first; `old` is None for a new call.

    The mark is derived from the record, so that a repeated change has the same events.
    """
    types = [EventType.CALL_SUBMITTED] if old is None else []
    if old is not None and _block_of(old) is not None and _block_of(old) != _block_of(new):
        types.append(EventType.CALL_REORGED)
    is_moved = old is None or old.state is not new.state or EventType.CALL_REORGED in types
    is_back = new.state is CallState.SUBMITTED and EventType.CALL_REORGED in types
    if is_moved and new.state in _TYPES and not is_back:
        types.append(_TYPES[new.state])
    if is_moved and new.state in {CallState.CONFIRMED, CallState.REVERTED} and _installs_session(new):
        types.append(EventType.SESSION_INSTALLED)
    if not types:
        return ()
    first = Event(
        type=EventType.CALL_SUBMITTED,
        time=new.changed_at or new.sent_at,
        account=new.sender,
        chain_id=new.chain_id,
        session_id=new.session_id,
        call_id=format_call_id(new.chain_id, new.hash),
        data=_facts_of(new),
    )
    start = f"{new.chain_id}:{new.hash.hex()}:{new.revision}"
    return tuple(MarkedEvent(mark=f"{start}:{each}", event=replace(first, type=each)) for each in types)


def _block_of(call: CallRecord) -> str | None:
    """Return the hash of the block that has the call, as far as its record shows."""
    is_in_block = call.state in {CallState.INCLUDED, CallState.CONFIRMED, CallState.REVERTED}
    return call.receipt["blockHash"] if is_in_block and call.receipt is not None else None


def _installs_session(call: CallRecord) -> bool:
    """Return True if the validation of the operation installs a session, also where its calls revert."""
    if call.kind is not CallKind.USER_OPERATION:
        return False
    try:
        return split_nonce(call.nonce)[0].is_deferred
    except ValueError:  # a nonce key of a client that is not one of the account
        return False


def _facts_of(call: CallRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {"status": status_code(call.state, succeeded=call.succeeded)}
    if _block_of(call) is not None and call.receipt is not None:
        facts |= {name: call.receipt[name] for name in ("transactionHash", "blockHash", "blockNumber")}
    if call.error is not None and call.state.is_not_sent:
        facts |= {name: call.error[name] for name in ("reason", "message") if name in call.error}
    return facts


LOGGED_TYPES = tuple(each for each in EventType if each is not EventType.WEBHOOK_TEST)
"""The types of the events in logs."""
SUBJECTS = frozenset(each.partition(".")[0] for each in LOGGED_TYPES)
"""The subjects of these types: `session`, `call` and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """The events that a client asks for; an empty part matches every event."""

    types: frozenset[str] = frozenset()
    """Types, and subjects such as `call`, which match all of their types."""
    accounts: frozenset[Address] = frozenset()
    sessions: frozenset[SessionId] = frozenset()

    def matches(self, event: Event) -> bool:
        """Return True for an event that every part matches."""
        return (
            (not self.types or event.type in self.types or event.type.partition(".")[0] in self.types)
            and (not self.accounts or event.account in self.accounts)
            and (not self.sessions or event.session_id in self.sessions)
        )


def read_position(text: str) -> tuple[int, int]:
    """Read an event id as a pair of numbers, which has the order of the log. Raises: ValueError."""
    match = _POSITION.fullmatch(text)
    if match is None:
        raise ValueError("expected an event id")
    return int(match[1]), int(match[2])


def _read_position(value: object) -> str:
    if not isinstance(value, str) or _POSITION.fullmatch(value) is None:
        text = f"expected the id of an event, such as 1764500000000-0, got {preview(value)}"
        raise validation_error(text, reason="event_id_malformed")
    return value


def _read_name(value: object) -> str:
    if isinstance(value, str) and (value in SUBJECTS or value in LOGGED_TYPES):
        return value
    raise malformed_error(f"a type of event, such as call.confirmed, or one of {', '.join(sorted(SUBJECTS))}", value)


EventPosition: TypeAlias = Annotated[
    str,
    PlainValidator(_read_position),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,16}-[0-9]{1,16}$"}),
]
"""The id of an event, in a request."""
EventName: TypeAlias = Annotated[
    str,
    PlainValidator(_read_name),
    WithJsonSchema({"type": "string", "enum": sorted({*SUBJECTS, *LOGGED_TYPES})}),
]
"""A type of event, or a subject, which stands for all of its types."""
