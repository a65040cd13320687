"""Anchors: what was signed is read back, whatever was altered is refused, and any Ethereum tool can check one."""

from __future__ import annotations

import json

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.anchor import heads_of, line_of, new_anchor, read_anchor
from wallet_rpc.domain.audit import NOTHING, Broken, Event, EventKind, Head, Trace, Why, next_entry, verify
from wallet_rpc.domain.audit import line_of as entry_line
from wallet_rpc.primitives import Address

KEY = b"\x5a" * 32
SIGNER = Address.parse(Account.from_key(KEY).address)
ONE, TWO = OrganizationId("org_one"), OrganizationId("org_two")
HEADS = st.builds(Head, st.integers(1, 1 << 40), st.binary(min_size=32, max_size=32).map(bytes.hex))
LOGS = st.dictionaries(st.sampled_from([ONE, TWO, OrganizationId("org_3")]), HEADS)


@given(logs=LOGS, at=st.integers(0, 1 << 37))
def test_what_was_anchored_is_read_back(logs: dict[OrganizationId, Head], at: int) -> None:
    anchor = new_anchor(logs, at=at, key=KEY)

    read = read_anchor(line_of(anchor).encode(), signer=SIGNER)

    assert read == anchor
    assert {each: heads_of([read, read], each) for each in logs} == {each: {head} for each, head in logs.items()}


def test_any_ethereum_tool_can_check_the_signature() -> None:
    anchor = new_anchor({ONE: Head(3, "ab" * 32)}, at=1_700_000_000, key=KEY)

    told = (
        '{"at":"2023-11-14T22:13:20.000Z",'
        f'"logs":[{{"entries":3,"head":"{"ab" * 32}","orgId":"org_one"}}],'
        f'"signer":"{SIGNER}","version":1}}'
    )
    message = encode_defunct(text=f"wallet-rpc audit anchor\n{told}")
    assert Account.recover_message(message, signature=anchor.signature) == SIGNER.hex0x()
    assert json.loads(line_of(anchor)) == {**json.loads(told), "signature": anchor.signature.hex0x()}


@given(head=HEADS, data=st.data())
def test_an_anchor_of_which_a_byte_was_altered_is_refused_or_says_the_same(head: Head, data: st.DataObject) -> None:
    """A letter of hex may change its case, which says the same bytes."""
    anchor = new_anchor({ONE: head}, at=1_700_000_000, key=KEY)
    line = bytearray(line_of(anchor).encode())
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
        (b'{"version":2}', "an anchor of form 2; this program reads forms up to 1"),
        (b"\xff", "expected an anchor"),
    ],
)
def test_what_is_no_anchor_is_told(line: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read_anchor(line, signer=SIGNER)


def test_an_anchor_of_another_signer_is_refused() -> None:
    line = line_of(new_anchor({ONE: NOTHING}, at=1, key=b"\x01" * 32)).encode()
    with pytest.raises(ValueError, match=f"expected {SIGNER}"):
        read_anchor(line, signer=SIGNER)
    claimed = json.loads(line) | {"signer": SIGNER.hex0x()}
    with pytest.raises(ValueError, match="altered"):
        read_anchor(json.dumps(claimed).encode(), signer=SIGNER)


def _log(*facts: str) -> tuple[list[bytes], list[Head]]:
    """The lines of a log, and its heads from the first entry on."""
    lines, heads = [], [NOTHING]
    for fact in facts:
        entry = next_entry(heads[-1], Event(kind=EventKind.CALL_SENT, at=1, actor="key", facts={"fact": fact}))
        lines.append(entry_line(entry).encode())
        heads.append(Head(entry.number + 1, entry.hash))
    return lines, heads


WORDS = st.lists(st.text(max_size=3), min_size=1, max_size=6)


@given(words=WORDS, data=st.data())
def test_a_log_that_only_grew_holds_every_anchor_of_it(words: list[str], data: st.DataObject) -> None:
    lines, heads = _log(*words)
    anchored = frozenset(data.draw(st.lists(st.sampled_from(heads))))

    assert verify(lines, heads[-1], anchored) is None


@given(words=WORDS, other=WORDS, data=st.data())
def test_a_whole_log_that_differs_before_an_anchor_is_refused(
    words: list[str], other: list[str], data: st.DataObject
) -> None:
    """Cut off and given a new head, emptied, or written anew: all of it is whole by itself."""
    _, heads = _log(*words)
    anchored = data.draw(st.sampled_from(heads[1:]))
    lines, others = _log(*other)

    broken = verify(lines, others[-1], frozenset({anchored}))

    if len(others) <= anchored.count:
        assert broken == Broken(len(lines), Why.CUT_OFF)
    elif others[anchored.count] == anchored:
        assert broken is None
    else:
        assert broken == Broken(anchored.count - 1, Why.REPLACED)


def test_an_emptied_log_is_not_whole_when_anything_tells_of_it() -> None:
    _, heads = _log("a", "b")
    for told in (heads[1], Trace(EventKind.ORGANIZATION_CREATED), Trace(EventKind.KEY_CREATED, "key_1")):
        assert verify([], NOTHING, frozenset({told})) == Broken(0, Why.EMPTIED)
    assert verify([], NOTHING, frozenset({NOTHING})) is None


def test_an_entry_that_a_key_asks_for_is_missed() -> None:
    created = Event(kind=EventKind.KEY_CREATED, at=1, actor="cli", facts={"keyId": "key_1"})
    entry = next_entry(NOTHING, created)
    lines, head = [entry_line(entry).encode()], Head(1, entry.hash)

    assert verify(lines, head, frozenset({Trace(EventKind.KEY_CREATED, "key_1")})) is None
    for told in (Trace(EventKind.KEY_CREATED, "key_2"), Trace(EventKind.KEY_REVOKED, "key_1")):
        assert verify(lines, head, frozenset({told})) == Broken(1, Why.MISSING)
