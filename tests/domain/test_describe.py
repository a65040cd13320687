"""Tests of the descriptions: one sentence for each kind of permission, and one for the deadline."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import any_permissions
from wallet_rpc import wire
from wallet_rpc.domain.describe import describe_expiry, describe_grant, describe_permission
from wallet_rpc.domain.permission import Permission
from wallet_rpc.primitives import Address

TOKEN = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
SENTENCES: list[tuple[str, Any, str]] = [
    (
        "native-token-transfer",
        {"allowance": "0x14d1120d7b160000"},
        "send up to 1.5 of the native token (1500000000000000000 wei) in all",
    ),
    (
        "erc20-token-transfer",
        {"address": TOKEN, "allowance": "0x7a120"},
        f"transfer or approve up to 500000 units of token {TOKEN} in all",
    ),
    (
        "gas-limit",
        {"limit": "0x1"},
        "let the account pay up to 0.000000000000000001 of the native token (1 wei) for gas in all",
    ),
    ("contract-access", {"address": TOKEN}, f"call every function of contract {TOKEN}"),
    ("account-functions", {"functions": ["0xabcdef01"]}, "call function 0xabcdef01 of the account itself"),
    (
        "functions-on-all-contracts",
        {"functions": ["0xddf252ad", "0xa9059cbb"]},
        "call functions 0xddf252ad, 0xa9059cbb on any contract",
    ),
    (
        "functions-on-contract",
        {"address": TOKEN, "functions": ["0xddf252ad"]},
        f"call function 0xddf252ad of contract {TOKEN}",
    ),
    ("root", None, "do everything the owner can do"),
]


@pytest.mark.parametrize(("kind", "data", "sentence"), SENTENCES)
def test_each_permission_is_one_plain_sentence(kind: str, data: Any, sentence: str) -> None:
    written = {"type": kind} if data is None else {"type": kind, "data": data}

    (permission,) = wire.decode(tuple[Permission, ...], [written])
    assert describe_permission(permission) == sentence


def test_every_kind_has_its_sentence() -> None:
    kinds = wire.schema(Permission)["discriminator"]["mapping"]

    assert {kind for kind, *_ in SENTENCES} == set(kinds)


@given(any_permissions)
def test_a_sentence_is_one_line_without_a_trace_of_the_program(permission: Permission) -> None:
    sentence = describe_permission(permission)

    assert sentence.isprintable()
    assert "(data" not in sentence
    assert "None" not in sentence


@pytest.mark.parametrize(
    ("wei", "amount"),
    [(0, "0"), (10**18, "1"), (10**17, "0.1"), (2**256 - 1, f"{(2**256 - 1) // 10**18}.584007913129639935")],
)
def test_wei_are_also_whole_tokens_to_the_last_digit(wei: int, amount: str) -> None:
    (permission,) = wire.decode(tuple[Permission, ...], [{"type": "gas-limit", "data": {"limit": hex(wei)}}])

    assert f"up to {amount} of the native token ({wei} wei)" in describe_permission(permission)


@pytest.mark.parametrize(
    ("deadline", "words"),
    [
        (0, "without end"),
        (1747969653, "until 2025-05-23 03:07:33 UTC"),
        (253402300799, "until 9999-12-31 23:59:59 UTC"),
        (253402300800, "until second 253402300800 after 1970"),
        (2**48 - 1, "until second 281474976710655 after 1970"),
    ],
)
def test_the_end_is_a_date_or_beyond_the_calendar_a_second(deadline: int, words: str) -> None:
    assert describe_expiry(deadline) == words


@given(st.integers(0, 2**48 - 1))
def test_every_deadline_has_a_description(deadline: int) -> None:
    assert describe_expiry(deadline).startswith(("until ", "without "))


def test_a_session_is_one_sentence_with_its_key_its_end_and_all_rights() -> None:
    permissions = wire.decode(
        tuple[Permission, ...],
        [
            {"type": "native-token-transfer", "data": {"allowance": "0x1"}},
            {"type": "contract-access", "data": {"address": TOKEN}},
        ],
    )
    signer = Address.parse(TOKEN)
    assert describe_grant(signer, permissions, 1747969653) == (
        f"The key {signer} may, until 2025-05-23 03:07:33 UTC: send up to 0.000000000000000001 of the native token "
        f"(1 wei) in all; call every function of contract {TOKEN}."
    )
    assert describe_grant(None, (), 0) == "A key may, without end: do nothing."
