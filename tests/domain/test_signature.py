"""Tests of signer recovery and of signature envelopes."""

from __future__ import annotations

import pytest
from eth_account.messages import encode_defunct
from eth_keys.datatypes import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, addresses, blobs, uint32
from tests.support.keys import address_of, sign_hash
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.signature import (
    ERC6492_SUFFIX,
    HALF_ORDER,
    SignerKind,
    WrappedSignature,
    contract_signature,
    dummy_user_operation_signature,
    normalize_key_signature,
    personal_sign_digest,
    recover_signer,
    replay_safe_digest,
    replay_safe_typed_data,
    unwrap_erc6492,
    user_operation_signature,
    wrap_erc6492,
)
from wallet_rpc.domain.typed_data import typed_data_digest
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data

ORDER = 2 * HALF_ORDER + 1
keys = st.integers(1, ORDER - 1).map(lambda number: PrivateKey(number.to_bytes(32, "big")))
hashes = st.binary(min_size=32, max_size=32)


@given(keys, hashes)
def test_the_signer_is_recovered(key: PrivateKey, digest: bytes) -> None:
    assert recover_signer(digest, sign_hash(key, digest)) == address_of(key)


@given(keys, hashes, hashes)
def test_a_signature_of_another_digest_recovers_someone_else(key: PrivateKey, digest: bytes, other: bytes) -> None:
    found = recover_signer(other, sign_hash(key, digest))
    assert digest == other or found != address_of(key)


@given(keys, hashes)
def test_the_other_half_of_the_curve_is_refused(key: PrivateKey, digest: bytes) -> None:
    """s' = n - s would recover the same signer, as a second form of one signature."""
    signature = sign_hash(key, digest)
    mirrored = (ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
    assert recover_signer(digest, signature[:32] + mirrored + bytes([27 + 28 - signature[64]])) is None


@given(keys, hashes, st.integers(0, 255))
def test_a_signature_with_a_bare_parity_gets_the_v_that_contracts_take(
    key: PrivateKey, digest: bytes, other: int
) -> None:
    signature = sign_hash(key, digest)

    assert (
        normalize_key_signature(signature)
        == normalize_key_signature(signature[:64] + bytes([signature[64] - 27]))
        == signature
    )
    assert (normalize_key_signature(signature[:64] + bytes([other])) is None) == (other not in {0, 1, 27, 28})
    assert normalize_key_signature(signature + b"\0") is None


@given(hashes, st.binary(max_size=80))
def test_any_bytes_recover_an_address_or_nothing(digest: bytes, signature: bytes) -> None:
    found = recover_signer(digest, signature)
    assert found is None or (len(signature) == 65 and isinstance(found, Address))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(65),
        bytes(64) + b"\x1b",
        b"\xff" * 32 + bytes(31) + b"\x01\x1b",
        bytes(31) + b"\x01" + bytes(32) + b"\x1b",
        b"\x11" * 64,
        b"\x11" * 64 + b"\x00",
        b"\x11" * 64 + b"\x1d",
        bytes(31) + b"\x05" + bytes(31) + b"\x01\x1b",
    ],
)
def test_an_impossible_signature_recovers_nothing(signature: bytes) -> None:
    assert recover_signer(bytes(32), signature) is None


@given(st.binary(max_size=200))
def test_the_personal_message_is_eth_accounts(message: bytes) -> None:
    signable = encode_defunct(message)
    assert personal_sign_digest(message) == keccak(b"\x19" + signable.version + signable.header + signable.body)


def test_the_hash_of_the_published_example() -> None:
    """Source: the prepareSign example of the hosted Wallet API, `Hello World!`."""
    assert personal_sign_digest(b"Hello World!").hex().startswith("ec360887")


@given(hashes, uint32, addresses, uint32)
def test_the_replay_safe_digest_is_that_of_its_typed_data(
    inner: bytes, chain_id: int, account: Address, entity_id: int
) -> None:
    written = replay_safe_typed_data(inner, account=account, chain_id=chain_id, entity_id=entity_id)
    assert typed_data_digest(written) == replay_safe_digest(
        inner, account=account, chain_id=chain_id, entity_id=entity_id
    )


def test_a_replay_safe_digest_is_valid_for_one_account_chain_and_validation() -> None:
    digests = {
        replay_safe_digest(inner, account=account, chain_id=chain_id, entity_id=entity_id)
        for inner in (bytes(32), b"\x01" * 32)
        for account in (ACCOUNT, Address(b"\x01" * 20))
        for chain_id in (1, 2)
        for entity_id in (0, 1)
    }
    # A session's domain holds the module and, as salt, the account: sessions differ by the prefix, not the digest.
    assert len(digests) == 16


@given(addresses, blobs, blobs)
def test_a_wrapped_signature_comes_back(factory: Address, data: Data, signature: Data) -> None:
    wrapped = WrappedSignature(factory, data, signature)
    assert unwrap_erc6492(wrap_erc6492(wrapped)) == wrapped


@given(st.binary(max_size=64))
def test_a_broken_wrapper_is_refused(inner: bytes) -> None:
    assert inner.endswith(ERC6492_SUFFIX) or unwrap_erc6492(inner) is None
    with pytest.raises(InvalidParams) as error_info:
        unwrap_erc6492(inner + ERC6492_SUFFIX)
    assert error_info.value.reason == "signature_malformed"


def test_envelopes() -> None:
    assert user_operation_signature(b"\x01" * 65) == b"\xff\x00" + b"\x01" * 65
    assert user_operation_signature(b"\x02", kind=SignerKind.CONTRACT, deferred=b"\x03") == b"\x03\xff\x01\x02"
    assert len(dummy_user_operation_signature()) == 67
    assert dummy_user_operation_signature(deferred=b"\x03")[:3] == b"\x03\xff\x00"
    assert contract_signature(b"\x01" * 65, entity_id=7).hex() == "0000000007ff00" + "01" * 65
