"""Tests of session records: fields that are not stored are computed again, byte for byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, KEY, NOW, deadlines, harmless_permissions
from wallet_rpc import wire
from wallet_rpc.domain.guard import check_and_compile
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.records import KeyType, Session, SessionKey, SessionState
from wallet_rpc.domain.session_record import SessionRecord, record_of, session_of
from wallet_rpc.domain.validation_install import HALF_ENTITY, SessionTerms
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import SessionId


def a_session(permissions: list[Permission], entity_id: int, deadline: int, state: SessionState) -> Session | None:
    """Build a session; None if the guard rejects its grant."""
    try:
        terms = SessionTerms(account=ACCOUNT, key=KEY, entity_id=entity_id, deadline=deadline, now=NOW)
        install = check_and_compile(permissions, terms)
    except InvalidParams:
        return None
    return Session(
        id=SessionId(b"\x07" * 16),
        account=ACCOUNT,
        chain_id=31337,
        key=SessionKey(type=KeyType.CONTRACT if entity_id % 2 else KeyType.SECP256K1, address=KEY),
        permissions=tuple(permissions),
        entity_id=entity_id,
        is_global=install.is_global,
        has_execution_hooks=install.has_execution_hooks,
        nonce=NonceKey(entity_id=entity_id, is_global=install.is_global, is_deferred=True).nonce(0),
        deadline=deadline,
        call=install.call_data,
        created_at=NOW,
        state=state,
        holder="0123456789abcdef" * 2,
    )


@given(
    st.lists(harmless_permissions, min_size=1, max_size=6),
    st.integers(1, HALF_ENTITY - 1),
    deadlines,
    st.sampled_from(SessionState),
)
def test_a_session_is_rebuilt_exactly_from_its_record(
    permissions: list[Permission], entity_id: int, deadline: int, state: SessionState
) -> None:
    session = a_session(permissions, entity_id, deadline, state)
    if session is None:
        return
    written = wire.encode(SessionRecord, record_of(session))

    record = wire.decode(SessionRecord, written)

    assert session_of(record, account=ACCOUNT, chain_id=31337, session_id=session.id) == session
    assert not {"call", "nonce", "account", "id", "chainId", "isGlobal"} & set(written)
