"""Tests of audit log anchors: signed ones are read back, altered ones rejected, and Ethereum tools can verify one."""

from __future__ import annotations

import json

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.datatypes import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import address_of
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.anchor import format_anchor, heads_of, read_anchor, sign_anchor
from wallet_rpc.domain.audit import (
    EMPTY_HEAD,
    AuditEvent,
    EventKind,
    ExpectedEntry,
    IntegrityFailure,
    IntegrityFailureReason,
    LogHead,
    next_line,
    verify_log,
)

KEY = b"\x5a" * 32
SIGNER = address_of(PrivateKey(KEY))
ONE, TWO = OrganizationId("org_one"), OrganizationId("org_two")
HEADS = st.builds(LogHead, st.integers(1, 1 << 40), st.binary(min_size=32, max_size=32).map(bytes.hex))
LOGS = st.dictionaries(st.sampled_from([ONE, TWO, OrganizationId("org_3")]), HEADS)


@given(logs=LOGS, at=st.integers(0, 1 << 37))
def test_an_anchor_is_read_back(logs: dict[OrganizationId, LogHead], at: int) -> None:
    anchor = sign_anchor(logs, at=at, key=KEY)

    read = read_anchor(format_anchor(anchor).encode(), signer=SIGNER)

    assert read == anchor
    assert {each: heads_of([read, read], each) for each in logs} == {each: {head} for each, head in logs.items()}


def test_any_ethereum_tool_can_check_the_signature() -> None:
    anchor = sign_anchor({ONE: LogHead(3, "ab" * 32)}, at=1_700_000_000, key=KEY)

    body = (
        '{"at":"2023-11-14T22:13:20.000Z",'
        f'"logs":[{{"entries":3,"head":"{"ab" * 32}","orgId":"org_one"}}],'
        f'"signer":"{SIGNER}","version":1}}'
    )
    message = encode_defunct(text=f"wallet-rpc audit anchor\n{body}")
    assert Account.recover_message(message, signature=anchor.signature) == SIGNER.hex0x()
    assert json.loads(format_anchor(anchor)) == {**json.loads(body), "signature": anchor.signature.hex0x()}


@given(head=HEADS, data=st.data())
def test_an_anchor_with_an_altered_byte_is_rejected_or_equal(head: LogHead, data: st.DataObject) -> None:
    """A changed letter case of a hex digit leaves the bytes the same."""
    anchor = sign_anchor({ONE: head}, at=1_700_000_000, key=KEY)
    line = bytearray(format_anchor(anchor).encode())
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))

    try:
        read = read_anchor(bytes(line), signer=SIGNER)
    except ValueError:
        return
    assert read == anchor


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"", "expected an anchor"),
        (b"[]", "anchor: expected an object"),
        (b"{}", "anchor.at: required"),
        (b'{"version":2}', "expected an anchor of version 1 or lower, got version 2"),
        (b"\xff", "expected an anchor"),
    ],
)
def test_an_invalid_anchor_is_rejected_with_a_message(line: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read_anchor(line, signer=SIGNER)


def test_an_anchor_of_another_signer_is_refused() -> None:
    line = format_anchor(sign_anchor({ONE: EMPTY_HEAD}, at=1, key=b"\x01" * 32)).encode()
    with pytest.raises(ValueError, match=f"expected {SIGNER}"):
        read_anchor(line, signer=SIGNER)
    claimed = json.loads(line) | {"signer": SIGNER.hex0x()}
    with pytest.raises(ValueError, match="altered"):
        read_anchor(json.dumps(claimed).encode(), signer=SIGNER)


def _log(*facts: str) -> tuple[list[bytes], list[LogHead]]:
    """Build the lines of a log, and its heads from the empty one on."""
    lines = []
    heads = [EMPTY_HEAD]
    for fact in facts:
        event = AuditEvent(kind=EventKind.CALL_SENT, at=1, actor="key", facts={"fact": fact})
        head, line = next_line(heads[-1], event)
        lines.append(line.encode())
        heads.append(head)
    return lines, heads


WORDS = st.lists(st.text(max_size=3), min_size=1, max_size=6)


@given(words=WORDS, data=st.data())
def test_a_log_that_only_grew_holds_every_anchor_of_it(words: list[str], data: st.DataObject) -> None:
    lines, heads = _log(*words)
    anchored = frozenset(data.draw(st.lists(st.sampled_from(heads))))

    assert verify_log(lines, heads[-1], anchored) is None


@given(words=WORDS, other=WORDS, data=st.data())
def test_an_intact_log_that_differs_before_an_anchor_is_rejected(
    words: list[str], other: list[str], data: st.DataObject
) -> None:
    """A log that is truncated with a new head, emptied, or rewritten is intact without an anchor."""
    _, heads = _log(*words)
    anchored = data.draw(st.sampled_from(heads[1:]))
    lines, others = _log(*other)

    failure = verify_log(lines, others[-1], frozenset({anchored}))

    if len(others) <= anchored.count:
        assert failure == IntegrityFailure(len(lines), IntegrityFailureReason.CUT_OFF)
    elif others[anchored.count] == anchored:
        assert failure is None
    else:
        assert failure == IntegrityFailure(anchored.count - 1, IntegrityFailureReason.REPLACED)


def test_an_emptied_log_is_not_intact_when_an_entry_is_expected() -> None:
    _, heads = _log("a", "b")
    for expected in (
        heads[1],
        ExpectedEntry(EventKind.ORGANIZATION_CREATED),
        ExpectedEntry(EventKind.KEY_CREATED, "key_1"),
    ):
        assert verify_log([], EMPTY_HEAD, frozenset({expected})) == IntegrityFailure(0, IntegrityFailureReason.EMPTIED)
    assert verify_log([], EMPTY_HEAD, frozenset({EMPTY_HEAD})) is None


def test_a_missing_entry_of_a_key_is_detected() -> None:
    created = AuditEvent(kind=EventKind.KEY_CREATED, at=1, actor="cli", facts={"keyId": "key_1"})
    head, line = next_line(EMPTY_HEAD, created)
    lines = [line.encode()]

    assert verify_log(lines, head, frozenset({ExpectedEntry(EventKind.KEY_CREATED, "key_1")})) is None
    for expected in (ExpectedEntry(EventKind.KEY_CREATED, "key_2"), ExpectedEntry(EventKind.KEY_REVOKED, "key_1")):
        assert verify_log(lines, head, frozenset({expected})) == IntegrityFailure(1, IntegrityFailureReason.MISSING)
