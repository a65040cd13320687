"""Tests of stored records: they are read back unchanged, also if a newer server wrote them."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import addresses, any_permissions, blobs, uint32, uint256
from wallet_rpc import wire
from wallet_rpc.domain.records import (
    RECORD_VERSION,
    Account,
    AccountKind,
    KeyType,
    Session,
    SessionKey,
    SessionState,
)
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import SessionId

seconds = st.integers(0, 2**48 - 1)
accounts = st.builds(
    Account, kind=st.sampled_from(AccountKind), id=st.uuids(), signer=addresses, address=addresses, salt=uint256
)
keys = st.builds(SessionKey, type=st.sampled_from(KeyType), address=addresses)
sessions = st.builds(
    Session,
    id=st.binary(min_size=16, max_size=16).map(SessionId),
    account=addresses,
    chain_id=uint32,
    key=keys,
    permissions=st.lists(any_permissions, max_size=3).map(tuple),
    entity_id=uint32,
    is_global=st.booleans(),
    has_execution_hooks=st.booleans(),
    nonce=uint256,
    deadline=seconds,
    call=blobs,
    created_at=seconds,
    state=st.sampled_from(SessionState),
)


@given(accounts | sessions)
def test_a_record_comes_back_as_it_was(record: Any) -> None:
    stored = json.dumps(wire.encode(type(record), record), allow_nan=False)

    assert wire.decode(type(record), json.loads(stored)) == record


@given(accounts | sessions)
def test_records_of_newer_and_older_servers_are_read(record: Any) -> None:
    written = wire.encode(type(record), record)
    newer = {**written, "colour": "blue", "version": RECORD_VERSION + 1}

    assert written["version"] == RECORD_VERSION
    assert wire.decode(type(record), newer).version == RECORD_VERSION + 1
    del written["version"]
    assert wire.decode(type(record), written) == record


@given(sessions)
def test_the_deferred_action_is_in_the_session(session: Session) -> None:
    action = session.action

    assert (action.nonce, action.deadline, action.call) == (session.nonce, session.deadline, session.call)


def test_the_key_of_a_session_is_written_by_its_name_on_the_wire() -> None:
    given = {"publicKey": "0x647bbf38CD0E116d1672405aE17a775572a84e03", "type": "secp256k1"}

    assert wire.encode(SessionKey, wire.decode(SessionKey, given)) == given


def test_only_the_known_kinds_of_key_are_read() -> None:
    with pytest.raises(
        InvalidParams, match=r"^params.type: expected 'secp256k1', 'ecdsa' or 'contract', got \"p256\"$"
    ):
        wire.decode(SessionKey, {"publicKey": "0x647bbf38CD0E116d1672405aE17a775572a84e03", "type": "p256"})


def test_a_record_keeps_its_form() -> None:
    """Every later server must be able to read the format of version 1."""
    stored = {
        "version": 1,
        "id": "26b375e3-c94a-4e98-b6b7-5a97121aa583",
        "signer": "0x7a3ccbFe9DA9b53228872dd7ef3dc3fDd13Cf8A0",
        "address": "0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D",
        "salt": "0x0",
    }

    read = wire.decode(Account, stored)

    assert read.id == UUID("26b375e3-c94a-4e98-b6b7-5a97121aa583")
    assert read.kind is AccountKind.SEMI_MODULAR, "records without a kind are semi-modular accounts"
    assert wire.encode(Account, read) == {**stored, "kind": "sma-b"}
