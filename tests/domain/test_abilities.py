"""Permissions never widen: the abilities of the compiled bytes against the permissions."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.abilities import Abilities
from tests.domain.classed_functions import FORBIDDEN_AS_WILDCARD, FORBIDDEN_EVERYWHERE, PROTECTED
from tests.domain.strategies import (
    ACCOUNT,
    CONTRACTS,
    FORBIDDEN,
    FUNCTIONS,
    TERMS,
    any_permissions,
    harmless_permissions,
)
from wallet_rpc.domain import abi
from wallet_rpc.domain.guard import check_and_compile
from wallet_rpc.domain.permission import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Permission,
    Root,
)
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Selector

STRANGER = Address(b"\x99" * 20)
TARGETS = [*CONTRACTS, STRANGER]
TAILS = (b"", bytes(64))
CALLS = [(to, selector + tail) for to in TARGETS for selector in FUNCTIONS for tail in TAILS] + [
    (to, data) for to in TARGETS for data in (b"", b"\x10", bytes(2))
]
lists = st.lists(harmless_permissions, min_size=1, max_size=5)


def build_abilities(permissions: Sequence[Permission]) -> Abilities | None:
    try:
        return Abilities(check_and_compile(permissions, TERMS))
    except InvalidParams:
        return None


def is_covered(permission: Permission, to: Address, data: bytes) -> bool:
    """Return True if a plain reading of one permission covers the call."""
    selector = Selector(data[:4].ljust(4, b"\0"))
    match permission:
        case Root():
            return True
        case ContractAccess(data=target):
            return to == target.address
        case FunctionsOnContract(data=some):
            return to == some.address and selector in some.functions
        case FunctionsOnAllContracts(data=everywhere):
            return selector in everywhere.functions
        case Erc20TokenTransfer(data=token):
            return to == token.address and selector in (abi.ERC20_TRANSFER, abi.ERC20_APPROVE)
        case _:
            return False


@given(lists)
def test_every_allowed_call_is_named_by_a_permission(permissions: list[Permission]) -> None:
    abilities = build_abilities(permissions)
    if abilities is not None:
        for to, data in CALLS:
            if abilities.may_call(to, data, account=ACCOUNT):
                assert any(is_covered(item, to, data) for item in permissions), (to, data)


@given(lists)
def test_every_allowed_account_function_is_named_by_a_permission(permissions: list[Permission]) -> None:
    abilities = build_abilities(permissions)
    if abilities is not None and not abilities.install.is_global:
        named = {f for item in permissions if isinstance(item, AccountFunctions) for f in item.data.functions}
        allowed = {f for f in (*FUNCTIONS, *FORBIDDEN) if abilities.may_call_account(f)}
        assert allowed - {abi.EXECUTE, abi.EXECUTE_BATCH} <= named


@given(lists)
def test_every_requested_limit_is_enforced(permissions: list[Permission]) -> None:
    abilities = build_abilities(permissions)
    if abilities is None:
        return
    for item in permissions:
        match item:
            case NativeTokenTransfer(data=wei):
                assert abilities.wei_limit == wei.allowance
            case GasLimit(data=gas):
                assert abilities.gas_limit == gas.limit
            case Erc20TokenTransfer(data=token):
                assert abilities.token_limit(token.address) == token.allowance
            case _:
                pass


@given(lists, st.data())
def test_a_subset_of_permissions_allows_no_more_with_two_exceptions(
    permissions: list[Permission], data: st.DataObject
) -> None:
    """Removing a permission removes abilities, with two exceptions.

    A contract that a permission names is excluded from the wildcards (functions-on-all-contracts), so the wildcards
    include it again without that permission. The hook of a token reverts all account functions, which work again
    without a token.
    """
    all_abilities = build_abilities(permissions)
    kept = data.draw(st.lists(st.sampled_from(permissions), unique_by=id, min_size=1))
    some_abilities = build_abilities([item for item in permissions if any(item is other for other in kept)])
    if all_abilities is None or some_abilities is None:
        return
    removed = [item for item in permissions if not any(item is other for other in kept)]
    named = {
        item.data.address
        for item in removed
        if isinstance(item, ContractAccess | FunctionsOnContract | Erc20TokenTransfer)
    }
    for to, call in CALLS:
        if some_abilities.may_call(to, call, account=ACCOUNT) and to not in named:
            assert all_abilities.may_call(to, call, account=ACCOUNT)
    if not any(isinstance(item, Erc20TokenTransfer) for item in removed):
        for function in FUNCTIONS:
            assert not some_abilities.may_call_account(function) or all_abilities.may_call_account(function)


@given(st.lists(any_permissions, min_size=1, max_size=4))
def test_accepted_grants_never_reach_the_account_or_its_limits(permissions: list[Permission]) -> None:
    abilities = build_abilities(permissions)
    if abilities is None or abilities.install.is_global:
        return
    for refused in FORBIDDEN_EVERYWHERE:
        selector = Selector(bytes.fromhex(refused))
        assert selector in (abi.EXECUTE, abi.EXECUTE_BATCH) or not abilities.may_call_account(selector)
        assert not abilities.may_call(ACCOUNT, selector + bytes(64), account=ACCOUNT)
    for target in map(Address.parse, PROTECTED.values()):
        for refused in FORBIDDEN_AS_WILDCARD:
            assert not abilities.may_call(target, bytes.fromhex(refused) + bytes(64), account=ACCOUNT)


@given(st.lists(any_permissions, min_size=1, max_size=4))
def test_root_is_granted_only_if_requested(permissions: list[Permission]) -> None:
    abilities = build_abilities(permissions)
    assert abilities is None or abilities.install.is_global == any(isinstance(item, Root) for item in permissions)
    assert abilities is None or not abilities.install.flags & 2, "a session never answers ERC-1271"
