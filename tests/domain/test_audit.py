"""Tests of the audit log's hash chain: any change is detected at its position; an unchanged log is intact."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wallet_rpc.domain.audit import (
    EMPTY_HEAD,
    AuditEvent,
    EventKind,
    IntegrityFailure,
    IntegrityFailureReason,
    LogHead,
    next_line,
    verify_log,
)
from wallet_rpc.primitives import Address

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.builds(
    AuditEvent,
    kind=st.sampled_from(EventKind),
    at=st.integers(0, 1 << 40),
    actor=st.text(),
    facts=st.dictionaries(st.text(max_size=8), JSON, max_size=3),
)
"""Any event."""
SHORT_EVENTS = st.builds(
    AuditEvent,
    kind=st.sampled_from(EventKind),
    at=st.integers(0, 1 << 40),
    actor=st.text(max_size=4),
    facts=st.dictionaries(st.text(max_size=2), st.none() | st.integers() | st.text(max_size=4), max_size=2),
)
"""Small events, for tests about the position of an entry that do not depend on its content."""


def _log(events: list[AuditEvent]) -> tuple[list[bytes], LogHead]:
    lines = []
    head = EMPTY_HEAD
    for event in events:
        head, line = next_line(head, event)
        lines.append(line.encode())
    return lines, head


LOGS = st.lists(SHORT_EVENTS, min_size=1, max_size=6).map(_log)
LONG_LOGS = st.lists(SHORT_EVENTS, min_size=2, max_size=6).map(_log)


@given(log=st.lists(EVENTS, max_size=6).map(_log))
def test_an_unchanged_log_is_intact(log: tuple[list[bytes], LogHead]) -> None:
    assert verify_log(*log) is None


def test_an_entry_has_the_hash_that_anyone_can_reckon() -> None:
    event = AuditEvent(kind=EventKind.CALL_SENT, at=1_700_000_000, actor="key_1", facts={"chainId": 1, "to": "Zoë"})

    head, line = next_line(LogHead(7, "ab" * 32), event)

    rest = (
        '{"event":{"actor":"key_1","at":1700000000,"facts":{"chainId":1,"to":"Zoë"},"kind":"call.sent"},'
        f'"number":7,"previous":"{"ab" * 32}","version":1}}'
    )
    assert head == LogHead(8, hashlib.sha256(rest.encode()).hexdigest())
    assert line == rest.replace('"number"', f'"hash":"{head.hash}","number"')


@given(log=LOGS, data=st.data())
def test_a_byte_that_was_altered_is_found_at_its_entry(log: tuple[list[bytes], LogHead], data: st.DataObject) -> None:
    lines, head = log
    number = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[number]) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(lines[number])
    changed[at] ^= flip
    lines[number] = bytes(changed)

    assert verify_log(lines, head) == IntegrityFailure(number, IntegrityFailureReason.ALTERED)


@given(log=LOGS, data=st.data())
def test_a_byte_that_was_added_or_taken_is_found_at_its_entry(
    log: tuple[list[bytes], LogHead], data: st.DataObject
) -> None:
    lines, head = log
    number = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[number]) - 1))
    middle = data.draw(st.binary(max_size=2))
    changed = lines[number][:at] + middle + lines[number][at + 1 :]
    assume(changed != lines[number])
    lines[number] = changed

    assert verify_log(lines, head) == IntegrityFailure(number, IntegrityFailureReason.ALTERED)


@given(log=LOGS, other=EVENTS, data=st.data())
def test_an_event_that_was_changed_and_hashed_anew_is_found_at_its_entry(
    log: tuple[list[bytes], LogHead], other: AuditEvent, data: st.DataObject
) -> None:
    lines, head = log
    number = data.draw(st.integers(0, len(lines) - 1))
    before = json.loads(lines[number])["previous"]
    forged = next_line(LogHead(number, before), other)[1].encode()
    assume(forged != lines[number])
    lines[number] = forged

    assert verify_log(lines, head) == IntegrityFailure(number, IntegrityFailureReason.ALTERED)


def test_a_first_entry_that_claims_one_before_it_is_altered() -> None:
    event = AuditEvent(kind=EventKind.DENIED, at=1, actor="key_1", facts={})
    head, line = next_line(LogHead(0, "ff" * 32), event)

    assert verify_log([line.encode()], head) == IntegrityFailure(0, IntegrityFailureReason.ALTERED)


@given(log=LONG_LOGS, data=st.data())
def test_an_entry_that_was_cut_out_is_missed(log: tuple[list[bytes], LogHead], data: st.DataObject) -> None:
    lines, head = log
    number = data.draw(st.integers(0, len(lines) - 2))
    del lines[number]

    assert verify_log(lines, head) == IntegrityFailure(number, IntegrityFailureReason.CUT_OUT)


@given(log=LOGS, data=st.data())
def test_an_end_that_was_cut_off_is_missed(log: tuple[list[bytes], LogHead], data: st.DataObject) -> None:
    lines, head = log
    left = data.draw(st.integers(0, len(lines) - 1))

    assert verify_log(lines[:left], head) == IntegrityFailure(left, IntegrityFailureReason.CUT_OFF)


@given(log=LONG_LOGS, data=st.data())
def test_two_entries_that_changed_places_are_found(log: tuple[list[bytes], LogHead], data: st.DataObject) -> None:
    lines, head = log
    first = data.draw(st.integers(0, len(lines) - 2))
    second = data.draw(st.integers(first + 1, len(lines) - 1))
    lines[first], lines[second] = lines[second], lines[first]

    assert verify_log(lines, head) == IntegrityFailure(first, IntegrityFailureReason.REORDERED)


@given(log=LOGS, data=st.data())
def test_a_repeated_entry_is_detected(log: tuple[list[bytes], LogHead], data: st.DataObject) -> None:
    lines, head = log
    number = data.draw(st.integers(0, len(lines) - 1))
    again = data.draw(st.integers(number + 1, len(lines)))
    lines.insert(again, lines[number])

    assert verify_log(lines, head) == IntegrityFailure(again, IntegrityFailureReason.ADDED)


@given(log=LOGS, more=EVENTS)
def test_an_entry_after_the_stored_head_is_detected(log: tuple[list[bytes], LogHead], more: AuditEvent) -> None:
    lines, head = log
    lines.append(next_line(head, more)[1].encode())

    assert verify_log(lines, head) == IntegrityFailure(head.count, IntegrityFailureReason.ADDED)


@given(log=LOGS)
def test_a_log_without_its_head_is_not_intact(log: tuple[list[bytes], LogHead]) -> None:
    assert verify_log(log[0], EMPTY_HEAD) == IntegrityFailure(0, IntegrityFailureReason.ADDED)


@given(log=LONG_LOGS, data=st.data())
def test_an_altered_entry_is_reported_before_later_failures(
    log: tuple[list[bytes], LogHead], data: st.DataObject
) -> None:
    lines, head = log
    number = data.draw(st.integers(0, len(lines) - 2))
    moved = lines[number]
    lines[number] = b"{}"
    lines.append(moved)

    assert verify_log(lines, head) == IntegrityFailure(number, IntegrityFailureReason.ALTERED)


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"1", b'{"hash":1}', b'"x"', b"[" * 300, b"\xff", b'{"hash":"", "hash":""}']
)
def test_a_line_that_is_no_entry_counts_as_altered(line: bytes) -> None:
    assert verify_log([line], LogHead(1, "0" * 64)) == IntegrityFailure(0, IntegrityFailureReason.ALTERED)


def test_a_hashed_line_without_a_number_counts_as_altered() -> None:
    rest = b'{"number":"0"}'
    digest = hashlib.sha256(rest).hexdigest()

    assert verify_log([f'{{"hash":"{digest}","number":"0"}}'.encode()], LogHead(1, digest)) == IntegrityFailure(
        0, IntegrityFailureReason.ALTERED
    )


def test_unknown_entries_of_a_newer_server_are_verified() -> None:
    rest = f'{{"news":[1],"number":0,"previous":"{EMPTY_HEAD.hash}","version":2}}'
    digest = hashlib.sha256(rest.encode()).hexdigest()
    line = f'{{"hash":"{digest}",{rest[1:]}'

    assert verify_log([line.encode()], LogHead(1, digest)) is None


@pytest.mark.parametrize(
    "fact", [(1, 2), {1: "one"}, b"bytes", Address(bytes(20)), float("nan"), float("inf"), "\ud800", {"a": ()}]
)
def test_facts_that_json_would_change_are_refused(fact: Any) -> None:
    event = AuditEvent(kind=EventKind.DENIED, at=1, actor="key_1", facts={"fact": fact})

    with pytest.raises(ValueError, match="the same after encoding as JSON"):
        next_line(EMPTY_HEAD, event)
