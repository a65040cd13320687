"""Tests of call ids, the forms of a signature, and the wire form of prepared calls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import addresses, blobs, uint32, uint256
from tests.domain.test_user_operation import WRITTEN
from wallet_rpc import wire
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.authorization import Authorization
from wallet_rpc.domain.prepared import (
    AuthorizationData,
    FeePayment,
    PersonalSign,
    PreparedAuthorization,
    PreparedCalls,
    PreparedUserOperation,
    RawMessage,
    Signature,
    authorization_hash,
    format_call_id,
    parse_call_id,
)
from wallet_rpc.domain.signature import personal_sign_digest
from wallet_rpc.errors import InvalidParams, UnknownBundle
from wallet_rpc.primitives import NATIVE_TOKEN, ZERO_ADDRESS, Address, Data, Hash32

HASH = Hash32.parse("0xc69e468aa6fafb5c7298c02841e76f976b433018266af39a5807bc29ea9ad392")
SIGNATURE = (
    "0xcab128d31ebc196f4c034b667443cf5d22af72abb885f799cfb0b39f96d551587e306dc7a0c6ccce200a1c1e9e664d4ddf11587ed4243e"
    "adc0abea512e110ed91c"
)
R, S = "0x" + SIGNATURE[2:66], "0x" + SIGNATURE[66:130]
VIEM_SUFFIX = bytes.fromhex("5792" * 16)
"""The suffix of the ids that viem makes in its fallback. Source: viem, actions/wallet/sendCalls."""
hashes = st.binary(min_size=32, max_size=32).map(Hash32)


def test_an_id_is_the_chain_and_the_hash() -> None:
    """Source: the id of the official example on Arbitrum Sepolia."""
    assert format_call_id(421614, HASH) == Data(bytes(28) + b"\x00\x06\x6e\xee" + HASH)


@given(uint32, hashes)
def test_an_id_is_split_into_its_parts(chain_id: int, operation_hash: Hash32) -> None:
    assert parse_call_id(format_call_id(chain_id, operation_hash)) == (chain_id, operation_hash)


@given(st.binary(max_size=130).filter(lambda data: len(data) != 64) | st.binary(min_size=28, max_size=28).filter(any))
def test_another_length_or_a_chain_over_32_bits_is_no_call_id(start: bytes) -> None:
    identifier = start + HASH + bytes(4) if len(start) == 28 else start

    with pytest.raises(UnknownBundle) as error_info:
        parse_call_id(identifier)

    assert error_info.value.code == 5730
    assert len(error_info.value.message) < 120


def test_a_refused_id_is_repeated_in_part() -> None:
    with pytest.raises(UnknownBundle) as error_info:
        parse_call_id(b"\xab" * 300)

    assert error_info.value.message == (
        'no call has the id "0xababababababababababab…" of 602 characters: expected 64 bytes, chain id and hash'
    )


@given(uint32, hashes)
def test_an_id_ends_as_viems_own_only_if_the_operations_hash_does(chain_id: int, operation_hash: Hash32) -> None:
    """viem sends no request for an id with that suffix; finding an operation with that hash is infeasible."""
    assert format_call_id(chain_id, operation_hash).endswith(VIEM_SUFFIX) == (operation_hash == VIEM_SUFFIX)


@pytest.mark.parametrize(
    "data",
    [
        SIGNATURE,
        "0X" + SIGNATURE[2:].upper(),
        {"r": R, "s": S, "yParity": "0x1"},
        {"r": R, "s": S, "yParity": "0x01"},
        {"r": R, "s": S, "yParity": 1},
        {"r": R, "s": S, "v": "0x1c"},
        {"r": R, "s": S, "v": 28},
        {"r": R, "s": S, "v": "0x1c", "yParity": "0x1"},
        {"r": R, "s": S, "v": "0x1c", "recovered": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["secp256k1", "ecdsa"])
def test_a_signature_is_the_same_in_every_form(kind: str, data: Any) -> None:
    assert wire.decode(Signature, {"type": kind, "data": data}).raw == Data.parse(SIGNATURE)


def test_the_type_of_a_signature_may_be_left_out() -> None:
    assert wire.decode(Signature, {"data": SIGNATURE}).type == "secp256k1"


@given(uint256, uint256, st.integers(0, 1))
def test_parts_are_put_together_in_full_width(r: int, s: int, parity: int) -> None:
    by_parity = wire.decode(Signature, {"data": {"r": hex(r), "s": hex(s), "yParity": hex(parity)}})
    by_v = wire.decode(Signature, {"data": {"r": hex(r), "s": hex(s), "v": hex(27 + parity)}})

    assert by_parity.raw == by_v.raw == r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])


@given(blobs)
def test_bytes_of_any_length_pass_for_a_contract_to_judge(data: Data) -> None:
    assert wire.decode(Signature, {"data": data.hex0x()}).raw == data


@pytest.mark.parametrize("parity", [{}, {"yParity": "0x2"}, {"yParity": "0x1b"}, {"v": "0x0"}, {"v": "0x1"}, {"v": 29}])
def test_parts_without_a_parity_make_no_signature(parity: dict[str, Any]) -> None:
    signature = wire.decode(Signature, {"data": {"r": R, "s": S, **parity}})

    with pytest.raises(InvalidParams) as error_info:
        _ = signature.raw

    assert error_info.value.data == {"reason": "signature_malformed", "field": "params.signature.data"}

    with pytest.raises(InvalidParams, match=r"^params\.paymasterPermitSignature\.data: ") as error_info:
        signature.raw_at("params.paymasterPermitSignature")

    assert error_info.value.data["field"] == "params.paymasterPermitSignature.data"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"data": "1234"}, 'params.data: expected hex bytes starting with 0x, got "1234"'),
        ({"data": None}, "params.data: expected hex bytes starting with 0x, got null"),
        ({"data": {"r": R}}, "params.data.s: required, but absent"),
        ({"data": {"r": R + "00", "s": S}}, None),
        ({"type": "webauthn-p256", "data": SIGNATURE}, None),
        ({}, "params.data: required, but absent"),
    ],
)
def test_a_malformed_signature_is_refused(given: dict[str, Any], text: str | None) -> None:
    with pytest.raises(InvalidParams) as error_info:
        wire.decode(Signature, given)

    assert text is None or error_info.value.message == text


def test_a_prepared_operation_is_written_as_clients_expect_it() -> None:
    prepared: dict[str, Any] = {
        "type": "user-operation-v070",
        "data": WRITTEN,
        "chainId": "0x66eee",
        "signatureRequest": {
            "type": "personal_sign",
            "data": {"raw": HASH.hex0x()},
            "rawPayload": "0xb36d8bcbced37fd84a0d8a3a5724910f0a05638be0f4f3aa328f0d32edddffbb",
        },
        "feePayment": {"sponsored": False, "tokenAddress": NATIVE_TOKEN.hex0x(), "maxAmount": "0x1f34"},
        "details": {
            "type": "user-operation",
            "data": {"hash": HASH.hex0x(), "calls": [{"to": NATIVE_TOKEN.hex0x(), "value": "0x0", "data": "0x"}]},
        },
    }

    read = wire.decode(PreparedUserOperation, prepared)

    assert read.signature_request == PersonalSign(data=RawMessage(raw=HASH), raw_payload=personal_sign_digest(HASH))
    assert read.fee_payment == FeePayment(sponsored=False, max_amount=0x1F34)
    assert wire.encode(PreparedUserOperation, read) == prepared
    assert NATIVE_TOKEN.hex0x() == "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"


def test_an_estimate_has_nothing_to_sign() -> None:
    estimate = {
        "type": "user-operation-v070",
        "data": WRITTEN,
        "chainId": "0x1",
        "feePayment": {"sponsored": True, "tokenAddress": NATIVE_TOKEN.hex0x(), "maxAmount": "0x0"},
        "details": {"type": "user-operation", "data": {"hash": HASH.hex0x()}},
    }

    assert wire.encode(PreparedUserOperation, wire.decode(PreparedUserOperation, estimate)) == estimate


DELEGATE = Address.parse("0x69007702764179f14F51cdce752f4f775d74E139")


def test_an_authorization_is_written_as_clients_expect_it() -> None:
    """Source: the known answer of the official client: chain 421614, nonce 0."""
    written = wire.encode(PreparedCalls, PreparedAuthorization.from_authorization(Authorization(421614, DELEGATE, 0)))

    assert written == {
        "type": "authorization",
        "data": {"address": DELEGATE.hex0x(), "nonce": "0x0"},
        "chainId": "0x66eee",
        "signatureRequest": {
            "type": "eip7702Auth",
            "rawPayload": "0x1a98a734ead7cce558b6d20c7e05b30d7823de64b63e66b59d0e52364fc5c4f6",
        },
    }
    assert wire.decode(AuthorizationData, written["data"]).to_authorization(421614) == Authorization(
        421614, DELEGATE, 0
    )


def test_the_removal_of_a_delegation_has_the_known_digest() -> None:
    prepared = PreparedAuthorization.from_authorization(Authorization(421614, ZERO_ADDRESS, 1))

    assert prepared.signature_request.raw_payload == Hash32.parse(
        "0xc7f69eba3e63b729a1ca37f4ea2aeb0bb18ae7ef12cc416481e93cfa3cb0012a"
    )


@given(addresses, addresses, uint32, addresses, st.integers(0, 2**64 - 1))
def test_an_authorization_hash_depends_on_signer_and_authorization(
    authority: Address, other: Address, chain_id: int, delegate: Address, nonce: int
) -> None:
    authorization = Authorization(chain_id, delegate, nonce)

    named = authorization_hash(authority, authorization)

    assert named == keccak(authority + authorization.digest)
    assert (authorization_hash(other, authorization) == named) == (other == authority)
