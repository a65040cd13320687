"""From what the chain said to the permission that did not cover the operation."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, KEY, NOW, deadlines, harmless_permissions
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import (
    ALLOWLIST_MODULE,
    NATIVE_TOKEN_LIMIT_MODULE,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
)
from wallet_rpc.domain.denial import EXPIRY, denying_permissions
from wallet_rpc.domain.guard import guarded_install
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.revert import Explanation, explain
from wallet_rpc.domain.validation import HookKind, ValidationInstall, module_entity
from wallet_rpc.domain.validation_install import HALF_ENTITY, Terms
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address

TOKEN, CONTRACT = "0x" + "a1" * 20, "0x" + "b2" * 20
PERMISSIONS: dict[str, Any] = {
    "native-token-transfer": {"allowance": "0x1"},
    "erc20-token-transfer": {"address": TOKEN, "allowance": "0x1"},
    "gas-limit": {"limit": "0x1"},
    "contract-access": {"address": CONTRACT},
    "account-functions": {"functions": ["0x12345678"]},
    "functions-on-all-contracts": {"functions": ["0x12345678"]},
    "functions-on-contract": {"address": CONTRACT, "functions": ["0x12345678"]},
    "root": None,
}
TARGETS = {"contract-access", "functions-on-contract", "functions-on-all-contracts", "erc20-token-transfer"}
LIMITS = {"native-token-transfer", "gas-limit"}
entity_ids = st.integers(1, HALF_ENTITY - 1)


def granted(*kinds: str) -> tuple[Permission, ...]:
    given = [
        {"type": kind} if PERMISSIONS[kind] is None else {"type": kind, "data": PERMISSIONS[kind]} for kind in kinds
    ]
    return wire.decode(tuple[Permission, ...], given)


def error(signature: str, *arguments: Any) -> bytes:
    types = signature[signature.index("(") + 1 : -1]
    return abi.selector_of(signature) + encode(types.split(",") if types else [], arguments)


def hook_reverted(when: HookKind, module: Address, entity_id: int, inner: bytes) -> Explanation:
    """As it comes back from a bundler: validation hooks inside the entry point's wrapper, execution hooks bare."""
    entity = bytes(module_entity(module, entity_id))
    if when is HookKind.EXECUTION:
        return explain(error("PreExecHookReverted(bytes24,bytes)", entity, inner))
    hook = error("PreUserOpValidationHookReverted(bytes24,bytes)", entity, inner)
    return explain(error("FailedOpWithRevert(uint256,string,bytes)", 0, "AA23 reverted", hook))


def denied(install: ValidationInstall, permissions: tuple[Permission, ...]) -> list[tuple[str, ...]]:
    """What each hook of a session stands for, in the order they are installed."""
    inner = error("SelectorNotAllowed()")
    return [
        denying_permissions(
            hook_reverted(hook.kind, hook.module, hook.entity_id, inner),
            entity_id=install.entity_id,
            permissions=permissions,
        )
        for hook in install.hooks
    ]


@pytest.mark.parametrize(
    ("kinds", "meant"),
    [
        (["native-token-transfer", "contract-access"], [("native-token-transfer",), ("contract-access",)]),
        (["erc20-token-transfer"], [("erc20-token-transfer",), ("erc20-token-transfer",)]),
        (["gas-limit", "contract-access"], [("gas-limit",), ("contract-access",)]),
        (["contract-access"], [("contract-access",)]),
        (["account-functions"], []),
        (["functions-on-all-contracts"], [("functions-on-all-contracts",)]),
        (["functions-on-contract"], [("functions-on-contract",)]),
        (["root"], []),
        (
            ["functions-on-all-contracts", "contract-access", "erc20-token-transfer"],
            [("erc20-token-transfer",), ("contract-access", "functions-on-all-contracts", "erc20-token-transfer")],
        ),
    ],
)
@given(entity_id=entity_ids, expires=st.booleans())
def test_each_hook_of_a_session_stands_for_its_permission(
    kinds: list[str], meant: list[tuple[str, ...]], entity_id: int, expires: bool
) -> None:
    permissions = granted(*kinds)
    terms = Terms(account=ACCOUNT, key=KEY, entity_id=entity_id, deadline=NOW if expires else 0, now=NOW)

    install = guarded_install(permissions, terms)

    assert denied(install, permissions) == ([(EXPIRY,)] if expires else []) + meant


@given(st.lists(harmless_permissions, min_size=1, max_size=6), entity_ids, deadlines)
def test_every_hook_of_every_session_stands_for_a_permission_it_was_granted(
    given_permissions: list[Permission], entity_id: int, deadline: int
) -> None:
    permissions = tuple(given_permissions)
    try:
        install = guarded_install(
            permissions, Terms(account=ACCOUNT, key=KEY, entity_id=entity_id, deadline=deadline, now=NOW)
        )
    except InvalidParams:
        assume(False)
        return

    kinds = {permission.type for permission in permissions}
    found = [set(meant) for meant in denied(install, permissions)]

    assert all(meant and meant <= kinds | {EXPIRY} for meant in found)
    assert set().union(*found) == kinds - {"account-functions", "root"} | ({EXPIRY} if deadline else set())


@pytest.mark.parametrize(
    ("when", "module", "offset", "inner", "kind"),
    [
        (HookKind.EXECUTION, NATIVE_TOKEN_LIMIT_MODULE, 0, "ExceededNativeTokenLimit()", "native-token-transfer"),
        (HookKind.VALIDATION, NATIVE_TOKEN_LIMIT_MODULE, HALF_ENTITY, "ExceededNativeTokenLimit()", "gas-limit"),
        (HookKind.EXECUTION, ALLOWLIST_MODULE, HALF_ENTITY, "ExceededTokenLimit()", "erc20-token-transfer"),
        (HookKind.EXECUTION, ALLOWLIST_MODULE, HALF_ENTITY, "InvalidCalldataLength()", "erc20-token-transfer"),
        (HookKind.VALIDATION, TIME_RANGE_MODULE, 0, "TimeRangeNotValid()", EXPIRY),
    ],
)
@given(entity_id=entity_ids)
def test_a_limit_that_is_reached_is_named(
    when: HookKind, module: Address, offset: int, inner: str, kind: str, entity_id: int
) -> None:
    explanation = hook_reverted(when, module, entity_id + offset, error(inner))

    assert explanation.names[-1] == inner.removesuffix("()")
    assert denying_permissions(explanation, entity_id=entity_id, permissions=granted(*LIMITS, *TARGETS)) == (kind,)


@given(entity_ids, entity_ids)
def test_a_hook_of_another_session_is_no_denial_of_this_one(entity_id: int, other: int) -> None:
    assume(other not in {entity_id, entity_id + HALF_ENTITY, entity_id - HALF_ENTITY})

    for module in (ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE, TIME_RANGE_MODULE):
        explanation = hook_reverted(HookKind.VALIDATION, module, other, error("SelectorNotAllowed()"))
        assert denying_permissions(explanation, entity_id=entity_id, permissions=granted(*TARGETS)) == ()


def test_the_validation_itself_is_no_permission() -> None:
    entity = bytes(module_entity(SINGLE_SIGNER_MODULE, 1))
    explanation = explain(error("UserOpValidationFunctionReverted(bytes24,bytes)", entity, error("NotAuthorized()")))

    assert denying_permissions(explanation, entity_id=1, permissions=granted(*TARGETS)) == ()


@pytest.mark.parametrize(("kinds", "meant"), [(["account-functions"], True), (["contract-access"], False), ([], False)])
def test_a_missing_function_is_about_account_functions_when_some_are_granted(kinds: list[str], meant: bool) -> None:
    missing = error("ValidationFunctionMissing(bytes4)", b"\x12\x34\x56\x78")
    explanation = explain(error("FailedOpWithRevert(uint256,string,bytes)", 0, "AA23 reverted", missing))

    found = denying_permissions(explanation, entity_id=1, permissions=granted(*kinds))

    assert found == (("account-functions",) if meant else ())


@pytest.mark.parametrize(
    "revert",
    [
        b"",
        error("Error(string)", "no"),
        error("FailedOp(uint256,string)", 0, "AA24 signature error"),
        error("SelectorNotAllowed()"),
        b"\x12",
    ],
)
def test_another_revert_is_no_denial(revert: bytes) -> None:
    assert denying_permissions(explain(revert), entity_id=1, permissions=granted(*TARGETS)) == ()
