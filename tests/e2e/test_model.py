"""Random grants and random calls: the chain allows exactly the calls that a model of the grant allows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.domain.abilities import Abilities
from tests.domain.strategies import CONTRACTS, FUNCTIONS, harmless_permissions
from tests.e2e.stacks import on_every_stack
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
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
    """Return a strategy for calls that the permission covers."""
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
    """Draw permissions, and calls most of which one of them covers."""
    granted = draw(st.lists(harmless_permissions, min_size=1, max_size=4))
    fit = st.sampled_from(granted).flatmap(covered_calls)
    return granted, draw(st.lists(st.one_of(fit, fit, fit, calls), min_size=1, max_size=3))


def is_allowed(abilities: Abilities, account: Address, made: Sequence[Call]) -> bool:
    """Return True when every call is allowed and their sums are within the limits."""
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
    """Return a deployed account with enough funds for every call."""
    wallet = Wallet(client).fund(tokens=0)
    wallet.act(None)
    return wallet


@on_every_stack
@settings(max_examples=60)
@given(cases())
def test_the_chain_allows_exactly_the_calls_of_the_model(
    rich: Wallet, case: tuple[list[Permission], list[Call]]
) -> None:
    wallet = rich
    granted, made = case
    account = Address.parse(wallet.account)
    terms = SessionTerms(account=account, key=Address(b"\x5e" * 20), entity_id=1, deadline=0, now=int(time.time()))
    permissions = wire.encode(list[Permission], granted)
    try:
        abilities = Abilities(check_and_compile(granted, terms))
    except InvalidParams as error:
        _assert_server_rejects(wallet, permissions, error.reason)
        return
    grant = wallet.grant(*permissions, expirySec=0)
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
    """Check that the permissions in the error match the EVM's own error and the installed hooks."""
    types = denied.data.get("permissions")
    message = denied.message
    match denied.data["errors"][-2:]:
        case [_, "AddressNotAllowed"]:
            is_wild = any(isinstance(permission, FunctionsOnAllContracts) for permission in permissions)
            assert types == (["functions-on-all-contracts"] if is_wild else None), message
            assert f"{NOWHERE}, {_first_denied(abilities, made)}" in message
        case ["PreUserOpValidationHookReverted", "SelectorNotAllowed" | "NoSelectorSpecified"]:
            target = _first_denied(abilities, made)
            assert types == [_entry_of(target, permissions)], message
        case ["PreExecHookReverted", "ExceededNativeTokenLimit"]:
            assert types == ["native-token-transfer"], message
        case ["PreExecHookReverted", _]:
            assert types == ["erc20-token-transfer"], message
        case ["PreUserOpValidationHookReverted", "ExceededNativeTokenLimit"]:
            assert types == ["gas-limit"], message
        case [*_, "ValidationFunctionMissing"]:
            assert types is None, message
            assert NOWHERE in message
        case unknown:
            raise AssertionError(unknown)


def _first_denied(abilities: Abilities, made: Sequence[Call]) -> Address:
    """Return the target of the first call that the installed allowlist denies."""
    rows = abilities.allowlist(HookKind.VALIDATION)
    assert rows is not None
    return next(call.to for call in made if not rows.allows(call.to, call.data))


def _entry_of(target: Address, permissions: list[Permission]) -> str:
    """Return the type of the one permission whose data names the contract."""
    (found,) = [each.type for each in permissions if getattr(getattr(each, "data", None), "address", None) == target]
    return str(found)


def _assert_server_rejects(wallet: Wallet, permissions: list[dict[str, object]], reason: str) -> None:
    with pytest.raises(RpcError) as error_info:
        wallet.create_session(*permissions, expirySec=0)
    assert (error_info.value.code, error_info.value.reason) == (-32602, reason)
