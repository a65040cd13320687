"""Warnings about grants as rules; `tests/operations/test_grant_dangers.py` shows each danger on chain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.abilities import Abilities
from tests.domain.strategies import ACCOUNT, FUNCTIONS, harmless_permissions
from tests.domain.test_abilities import CALLS, build_abilities
from wallet_rpc import wire
from wallet_rpc.domain.abi import selector_of
from wallet_rpc.domain.forwarding import FORWARDERS, SELF_FORWARDERS, TOKEN_FUNCTIONS
from wallet_rpc.domain.grant_warnings import GrantFacts, GrantWarning, WarningCode, find_warnings
from wallet_rpc.domain.permission import Erc20TokenTransfer, Permission
from wallet_rpc.primitives import Address

NOW = 1_760_000_000
TOKEN = Address(b"\x70" * 20)
YEAR = 365 * 86_400
NATIVE = {"type": "native-token-transfer", "data": {"allowance": "0x0"}}
PLAIN = {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}}


def read_permissions(*permissions: dict[str, Any]) -> tuple[Permission, ...]:
    return wire.decode(tuple[Permission, ...], list(permissions))


def on_all(*signatures: str) -> dict[str, Any]:
    functions = ["0x" + selector_of(each).hex() for each in signatures]
    return {"type": "functions-on-all-contracts", "data": {"functions": functions}}


def on_contract(*signatures: str, address: Address = TOKEN) -> dict[str, Any]:
    functions = ["0x" + selector_of(each).hex() for each in signatures]
    return {"type": "functions-on-contract", "data": {"address": address.hex0x(), "functions": functions}}


def find(*permissions: dict[str, Any], deadline: int = NOW + 60, **facts: Any) -> tuple[GrantWarning, ...]:
    return find_warnings(read_permissions(*permissions), deadline=deadline, now=NOW, facts=GrantFacts(**facts))


def find_codes(*permissions: dict[str, Any], **fields: Any) -> list[str]:
    return [warning.code.value for warning in find(*permissions, **fields)]


def test_a_grant_without_a_danger_has_no_warning() -> None:
    assert find(NATIVE, on_contract("balanceOf(address)"), deadline=NOW + YEAR) == ()


@pytest.mark.parametrize(
    ("deadline", "codes"), [(0, ["no_end"]), (NOW + YEAR, []), (NOW + YEAR + 1, ["far_end"]), (NOW, [])]
)
def test_an_end_is_far_from_a_year_and_a_second_on(deadline: int, codes: list[str]) -> None:
    assert find_codes(NATIVE, PLAIN, deadline=deadline) == codes


def test_only_calls_of_contracts_and_root_carry_value() -> None:
    access = {"type": "contract-access", "data": {"address": TOKEN.hex0x()}}
    token = {"type": "erc20-token-transfer", "data": {"address": TOKEN.hex0x(), "allowance": "0x1"}}
    for permission in (access, token, PLAIN, on_contract("f()"), {"type": "root"}):
        assert "native_value_unlimited" in find_codes(permission)
        assert permission == {"type": "root"} or "native_value_unlimited" not in find_codes(permission, NATIVE)
    assert find_codes({"type": "account-functions", "data": {"functions": ["0x9cfd7cff"]}}) == []


@pytest.mark.parametrize("signature", TOKEN_FUNCTIONS.values())
def test_each_function_of_a_token_is_named(signature: str) -> None:
    (warning,) = find(NATIVE, on_all("f()", signature))
    assert (warning.code, warning.permission) == (WarningCode.TOKENS_ON_ALL_CONTRACTS, 1)
    assert signature in warning.message
    assert find(NATIVE, on_contract(signature)) == ()


@pytest.mark.parametrize("signature", (FORWARDERS | SELF_FORWARDERS).values())
def test_each_forwarder_is_named_on_one_contract_and_on_all(signature: str) -> None:
    for permission in (on_contract("f()", signature), on_all(signature)):
        (warning,) = find(NATIVE, permission)
        assert (warning.code, warning.permission) == (WarningCode.TARGET_FORWARDS_CALLS, 1)
        assert signature in warning.message


def test_an_unknown_balance_is_neither_above_nor_below_a_limit() -> None:
    limit = {"type": "native-token-transfer", "data": {"allowance": "0x64"}}
    assert find_codes(limit, PLAIN) == []
    assert find_codes(limit, PLAIN, native=100) == []
    assert find_codes(limit, PLAIN, native=99) == ["limit_above_balance"]


def test_a_value_that_the_node_did_not_return_is_named() -> None:
    (warning,) = find(NATIVE, PLAIN, unread=("the account's balance",))
    assert warning.code is WarningCode.NOT_CHECKED
    assert "the account's balance" in warning.message


def test_plain_transfers_are_lost_on_a_contract_even_if_it_lists_the_zero_selector() -> None:
    listed = {"type": "functions-on-contract", "data": {"address": TOKEN.hex0x(), "functions": ["0x00000000"]}}
    (warning,) = find(NATIVE, PLAIN, listed)
    assert (warning.code, warning.permission) == (WarningCode.PERMISSION_VOID, 1)
    whole = build_abilities(read_permissions(NATIVE, PLAIN, listed))
    assert whole is not None
    assert not whole.may_call(TOKEN, b"", account=ACCOUNT)


def test_a_message_stays_short() -> None:
    everything = on_all(*TOKEN_FUNCTIONS.values())
    (warning,) = find(NATIVE, everything)
    assert f"and {len(TOKEN_FUNCTIONS) - 5} more" in warning.message


def _loses(alone: Abilities, whole: Abilities) -> bool:
    """Return True if the whole grant denies a call that one of its permissions allows."""
    calls = [call for call in CALLS if alone.may_call(*call, account=ACCOUNT)]
    functions = [function for function in FUNCTIONS if alone.may_call_account(function)]
    return any(not whole.may_call(*call, account=ACCOUNT) for call in calls) or any(
        not whole.may_call_account(function) for function in functions
    )


@given(st.lists(harmless_permissions, min_size=1, max_size=5))
def test_exactly_the_permissions_that_lose_calls_to_others_are_void(permissions: list[Permission]) -> None:
    """Compare with a model of the contracts. Plain transfers to a token are lost too, and not worth a warning."""
    whole = build_abilities(permissions)
    if whole is None:
        return
    warned = {
        warning.permission
        for warning in find_warnings(permissions, deadline=0, now=NOW, facts=GrantFacts())
        if warning.code is WarningCode.PERMISSION_VOID
    }
    tokens = {each.data.address for each in permissions if isinstance(each, Erc20TokenTransfer)}
    for index, permission in enumerate(permissions):
        alone = build_abilities([permission])
        if alone is None:  # a limit
            continue
        loses = _loses(alone, whole)
        if index in warned:
            assert loses, permission
        elif loses:
            assert tokens, permission
            without = build_abilities([each for each in permissions if not isinstance(each, Erc20TokenTransfer)])
            assert without is not None
            assert not _loses(alone, without), permission
