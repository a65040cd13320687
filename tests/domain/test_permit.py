"""Tests of ERC-20 allowances: call data, return data, and the permit against eth-account's typed data."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.permit import (
    DOMAIN_SEPARATOR_SELECTOR,
    NAME_SELECTOR,
    VERSION_SELECTOR,
    Erc20Domain,
    Permit,
    build_approval,
    decode_string,
    decode_uint,
    encode_allowance,
    encode_balance_of,
    encode_nonces,
    sum_transfers,
    zero_out_transfers,
)
from wallet_rpc.domain.typed_data import typed_data_digest
from wallet_rpc.primitives import Address, Data

TOKEN, OWNER, SPENDER = (Address(bytes([number]) * 20) for number in (0x11, 0x22, 0x33))
DOMAIN = Erc20Domain(token=TOKEN, chain_id=421614, name="USDC", version="2")


def selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def test_questions_are_the_standards() -> None:
    assert selector("name()") == NAME_SELECTOR
    assert selector("version()") == VERSION_SELECTOR
    assert selector("DOMAIN_SEPARATOR()") == DOMAIN_SEPARATOR_SELECTOR == bytes.fromhex("3644e515")
    assert encode_balance_of(OWNER) == selector("balanceOf(address)") + encode(["address"], [OWNER])
    both = encode(["address", "address"], [OWNER, SPENDER])
    assert encode_allowance(OWNER, SPENDER) == selector("allowance(address,address)") + both
    assert encode_nonces(OWNER) == selector("nonces(address)") + encode(["address"], [OWNER])


def test_an_approval_is_a_call_of_the_token() -> None:
    data = selector("approve(address,uint256)") + encode(["address", "uint256"], [SPENDER, 7])
    assert build_approval(TOKEN, SPENDER, 7) == Call(to=TOKEN, data=build_approval(TOKEN, SPENDER, 7).data)
    assert build_approval(TOKEN, SPENDER, 7).data == data


@pytest.mark.parametrize(("answer", "amount"), [(b"", None), (bytes(31), None), (bytes(31) + b"\5", 5), (bytes(64), 0)])
def test_an_amount_is_a_word(answer: bytes, amount: int | None) -> None:
    assert decode_uint(answer) == amount


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (encode(["string"], ["Test Token"]), "Test Token"),
        (encode(["string"], [""]), ""),
        (b"", None),
        (b"DAI".ljust(32, b"\0"), None),
        (encode(["bytes"], [b"\xff"]), None),
    ],
)
def test_a_text_is_a_string_and_nothing_else(answer: bytes, text: str | None) -> None:
    assert decode_string(answer) == text


def test_the_separator_is_that_of_a_real_token() -> None:
    """USDC on Ethereum. Source: FiatTokenV2_2 at 0xA0b8…eB48, `DOMAIN_SEPARATOR_SELECTOR()`."""
    usdc = Address.parse("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
    domain = Erc20Domain(token=usdc, chain_id=1, name="USD Coin", version="2")
    assert domain.separator.hex() == "06c37168a7db5138defc7866392bb87a741f9b3d104deb5094588ce041cae335"


amounts = st.integers(0, 2**256 - 1)


@given(amounts, amounts, amounts)
def test_the_digest_is_that_of_the_typed_data(value: int, nonce: int, deadline: int) -> None:
    permit = Permit(owner=OWNER, spender=SPENDER, value=value, nonce=nonce, deadline=deadline)
    assert permit.digest(DOMAIN) == typed_data_digest(permit.typed_data(DOMAIN))


amounts = st.integers(0, 2**256 - 1)


def transfer_call(amount: int, *, token: Address = TOKEN, signature: str = "transfer(address,uint256)") -> Call:
    return Call(to=token, value=1, data=Data(selector(signature) + encode(["address", "uint256"], [OWNER, amount])))


@given(st.lists(amounts, max_size=4), st.binary(max_size=40))
def test_only_the_tokens_own_transfers_are_moved_and_stilled(given_amounts: list[int], rest: bytes) -> None:
    others = [
        transfer_call(5, token=SPENDER),
        transfer_call(5, signature="approve(address,uint256)"),
        Call(to=TOKEN, data=Data(transfer_call(5).data[:67])),
        Call(to=TOKEN),
    ]
    longer = [Call(to=TOKEN, data=Data(transfer_call(amount).data + rest)) for amount in given_amounts]
    calls = [*others, *longer]
    assert sum_transfers(calls, TOKEN) == sum(given_amounts)
    still = zero_out_transfers(calls, TOKEN)
    assert list(still[:4]) == others
    assert sum_transfers(still, TOKEN) == 0
    for before, after in zip(longer, still[4:], strict=True):
        assert (after.to, after.value, after.data[:36], after.data[68:]) == (
            before.to,
            before.value,
            before.data[:36],
            before.data[68:],
        )
