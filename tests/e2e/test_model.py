"""Random grants and random calls: the chain allows exactly what a model of the grant allows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.domain.abilities import Abilities
from tests.domain.strategies import CONTRACTS, FUNCTIONS, harmless_permissions
from tests.e2e.client import Client, RpcError, Wallet
from tests.e2e.stacks import on_every_stack
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.guard import check_and_compile
from wallet_rpc.domain.permission import (
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    Permission,
)
from wallet_rpc.domain.validation import HookKind
from wallet_rpc.domain.validation_install import SessionTerms
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data

AMOUNTS = st.sampled_from([0, 1, 2**255, 2**256 - 1])


def token_call(selector: bytes, amount: int) -> Data:
    return Data(selector + abi.address(CONTRACTS[0]) + abi.uint(amount))


calls = st.builds(
    lambda to, value, data: Call(to=to, value=value, data=data),
    st.sampled_from([*CONTRACTS, Address(b"\x77" * 20)]),
    st.sampled_from([0, 1, 1000]),
    st.one_of(
        st.just(Data()),
        st.sampled_from(FUNCTIONS).map(Data),
        st.sampled_from(FUNCTIONS).map(lambda selector: Data(selector[:3])),
        st.builds(token_call, st.sampled_from([abi.ERC20_TRANSFER, abi.ERC20_APPROVE]), AMOUNTS),
    ),
)


def covered_calls(permission: Permission) -> st.SearchStrategy[Call]:
    """Calls that this permission is about."""
    match permission:
        case ContractAccess(data=data):
            return st.builds(lambda call: Call(to=data.address, data=call.data), calls)
        case FunctionsOnContract(data=named):
            return st.sampled_from(named.functions).map(lambda selector: Call(to=named.address, data=Data(selector)))
        case FunctionsOnAllContracts(data=chosen):
            return st.builds(
                lambda to, selector: Call(to=to, data=Data(selector)),
                st.sampled_from([*CONTRACTS, Address(b"\x77" * 20)]),
                st.sampled_from(chosen.functions),
            )
        case Erc20TokenTransfer(data=token):
            return AMOUNTS.map(lambda amount: Call(to=token.address, data=token_call(abi.ERC20_APPROVE, amount)))
        case _:
            return calls


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Permission], list[Call]]:
    """Permissions, and calls most of which are about one of them."""
    granted = draw(st.lists(harmless_permissions, min_size=1, max_size=4))
    fit = st.sampled_from(granted).flatmap(covered_calls)
    return granted, draw(st.lists(st.one_of(fit, fit, fit, calls), min_size=1, max_size=3))


def is_allowed(abilities: Abilities, account: Address, made: Sequence[Call]) -> bool:
    """Every call is allowed, and all of them together stay within the limits."""
    if not all(abilities.may_call(call.to, call.data, account=account) for call in made):
        return False
    spent: Counter[Address] = Counter()
    for call in made:
        if abilities.token_limit(call.to) is not None:
            spent[call.to] += int.from_bytes(call.data[36:68], "big")
    within = all(amount <= (abilities.token_limit(token) or 0) for token, amount in spent.items())
    value = sum(call.value for call in made)
    return within and (abilities.wei_limit is None or value <= abilities.wei_limit)


@pytest.fixture
def rich(client: Client) -> Wallet:
    """A deployed account with money enough for every call."""
    wallet = Wallet(client).fund(tokens=0)
    wallet.act(None)
    return wallet


@on_every_stack
@settings(max_examples=60)
@given(cases())
def test_the_chain_allows_what_the_model_allows(rich: Wallet, case: tuple[list[Permission], list[Call]]) -> None:
    wallet, (granted, made) = rich, case
    account = Address.parse(wallet.account)
    terms = SessionTerms(account=account, key=Address(b"\x5e" * 20), entity_id=1, deadline=0, now=int(time.time()))
    wanted = wire.encode(list[Permission], granted)
    try:
        abilities = Abilities(check_and_compile(granted, terms))
    except InvalidParams as refused:
        _assert_server_rejects(wallet, wanted, refused.reason)
        return
    grant = wallet.grant(*wanted, expirySec=0)
    if is_allowed(abilities, account, made):
        event("allowed")
        wallet.prepare(*wire.encode(list[Call], made), permissions=grant.permissions)
        return
    event("denied")
    with pytest.raises(RpcError) as error_info:
        wallet.prepare(*wire.encode(list[Call], made), permissions=grant.permissions)
    assert error_info.value.code in {-32500, -32521}, error_info.value.message
    assert "errors" in error_info.value.data, error_info.value.message
    _assert_denial(error_info.value, abilities, granted, made)


NOWHERE = "no permission of the session covers that contract"


def _assert_denial(denied: RpcError, abilities: Abilities, permissions: list[Permission], made: Sequence[Call]) -> None:
    """The denial in the error is that of the EVM's own error, read with the bytes of the installed hooks."""
    told, message = denied.data.get("permissions"), denied.message
    match denied.data["errors"][-2:]:
        case [_, "AddressNotAllowed"]:
            is_wild = any(isinstance(permission, FunctionsOnAllContracts) for permission in permissions)
            assert told == (["functions-on-all-contracts"] if is_wild else None), message
            assert f"{NOWHERE}, {_first_denied(abilities, made)}" in message
        case ["PreUserOpValidationHookReverted", "SelectorNotAllowed" | "NoSelectorSpecified"]:
            target = _first_denied(abilities, made)
            assert told == [_entry_of(target, permissions)], message
        case ["PreExecHookReverted", "ExceededNativeTokenLimit"]:
            assert told == ["native-token-transfer"], message
        case ["PreExecHookReverted", _]:
            assert told == ["erc20-token-transfer"], message
        case ["PreUserOpValidationHookReverted", "ExceededNativeTokenLimit"]:
            assert told == ["gas-limit"], message
        case [*_, "ValidationFunctionMissing"]:
            assert told is None, message
            assert NOWHERE in message
        case unknown:
            raise AssertionError(unknown)


def _first_denied(abilities: Abilities, made: Sequence[Call]) -> Address:
    """The target of the first call that the installed list refuses."""
    rows = abilities.allowlist(HookKind.VALIDATION)
    assert rows is not None
    return next(call.to for call in made if not rows.allows(call.to, call.data))


def _entry_of(target: Address, permissions: list[Permission]) -> str:
    """The type of the one permission whose data names the contract."""
    (found,) = [each.type for each in permissions if getattr(getattr(each, "data", None), "address", None) == target]
    return str(found)


def _assert_server_rejects(wallet: Wallet, permissions: list[dict[str, object]], reason: str) -> None:
    with pytest.raises(RpcError) as error_info:
        wallet.create_session(*permissions, expirySec=0)
    assert (error_info.value.code, error_info.value.reason) == (-32602, reason)
