"""Tests of view functions: the call data byte for byte, and any bytes as return data."""

from __future__ import annotations

from contextlib import suppress

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, addresses, blobs, uint32
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.domain.views import (
    NOT_INSTALLED,
    SIGNERS,
    ValidationData,
    decode_address,
    decode_validation_data,
    encode_get_fallback_signer_data,
    encode_get_validation_data,
    encode_is_valid_signature,
    encode_signers,
    is_erc1271_magic_value,
)
from wallet_rpc.errors import UnreadableAnswer
from wallet_rpc.primitives import Address

VALIDATION_TYPE = "(uint8,bytes25[],bytes25[],bytes4[])"
MAGIC = b"\x16\x26\xba\x7e" + bytes(28)
hooks = st.lists(st.binary(min_size=25, max_size=25), max_size=3).map(tuple)
validations = st.builds(
    ValidationData,
    flags=st.integers(0, 255),
    validation_hooks=hooks,
    execution_hooks=hooks,
    selectors=st.lists(st.binary(min_size=4, max_size=4), max_size=3).map(tuple),
)
words = st.sampled_from([n.to_bytes(32, "big") for n in (0, 1, 32, 64, 128, 2**63 - 1, 2**64, 2**256 - 1)])
return_values = st.binary(max_size=300) | st.lists(words, max_size=9).map(b"".join)


def encode_view(validation: ValidationData) -> bytes:
    parts = validation.flags, validation.validation_hooks, validation.execution_hooks, validation.selectors
    return encode([VALIDATION_TYPE], [parts])


@given(uint32, addresses)
def test_a_question_is_the_call_that_another_library_makes(entity_id: int, account: Address) -> None:
    entity = SINGLE_SIGNER_MODULE + entity_id.to_bytes(4, "big")

    assert encode_get_validation_data(entity_id) == abi.selector_of("getValidationData(bytes24)") + encode(
        ["bytes24"], [entity]
    )
    assert encode_signers(entity_id, account) == SIGNERS + encode(["uint32", "address"], [entity_id, bytes(account)])
    assert abi.selector_of("signers(uint32,address)") == SIGNERS
    assert encode_get_fallback_signer_data() == abi.selector_of("getFallbackSignerData()")


@given(st.binary(min_size=32, max_size=32), blobs)
def test_is_valid_signature_is_encoded_as_in_erc1271(digest: bytes, signature: bytes) -> None:
    call_data = abi.selector_of("isValidSignature(bytes32,bytes)") + encode(["bytes32", "bytes"], [digest, signature])

    assert encode_is_valid_signature(digest, signature) == call_data


@given(validations)
def test_validation_data_is_decoded_as_the_account_encodes_it(validation: ValidationData) -> None:
    assert decode_validation_data(encode_view(validation)) == validation


@pytest.mark.parametrize(
    ("flags", "selectors", "installed"), [(0, (), False), (1, (), True), (5, (), True), (0, (b"\1\2\3\4",), True)]
)
def test_a_validation_is_installed_when_it_can_do_anything(
    flags: int, selectors: tuple[bytes, ...], installed: bool
) -> None:
    validation = ValidationData(flags=flags, validation_hooks=(), execution_hooks=(), selectors=selectors)

    assert validation.is_installed is installed
    assert decode_validation_data(encode_view(NOT_INSTALLED)) == NOT_INSTALLED
    assert not NOT_INSTALLED.is_installed


@pytest.mark.parametrize("return_data", [b"", bytes(32), b"\xff" * 300])
def test_an_unreadable_validation_is_no_answer(return_data: bytes) -> None:
    with pytest.raises(UnreadableAnswer, match=r"^getValidationData: expected .* got other return data") as error_info:
        decode_validation_data(return_data)

    assert error_info.value.reason == "unreadable_answer"


@given(return_values)
def test_any_bytes_are_read_or_are_no_answer(return_data: bytes) -> None:
    with suppress(UnreadableAnswer):
        decode_validation_data(return_data)


def test_an_address_is_the_end_of_the_first_word() -> None:
    assert decode_address(abi.address(ACCOUNT)) == ACCOUNT
    assert decode_address(abi.address(ACCOUNT) + bytes(32)) == ACCOUNT


@pytest.mark.parametrize("return_data", [b"", ACCOUNT, bytes(31)])
def test_less_than_a_word_is_no_address(return_data: bytes) -> None:
    with pytest.raises(UnreadableAnswer) as error_info:
        decode_address(return_data)

    assert error_info.value.reason == "unreadable_answer"


@pytest.mark.parametrize(
    ("return_data", "valid"),
    [
        (MAGIC, True),
        (MAGIC + b"more", True),
        (b"", False),
        (MAGIC[:4], False),
        (MAGIC[:31], False),
        (MAGIC[:31] + b"\1", False),
        (b"\xff\xff\xff\xff" + bytes(28), False),
        (bytes(28) + MAGIC[:4], False),
    ],
)
def test_only_the_magic_word_says_valid(return_data: bytes, valid: bool) -> None:
    assert is_erc1271_magic_value(return_data) is valid
