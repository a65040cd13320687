"""Tests of the token paymaster's signed data; tests/devchain checks the same bytes with the contract."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_keys.datatypes import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import address_of
from wallet_rpc.domain import abi, token_charge
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.signature import personal_sign_digest, recover_signer
from wallet_rpc.domain.sponsorship import Window, sponsorship_hash
from wallet_rpc.domain.token_charge import (
    ChargeMode,
    Erc20Charge,
    SignedPermit,
    charge_hash,
    max_erc20_cost,
    wei_to_erc20,
)
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data

TOKEN, PAYMASTER = Address(b"\x11" * 20), Address(b"\x22" * 20)
KEY = b"\x07" * 32
SIGNER = address_of(PrivateKey(KEY))
WINDOW = Window(valid_until=1_800_000_000, valid_after=1)
CHARGE = Erc20Charge(token=TOKEN, rate=2_000 * 10**18, max_amount=10**18)
PERMIT = SignedPermit(value=5, deadline=6, signature=Data(b"\x08\x09"))
OP = UserOperation(
    sender=Address(b"\x33" * 20),
    nonce=1 << 64,
    call_data=Data(b"\x01"),
    call_gas_limit=10,
    verification_gas_limit=20,
    pre_verification_gas=30,
    max_fee_per_gas=3,
    max_priority_fee_per_gas=1,
    paymaster=PaymasterPart(PAYMASTER, 40, 50, Data(b"stub")),
)


def test_amounts_are_rounded_up() -> None:
    assert [wei_to_erc20(wei, 2_000_000) for wei in (0, 1, 5 * 10**11, 5 * 10**11 + 1, 10**18)] == [
        0,
        1,
        1,
        2,
        2_000_000,
    ]


@given(st.integers(0, 1 << 128), st.integers(0, 1 << 100))
def test_no_less_than_the_worth_and_less_than_one_unit_more(wei: int, rate: int) -> None:
    assert 0 <= wei_to_erc20(wei, rate) * 10**18 - wei * rate < 10**18


@given(st.integers(0, 1 << 250), st.integers(0, (1 << 256) - 1))
def test_an_amount_that_no_token_can_count_is_refused(wei: int, rate: int) -> None:
    if wei * rate <= ((1 << 256) - 1) * 10**18:
        assert wei_to_erc20(wei, rate) < 1 << 256
        return
    with pytest.raises(InvalidParams) as error_info:
        wei_to_erc20(wei, rate)
    field = "params.capabilities.paymasterService.erc20"
    assert error_info.value.data == {"reason": "token_amount_too_large", "field": field}


def test_the_largest_amount_of_a_token_is_counted() -> None:
    assert wei_to_erc20(10**18, (1 << 256) - 1) == (1 << 256) - 1
    with pytest.raises(InvalidParams):
        wei_to_erc20(10**18, 1 << 256)


def test_the_most_is_the_price_of_all_limits() -> None:
    assert max_cost(OP) == (10 + 20 + 30 + 40 + 50) * 3
    assert max_erc20_cost(OP, 10**18) == 450


def test_the_terms_are_packed_as_the_contract_reads_them() -> None:
    words = (2_000 * 10**18).to_bytes(32) + (10**18).to_bytes(32)
    assert CHARGE.terms == b"\0" + (30_000).to_bytes(4) + TOKEN + words
    assert replace(CHARGE, is_prepaid=True).terms == b"\1" + (10_000).to_bytes(4) + TOKEN + words
    permitted = replace(CHARGE, is_prepaid=True, permit=PERMIT)
    assert permitted.mode is ChargeMode.BEFORE_WITH_PERMIT
    tail = (5).to_bytes(32) + (6).to_bytes(32) + b"\x08\x09"
    assert permitted.terms == b"\2" + (10_000).to_bytes(4) + TOKEN + words + tail


def test_a_stub_is_as_long_as_the_signed_data() -> None:
    for charge in (CHARGE, replace(CHARGE, is_prepaid=True, permit=PERMIT)):
        stub = token_charge.build_erc20_charge_stub(PAYMASTER, charge, window=WINDOW)
        signed = token_charge.sign_erc20_charge(OP, charge, chain_id=1, window=WINDOW, key=KEY)
        assert (stub.address, len(stub.data)) == (signed.address, len(signed.data))
        assert stub.data[:-65] == signed.data[:-65] == WINDOW.encoding + charge.terms
        assert (signed.verification_gas_limit, signed.post_op_gas_limit) == (40, 50)


def test_the_signer_signs_the_sponsorship_and_the_terms() -> None:
    part = token_charge.sign_erc20_charge(OP, CHARGE, chain_id=5, window=WINDOW, key=KEY)
    inside = sponsorship_hash(OP, chain_id=5, window=WINDOW) + abi.keccak(CHARGE.terms)
    assert recover_signer(personal_sign_digest(abi.keccak(inside)), part.data[-65:]) == SIGNER


OTHERS = [
    replace(CHARGE, token=PAYMASTER),
    replace(CHARGE, rate=1),
    replace(CHARGE, max_amount=1),
    replace(CHARGE, is_prepaid=True),
    replace(CHARGE, permit=PERMIT),
    replace(CHARGE, permit=replace(PERMIT, value=6)),
]


def test_other_terms_have_another_hash() -> None:
    hashes = {charge_hash(OP, charge, chain_id=1, window=WINDOW) for charge in [CHARGE, *OTHERS]}
    assert len(hashes) == 1 + len(OTHERS)
    assert charge_hash(replace(OP, nonce=5), CHARGE, chain_id=1, window=WINDOW) not in hashes
    assert charge_hash(OP, CHARGE, chain_id=2, window=WINDOW) not in hashes


def test_an_operation_without_paymaster_cannot_be_charged() -> None:
    with pytest.raises(ValueError, match="no paymaster"):
        token_charge.sign_erc20_charge(replace(OP, paymaster=None), CHARGE, chain_id=1, window=WINDOW, key=KEY)
