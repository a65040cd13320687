"""User operations in the form of callers: an operation counts as a session's in every spelling of its values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import TERMS, harmless_permissions
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction
from wallet_rpc.domain.nonce import NonceKey, is_deferred, session_entity, split_nonce
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.raw_operation import read_carried_action, read_identity, split_own_segment
from wallet_rpc.domain.sdk_values import CompileError
from wallet_rpc.domain.signature import user_operation_signature
from wallet_rpc.domain.validation_install import compile_permissions
from wallet_rpc.primitives import Address, Data

senders = st.binary(min_size=20, max_size=20).map(Address)
nonces = st.integers(0, 2**256 - 1)
DEFERRED = NonceKey(entity_id=5, is_deferred=True).nonce(0)


def spellings(sender: Address, nonce: int) -> list[tuple[Any, Any]]:
    """Return spellings of both values that some bundler may accept."""
    digits = sender.hex()
    addresses = ["0x" + digits, "0X" + digits.upper(), digits, sender.hex0x()]
    padded = f"0x00{nonce:x}" if nonce < 1 << 248 else hex(nonce)
    numbers: list[Any] = [hex(nonce), padded, str(nonce), nonce]
    return [(address, number) for address in addresses for number in numbers]


@given(senders, nonces)
def test_sender_and_nonce_are_read_in_every_spelling(sender: Address, nonce: int) -> None:
    for address, number in spellings(sender, nonce):
        identity = read_identity({"sender": address, "nonce": number})
        assert identity is not None
        assert (identity.sender, identity.nonce) == (sender, nonce)


@given(st.integers(0, 2**152 - 1), st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 2**64 - 1))
def test_the_entity_id_is_read_under_all_options(parallel: int, entity_id: int, options: int, sequence: int) -> None:
    nonce = (parallel << 40 | entity_id << 8 | options) << 64 | sequence
    assert session_entity(nonce) == (None if options & 4 else entity_id)
    assert is_deferred(nonce) == bool(options & 2)
    if options < 4:
        key, _ = split_nonce(nonce)
        assert (key.entity_id, key.is_deferred) == (session_entity(nonce), is_deferred(nonce))


@pytest.mark.parametrize("sender", [None, 7, "", "0x12", "0x" + "g" * 40, "0x" + "1" * 42, ["0x" + "1" * 40]])
@pytest.mark.parametrize("nonce", ["0x0", 0])
def test_another_sender_is_not_read(sender: Any, nonce: Any) -> None:
    assert read_identity({"sender": sender, "nonce": nonce}) is None


@pytest.mark.parametrize(
    "nonce", [None, True, -1, 1.5, "", "x", "-1", "0x1g", "1 ", "0x" + "f" * 65, 1 << 256, "9" * 90]
)
def test_another_nonce_is_not_read(nonce: Any) -> None:
    assert read_identity({"sender": "0x" + "1" * 40, "nonce": nonce}) is None


@given(st.lists(harmless_permissions, min_size=1, max_size=3), st.binary(min_size=65, max_size=65))
def test_the_installation_in_front_of_a_signature_is_read(permissions: list[Permission], own: bytes) -> None:
    try:
        install = compile_permissions(permissions, TERMS)
    except CompileError:
        return
    action = DeferredAction(nonce=DEFERRED, deadline=9, call=install.call_data)
    grant = SignedDeferredAction(action=action, has_execution_hooks=False, authorization=Data(b"\0" + own))
    signature = user_operation_signature(own, deferred=grant.signature_prefix)

    carried = read_carried_action(DEFERRED, signature)

    assert carried is not None
    assert (carried.authorizer, carried.install, carried.prefix) == (0, install, grant.signature_prefix)
    assert split_own_segment(signature[len(carried.prefix) :]) == own


@given(st.binary(max_size=300))
def test_any_signature_is_read_or_refused(signature: bytes) -> None:
    assert read_carried_action(NonceKey(entity_id=5).nonce(0), signature) is None
    try:
        carried = read_carried_action(DEFERRED, signature)
    except ValueError:
        return
    assert carried is not None
    assert signature.startswith(carried.prefix)
