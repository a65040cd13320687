"""Tests of the deferred action that the owner signs, and of its encoded form."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, addresses, blobs, uint32, uint256
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.deferred_action import (
    Authorizer,
    DeferredAction,
    SignedDeferredAction,
    encode_deferred_authorization,
    parse_blob,
    unsigned_blob,
)
from wallet_rpc.domain.signature import SignerKind, WrappedSignature, wrap_erc6492
from wallet_rpc.domain.typed_data import typed_data_digest
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data

actions = st.builds(
    lambda nonce, deadline, call: DeferredAction(nonce=nonce, deadline=deadline, call=call),
    uint256,
    st.integers(0, 2**48 - 1),
    blobs,
)
signed = st.builds(
    lambda action, hooks, authorization, entity_id, shared: SignedDeferredAction(
        action=action,
        has_execution_hooks=hooks,
        authorization=authorization,
        authorizer=Authorizer(entity_id=entity_id, is_global=shared),
    ),
    actions,
    st.booleans(),
    blobs,
    uint32,
    st.booleans(),
)
SOME = SignedDeferredAction(
    action=DeferredAction(nonce=1, deadline=2, call=Data(b"\x03" * 5)),
    has_execution_hooks=True,
    authorization=Data(b"\x00" + b"\x04" * 65),
)


@given(actions, addresses, uint32)
def test_the_digest_is_that_of_the_typed_data(action: DeferredAction, account: Address, chain_id: int) -> None:
    written = action.typed_data(account=account, chain_id=chain_id)
    assert typed_data_digest(written) == action.digest(account=account, chain_id=chain_id)


@given(actions, st.integers(0, 2**48))
def test_a_deadline_is_the_last_second_and_none_is_without_end(action: DeferredAction, now: int) -> None:
    endless = replace(action, deadline=0)

    assert not endless.is_expired(now)
    assert not replace(action, deadline=max(now, 1)).is_expired(max(now, 1))
    assert replace(action, deadline=now + 1).is_expired(now + 2)


def test_the_typed_data_has_the_published_form() -> None:
    """Source: seed 001. Minimal hex nonce, chain id and deadline as numbers, no EIP712Domain."""
    action = DeferredAction(nonce=0x1030000000000000000, deadline=1747969653, call=Data(b"\x1b"))
    account = Address.parse("0xafdABa1E09e82F780721963eba39bA9e6d9FE4d2")
    assert action.typed_data(account=account, chain_id=1) == {
        "domain": {"chainId": 1, "verifyingContract": "0xafdABa1E09e82F780721963eba39bA9e6d9FE4d2"},
        "types": {
            "DeferredAction": [
                {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint48"},
                {"name": "call", "type": "bytes"},
            ]
        },
        "primaryType": "DeferredAction",
        "message": {"nonce": "0x1030000000000000000", "deadline": 1747969653, "call": "0x1b"},
    }


@given(st.tuples(actions, addresses, uint32), st.tuples(actions, addresses, uint32))
def test_two_different_grants_never_share_a_digest(
    one: tuple[DeferredAction, Address, int], other: tuple[DeferredAction, Address, int]
) -> None:
    first, second = (action.digest(account=account, chain_id=chain) for action, account, chain in (one, other))
    assert (one == other) == (first == second)


@given(actions, st.sampled_from(["nonce", "deadline", "call"]))
def test_a_single_change_changes_the_digest(action: DeferredAction, name: str) -> None:
    changes = {
        "nonce": {"nonce": action.nonce ^ 1},
        "deadline": {"deadline": action.deadline ^ 1},
        "call": {"call": Data(action.call + b"\0")},
    }
    changed = replace(action, **changes[name])  # type: ignore[arg-type]  # one field by name
    assert changed.digest(account=ACCOUNT, chain_id=1) != action.digest(account=ACCOUNT, chain_id=1)
    assert action.digest(account=ACCOUNT, chain_id=2) != action.digest(account=ACCOUNT, chain_id=1)


@given(signed)
def test_a_blob_comes_back(action: SignedDeferredAction) -> None:
    blob = action.blob
    assert parse_blob(blob) == action
    assert action.signature_prefix == blob[33:]
    assert blob.startswith(
        unsigned_blob(action.action, has_execution_hooks=action.has_execution_hooks, authorizer=action.authorizer)
    )
    assert len(blob) == 68 + len(action.action.call) + len(action.authorization)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_blob_or_refused(blob: bytes) -> None:
    try:
        assert parse_blob(blob).blob == blob
    except InvalidParams as error:
        reason = error.reason
    else:
        reason = "deferred_action_malformed"
    assert reason == "deferred_action_malformed"


@pytest.mark.parametrize("size", range(len(SOME.blob)))
def test_a_blob_cut_short_is_refused(size: int) -> None:
    with pytest.raises(InvalidParams):
        parse_blob(SOME.blob[:size])


@pytest.mark.parametrize(
    "blob",
    [
        b"\x02" + SOME.blob[1:],
        SOME.blob + b"\x00",
        SOME.blob[:33] + b"\x00\x00\x00\x1a" + SOME.blob[37:],
        SOME.blob[:33] + b"\xff\xff\xff\xff" + SOME.blob[37:],
        SOME.blob[:37] + b"\x01" + SOME.blob[38:],
        SOME.blob[:57] + b"\x04" + SOME.blob[58:],
    ],
)
def test_a_blob_of_another_form_is_refused(blob: bytes) -> None:
    with pytest.raises(InvalidParams) as error_info:
        parse_blob(blob, field="params.capabilities.permissions.context")
    assert error_info.value.data == {
        "reason": "deferred_action_malformed",
        "field": "params.capabilities.permissions.context",
    }


def test_the_owners_locator_is_1() -> None:
    assert SOME.blob[37:58] == bytes(20) + b"\x01"


def test_an_authorization_leaves_its_wrapper_and_gets_its_kind() -> None:
    inner = Data(b"\x05" * 65)
    assert encode_deferred_authorization(inner) == b"\x00" + inner
    assert encode_deferred_authorization(inner, kind=SignerKind.CONTRACT) == b"\x01" + inner
    wrapped = wrap_erc6492(WrappedSignature(ACCOUNT, Data(b"\x01"), inner))
    assert encode_deferred_authorization(wrapped) == b"\x00" + inner
    assert keccak(encode_deferred_authorization(wrapped)) == keccak(b"\x00" + inner)
