"""Tests of EIP-7702 authorizations."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import addresses, uint32, uint64
from wallet_rpc.domain.authorization import Authorization, add_dummy_signature
from wallet_rpc.primitives import Address

KEY = PrivateKey(b"\x07" * 32)
authorizations = st.builds(Authorization, uint32, addresses, uint64)


@given(authorizations)
def test_the_signer_is_recovered(authorization: Authorization) -> None:
    raw = KEY.sign_msg_hash(authorization.digest).to_bytes()
    signed = authorization.add_signature(raw[:64] + bytes([27 + raw[64]]))
    assert signed == authorization.add_signature(raw)
    assert signed.authority == KEY.public_key.to_canonical_address()
    assert signed.signature == raw[:64] + bytes([27 + raw[64]])


@given(authorizations, authorizations)
def test_different_authorizations_have_different_digests(one: Authorization, other: Authorization) -> None:
    assert (one == other) == (one.digest == other.digest)


def test_the_digest_is_eth_accounts() -> None:
    """eth-account 0.14 signs the same bytes."""
    authorization = Authorization(421614, Address(b"\x69" * 20), 0)
    theirs = Account.sign_authorization({"chainId": 421614, "address": "0x" + "69" * 20, "nonce": 0}, KEY.to_bytes())
    assert theirs.authorization_hash == authorization.digest


@pytest.mark.parametrize("signature", [bytes(64), bytes(66), bytes(64) + b"\x02", bytes(64) + b"\x1d"])
def test_a_signature_of_another_form_is_refused(signature: bytes) -> None:
    with pytest.raises(ValueError, match="a signature of 65 bytes"):
        Authorization(1, Address(bytes(20)), 0).add_signature(signature)


def test_the_dummy_has_the_form_of_a_signature_and_keeps_the_rest() -> None:
    authorization = Authorization(1, Address(b"\x69" * 20), 5)
    dummy = add_dummy_signature(authorization)
    assert Authorization(dummy.chain_id, dummy.address, dummy.nonce) == authorization
    assert dummy.signature.hex().startswith("ff" * 15 + "f0" + "00" * 16 + "7aaa")
    assert dummy.y_parity == 1
