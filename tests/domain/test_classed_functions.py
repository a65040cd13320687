"""Tests that each state-changing function of the contracts around an account is classed as rejected or granted.

The lists are in `classed_functions`, by signature and selector; a function taken out of a list of the guard, or added
to an interface by its publisher, fails here.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.domain.abilities import Abilities
from tests.domain.classed_functions import (
    ALLOWED,
    FORBIDDEN_AS_WILDCARD,
    FORBIDDEN_EVERYWHERE,
    OPEN,
    OURS_ALONE,
    PROTECTED,
    PUBLISHED_WITHOUT_ABI,
    SDK_MISTAKES,
    WITH_AN_ALLOWANCE,
)
from tests.domain.interfaces import compiled_selectors, interfaces, published_selectors
from tests.domain.strategies import ACCOUNT, TERMS
from tests.golden.scenarios import DEPLOYMENTS
from wallet_rpc import wire
from wallet_rpc.domain import abi, contracts
from wallet_rpc.domain.guard import check_and_compile
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address

CLASSED = FORBIDDEN_EVERYWHERE | FORBIDDEN_AS_WILDCARD | ALLOWED
TOKEN = "0x" + "a1" * 20
MODULES = [name for name in PROTECTED if name not in {"EntryPoint", "ExecutionInstallDelegate"}]


def install(kind: str, **data: Any) -> ValidationInstall:
    return check_and_compile(wire.decode(tuple[Permission, ...], [{"type": kind, "data": data}]), TERMS)


def refusal(kind: str, selector: str) -> str | None:
    """Return the reason for which a grant of one function is rejected; None if it is granted."""
    try:
        install(kind, functions=["0x" + selector])
    except InvalidParams as error:
        return error.reason
    return None


@pytest.mark.parametrize("selector", [*FORBIDDEN_EVERYWHERE, *SDK_MISTAKES])
@pytest.mark.parametrize("kind", ["account-functions", "functions-on-all-contracts"])
def test_no_session_is_given_a_function_by_which_the_account_changes_or_acts(kind: str, selector: str) -> None:
    assert refusal(kind, selector) == "privileged_selector"


@pytest.mark.parametrize("selector", FORBIDDEN_AS_WILDCARD)
def test_no_wildcard_reaches_what_keeps_the_accounts_state(selector: str) -> None:
    assert refusal("functions-on-all-contracts", selector) == "privileged_selector"


@pytest.mark.parametrize("selector", ALLOWED)
def test_every_other_function_is_granted_as_it_is_written(selector: str) -> None:
    permitted = Abilities(install("functions-on-all-contracts", functions=["0x" + selector]))
    assert permitted.may_call(Address.parse(TOKEN), bytes.fromhex(selector), account=ACCOUNT)


@pytest.mark.parametrize("selector", CLASSED)
def test_one_contract_may_be_given_any_function(selector: str) -> None:
    """Contracts other than the protected ones may have functions of the same names."""
    permitted = Abilities(install("functions-on-contract", address=TOKEN, functions=["0x" + selector]))
    assert permitted.may_call(Address.parse(TOKEN), bytes.fromhex(selector), account=ACCOUNT)


@pytest.mark.parametrize("selector", CLASSED)
def test_a_token_allowance_opens_transfer_and_approve_alone(selector: str) -> None:
    permitted = Abilities(install("erc20-token-transfer", address=TOKEN, allowance="0x1"))
    called = permitted.may_call(Address.parse(TOKEN), bytes.fromhex(selector).ljust(260, b"\0"), account=ACCOUNT)
    assert called is (selector in WITH_AN_ALLOWANCE)


@pytest.mark.parametrize(("selector", "signature"), CLASSED.items())
def test_a_classed_selector_is_that_of_its_signature(selector: str, signature: str) -> None:
    assert abi.selector_of(signature).hex() == selector


def test_each_function_is_in_one_class() -> None:
    assert len(CLASSED) == len(FORBIDDEN_EVERYWHERE) + len(FORBIDDEN_AS_WILDCARD) + len(ALLOWED)
    assert not CLASSED.keys() & set(SDK_MISTAKES)


def test_the_classes_are_the_published_interfaces_state_changing_functions() -> None:
    published = {signature for interface in interfaces().values() for signature in interface.writes}
    ours = {signature for functions in OURS_ALONE.values() for signature in functions} & set(CLASSED.values())
    assert published | ours | set(PUBLISHED_WITHOUT_ABI) == set(CLASSED.values())


def test_account_and_module_functions_that_change_state_are_refused() -> None:
    """A new function of an account or a module must not be classed as granted."""
    found = interfaces()
    accounts = [
        found[name] for name in ("ModularAccount", "SemiModularAccountBytecode", "SemiModularAccountStorageOnly")
    ]
    assert {signature for each in accounts for signature in each.writes} == set(FORBIDDEN_EVERYWHERE.values())
    modules = [found[name] for name in MODULES if name in found]
    assert len(modules) == len(MODULES) - 2, "all but WebAuthn, and Allowlist once"
    assert {signature for each in modules for signature in each.writes} <= set(FORBIDDEN_AS_WILDCARD.values())


@pytest.mark.parametrize("name", sorted(compiled_selectors().keys() - {"VerifyingPaymaster", "TokenPaymaster"}))
def test_the_projects_contracts_have_published_and_classed_functions_only(name: str) -> None:
    known = {signature for each in interfaces().values() for signature in each.reads | each.writes}
    assert set(compiled_selectors()[name]) - known == set(OURS_ALONE.get(name, ()))


@pytest.mark.skipif(not DEPLOYMENTS.is_file(), reason="the published deployment records are not on this machine")
def test_the_published_bytecode_dispatches_classed_functions_and_reads_only() -> None:
    reads = {abi.selector_of(signature).hex() for each in interfaces().values() for signature in each.reads}
    found = published_selectors()
    assert len(found) == 12
    assert set().union(*found.values()) <= reads | CLASSED.keys()


@pytest.mark.parametrize("name", PROTECTED)
def test_no_permission_names_a_contract_that_keeps_the_accounts_state(name: str) -> None:
    for kind, data in (
        ("contract-access", {}),
        ("erc20-token-transfer", {"allowance": "0x1"}),
        ("functions-on-contract", {"functions": ["0x12345678"]}),
    ):
        with pytest.raises(InvalidParams) as error_info:
            install(kind, address=PROTECTED[name], **data)
        assert error_info.value.data == {"reason": "protected_target", "field": "params.permissions[0].data.address"}


def test_each_known_contract_is_protected_or_open() -> None:
    known = {value for value in vars(contracts).values() if isinstance(value, Address)}
    assert known == {Address.parse(address) for address in (*PROTECTED.values(), *OPEN.values())}
    for address in OPEN.values():
        install("contract-access", address=address)


@pytest.mark.skipif(not DEPLOYMENTS.is_file(), reason="the published deployment records are not on this machine")
def test_each_published_contract_is_protected_or_open() -> None:
    deployed = json.loads(DEPLOYMENTS.read_text("utf-8"))["transactions"]
    addresses = {each["contractName"]: each["contractAddress"] for each in deployed}
    assert addresses.items() <= (PROTECTED | OPEN).items()
