"""Tests of the hash that the paymaster's signer signs; tests/policies compare it with the contract's on a chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import address_of
from wallet_rpc.domain.signature import personal_sign_digest, recover_signer
from wallet_rpc.domain.sponsorship import (
    POST_OP_GAS,
    VERIFICATION_GAS,
    Window,
    build_sponsorship_stub,
    sign_sponsorship,
    sponsorship_hash,
)
from wallet_rpc.domain.user_operation import Factory, PaymasterPart, UserOperation, pack
from wallet_rpc.primitives import Address, Data

PAYMASTER = Address(b"\x7e" * 20)
KEY = b"\x07" * 32
SIGNER = address_of(PrivateKey(KEY))
WINDOW = Window(valid_until=1_800_000_600, valid_after=5)
OP = UserOperation(
    sender=Address(b"\xac" * 20),
    nonce=7 << 64 | 3,
    factory=Factory(Address(b"\xfa" * 20), Data(b"\x01")),
    call_data=Data(b"\xb6\x1d\x27\xf6"),
    call_gas_limit=11,
    verification_gas_limit=12,
    pre_verification_gas=13,
    max_fee_per_gas=14,
    max_priority_fee_per_gas=15,
    paymaster=PaymasterPart(PAYMASTER, 16, 17, Data(b"ignored")),
)


def test_hash_is_that_of_the_contracts_abi() -> None:
    packed = pack(OP)
    types = ["uint256", "address", "address", "uint256", *["bytes32"] * 3, "uint256", *["bytes32"] * 2, *["uint48"] * 2]
    values: list[Any] = [1, bytes(PAYMASTER), bytes(OP.sender), OP.nonce]
    values += [keccak(packed.init_code), keccak(packed.call_data), bytes(packed.account_gas_limits)]
    values += [13, bytes(packed.gas_fees), packed.paymaster_and_data[20:52], 1_800_000_600, 5]
    assert sponsorship_hash(OP, chain_id=1, window=WINDOW) == keccak(encode(types, values))


@pytest.mark.parametrize(
    "change",
    [
        {"sender": Address(b"\xad" * 20)},
        {"nonce": 8},
        {"factory": None},
        {"call_data": Data(b"")},
        {"call_gas_limit": 10},
        {"verification_gas_limit": 11},
        {"pre_verification_gas": 12},
        {"max_fee_per_gas": 13},
        {"max_priority_fee_per_gas": 14},
        {"paymaster": PaymasterPart(Address(b"\x7f" * 20), 16, 17, Data())},
        {"paymaster": PaymasterPart(PAYMASTER, 15, 17, Data())},
        {"paymaster": PaymasterPart(PAYMASTER, 16, 18, Data())},
    ],
    ids=lambda change: next(iter(change)),
)
def test_hash_covers_the_effect_and_cost_of_an_operation(change: dict[str, Any]) -> None:
    other = replace(OP, **change)
    assert sponsorship_hash(other, chain_id=1, window=WINDOW) != sponsorship_hash(OP, chain_id=1, window=WINDOW)


def test_hash_covers_chain_and_window() -> None:
    hashes = {
        sponsorship_hash(OP, chain_id=chain_id, window=window)
        for chain_id in (1, 2)
        for window in (WINDOW, Window(valid_until=5, valid_after=5), Window(valid_until=1_800_000_600))
    }
    assert len(hashes) == 6


def test_hash_leaves_out_signatures_and_paymaster_data() -> None:
    part = PaymasterPart(PAYMASTER, 16, 17, Data(b"other"))
    other = replace(OP, signature=Data(b"x"), paymaster=part)
    assert sponsorship_hash(other, chain_id=1, window=WINDOW) == sponsorship_hash(OP, chain_id=1, window=WINDOW)


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.binary(min_size=32, max_size=32))
def test_data_is_window_and_signature(until: int, after: int, seed: bytes) -> None:
    window = Window(valid_until=until, valid_after=after)
    op = replace(OP, call_data=Data(seed))
    part = sign_sponsorship(op, PAYMASTER, chain_id=1, window=window, key=KEY)
    assert len(part.data) == len(build_sponsorship_stub(PAYMASTER, window=window).data) == 77
    assert part.data[:12] == until.to_bytes(6, "big") + after.to_bytes(6, "big")
    digest = personal_sign_digest(sponsorship_hash(op, chain_id=1, window=window))
    assert recover_signer(digest, part.data[12:]) == SIGNER
    assert (part.verification_gas_limit, part.post_op_gas_limit) == (16, 17)


@pytest.mark.parametrize("given_part", [None, PaymasterPart(Address(bytes(20)), 0, 0, Data())])
def test_missing_limits_are_the_paymasters_defaults(given_part: PaymasterPart | None) -> None:
    part = sign_sponsorship(replace(OP, paymaster=given_part), PAYMASTER, chain_id=1, window=WINDOW, key=KEY)
    assert part.address == PAYMASTER
    assert (part.verification_gas_limit, part.post_op_gas_limit) == (VERIFICATION_GAS, POST_OP_GAS)
    digest = personal_sign_digest(sponsorship_hash(replace(OP, paymaster=part), chain_id=1, window=WINDOW))
    assert recover_signer(digest, part.data[12:]) == SIGNER


def test_stub_has_no_zero_byte_after_its_window() -> None:
    part = build_sponsorship_stub(PAYMASTER, window=WINDOW)
    assert 0 not in part.data[12:]
    assert (part.verification_gas_limit, part.post_op_gas_limit) == (VERIFICATION_GAS, POST_OP_GAS)
