"""Allowances: questions, answers, and the permit, held to eth-account's reading of its typed data."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.permit import (
    DOMAIN_SEPARATOR,
    NAME,
    VERSION,
    Permit,
    TokenDomain,
    allowance_question,
    approval,
    balance_question,
    nonce_question,
    read_amount,
    read_text,
    transferred,
    without_transfers,
)
from wallet_rpc.domain.typed_data import typed_data_digest
from wallet_rpc.primitives import Address, Data

TOKEN, OWNER, SPENDER = (Address(bytes([number]) * 20) for number in (0x11, 0x22, 0x33))
DOMAIN = TokenDomain(token=TOKEN, chain_id=421614, name="USDC", version="2")


def selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def test_questions_are_the_standards() -> None:
    assert selector("name()") == NAME
    assert selector("version()") == VERSION
    assert selector("DOMAIN_SEPARATOR()") == DOMAIN_SEPARATOR == bytes.fromhex("3644e515")
    assert balance_question(OWNER) == selector("balanceOf(address)") + encode(["address"], [OWNER])
    both = encode(["address", "address"], [OWNER, SPENDER])
    assert allowance_question(OWNER, SPENDER) == selector("allowance(address,address)") + both
    assert nonce_question(OWNER) == selector("nonces(address)") + encode(["address"], [OWNER])


def test_an_approval_is_a_call_of_the_token() -> None:
    data = selector("approve(address,uint256)") + encode(["address", "uint256"], [SPENDER, 7])
    assert approval(TOKEN, SPENDER, 7) == Call(to=TOKEN, data=approval(TOKEN, SPENDER, 7).data)
    assert approval(TOKEN, SPENDER, 7).data == data


@pytest.mark.parametrize(("answer", "amount"), [(b"", None), (bytes(31), None), (bytes(31) + b"\5", 5), (bytes(64), 0)])
def test_an_amount_is_a_word(answer: bytes, amount: int | None) -> None:
    assert read_amount(answer) == amount


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
    assert read_text(answer) == text


def test_the_separator_is_that_of_a_real_token() -> None:
    """USDC on Ethereum. Source: FiatTokenV2_2 at 0xA0b8…eB48, `DOMAIN_SEPARATOR()`."""
    usdc = Address.parse("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
    domain = TokenDomain(token=usdc, chain_id=1, name="USD Coin", version="2")
    assert domain.separator.hex() == "06c37168a7db5138defc7866392bb87a741f9b3d104deb5094588ce041cae335"


amounts = st.integers(0, 2**256 - 1)


@given(amounts, amounts, amounts)
def test_the_digest_is_that_of_the_typed_data(value: int, nonce: int, deadline: int) -> None:
    permit = Permit(owner=OWNER, spender=SPENDER, value=value, nonce=nonce, deadline=deadline)
    assert permit.digest(DOMAIN) == typed_data_digest(permit.typed_data(DOMAIN))


amounts = st.integers(0, 2**256 - 1)


def moving(amount: int, *, token: Address = TOKEN, signature: str = "transfer(address,uint256)") -> Call:
    return Call(to=token, value=1, data=Data(selector(signature) + encode(["address", "uint256"], [OWNER, amount])))


@given(st.lists(amounts, max_size=4), st.binary(max_size=40))
def test_only_the_tokens_own_transfers_are_moved_and_stilled(given_amounts: list[int], rest: bytes) -> None:
    others = [
        moving(5, token=SPENDER),
        moving(5, signature="approve(address,uint256)"),
        Call(to=TOKEN, data=Data(moving(5).data[:67])),
        Call(to=TOKEN),
    ]
    longer = [Call(to=TOKEN, data=Data(moving(amount).data + rest)) for amount in given_amounts]
    calls = [*others, *longer]
    assert transferred(calls, TOKEN) == sum(given_amounts)
    still = without_transfers(calls, TOKEN)
    assert list(still[:4]) == others
    assert transferred(still, TOKEN) == 0
    for before, after in zip(longer, still[4:], strict=True):
        assert (after.to, after.value, after.data[:36], after.data[68:]) == (
            before.to,
            before.value,
            before.data[:36],
            before.data[68:],
        )
