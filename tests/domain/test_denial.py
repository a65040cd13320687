"""Tests of the mapping from revert data to the permission that did not cover the operation."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, KEY, NOW, deadlines, harmless_permissions
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.contracts import (
    ALLOWLIST_MODULE,
    NATIVE_TOKEN_LIMIT_MODULE,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
)
from wallet_rpc.domain.denial import EXPIRY, Attempt, SessionDenial, find_session_denial
from wallet_rpc.domain.guard import check_and_compile
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.revert import Explanation, explain
from wallet_rpc.domain.validation import HookKind, ValidationInstall, module_entity
from wallet_rpc.domain.validation_install import HALF_ENTITY, SessionTerms
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data

TOKEN, CONTRACT, OTHER = "0x" + "a1" * 20, "0x" + "b2" * 20, "0x" + "c3" * 20
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
TARGETS = {"contract-access", "functions-on-all-contracts", "erc20-token-transfer"}
LIMITS = {"native-token-transfer", "gas-limit"}
entity_ids = st.integers(1, HALF_ENTITY - 1)


def decode_permissions(*kinds: str) -> tuple[Permission, ...]:
    given = [
        {"type": kind} if PERMISSIONS[kind] is None else {"type": kind, "data": PERMISSIONS[kind]} for kind in kinds
    ]
    return wire.decode(tuple[Permission, ...], given)


def error(signature: str, *arguments: Any) -> bytes:
    types = signature[signature.index("(") + 1 : -1]
    return abi.selector_of(signature) + encode(types.split(",") if types else [], arguments)


def hook_reverted(when: HookKind, module: Address, entity_id: int, inner: bytes) -> Explanation:
    """Explain a bundler's revert data: a validation hook in the entry point's wrapper, or a bare execution hook."""
    entity = bytes(module_entity(module, entity_id))
    if when is HookKind.EXECUTION:
        return explain(error("PreExecHookReverted(bytes24,bytes)", entity, inner))
    hook = error("PreUserOpValidationHookReverted(bytes24,bytes)", entity, inner)
    return explain(error("FailedOpWithRevert(uint256,string,bytes)", 0, "AA23 reverted", hook))


def denial(
    explanation: Explanation,
    permissions: tuple[Permission, ...] | None,
    *calls: Call,
    entity_id: int = 1,
) -> SessionDenial | None:
    attempt = Attempt(entity_id=entity_id, permissions=permissions, account=ACCOUNT, calls=calls)
    return find_session_denial(explanation, attempt)


def denied_permission(
    explanation: Explanation, permissions: tuple[Permission, ...], *, entity_id: int = 1
) -> str | None:
    found = denial(explanation, permissions, entity_id=entity_id)
    return None if found is None else found.permission


def call(to: str, data: str = "0x") -> Call:
    return Call(to=Address.parse(to), data=Data.parse(data))


def allowlist_reverted(inner: str = "SelectorNotAllowed()", *, entity_id: int = 1) -> Explanation:
    return hook_reverted(HookKind.VALIDATION, ALLOWLIST_MODULE, entity_id, error(inner))


def is_allowlist(module: Address, hook_entity: int, entity_id: int) -> bool:
    return (module, hook_entity) == (ALLOWLIST_MODULE, entity_id)


def limits(install: ValidationInstall, permissions: tuple[Permission, ...]) -> list[str | None]:
    """Return the permission of each hook of a session except the target allowlist, in the order of installation."""
    inner = error("ExceededTokenLimit()")
    return [
        denied_permission(
            hook_reverted(hook.kind, hook.module, hook.entity_id, inner), permissions, entity_id=install.entity_id
        )
        for hook in install.hooks
        if not is_allowlist(hook.module, hook.entity_id, install.entity_id)
    ]


@pytest.mark.parametrize(
    ("kinds", "meant"),
    [
        (["native-token-transfer", "contract-access"], ["native-token-transfer"]),
        (["erc20-token-transfer"], ["erc20-token-transfer"]),
        (["gas-limit", "contract-access"], ["gas-limit"]),
        (["contract-access"], []),
        (["account-functions"], []),
        (["root"], []),
    ],
)
@given(entity_id=entity_ids, expires=st.booleans())
def test_each_limit_of_a_session_maps_to_its_permission(
    kinds: list[str], meant: list[str], entity_id: int, expires: bool
) -> None:
    permissions = decode_permissions(*kinds)
    terms = SessionTerms(account=ACCOUNT, key=KEY, entity_id=entity_id, deadline=NOW if expires else 0, now=NOW)

    install = check_and_compile(permissions, terms)

    assert limits(install, permissions) == ([EXPIRY] if expires else []) + meant


@given(st.lists(harmless_permissions, min_size=1, max_size=6), entity_ids, deadlines)
def test_every_limit_of_every_session_maps_to_a_granted_permission(
    given_permissions: list[Permission], entity_id: int, deadline: int
) -> None:
    permissions = tuple(given_permissions)
    try:
        install = check_and_compile(
            permissions, SessionTerms(account=ACCOUNT, key=KEY, entity_id=entity_id, deadline=deadline, now=NOW)
        )
    except InvalidParams:
        assume(False)
        return

    kinds = {permission.type for permission in permissions}
    bounding = {"native-token-transfer", "gas-limit", "erc20-token-transfer"}
    assert set(limits(install, permissions)) == (kinds & bounding) | ({EXPIRY} if deadline else set())


NOWHERE = "no permission of the session covers that contract"
LISTED = "the session's permissions are"
DENIED_CALLS: list[tuple[list[str], list[Call], str | None, str]] = [
    (["contract-access"], [call(OTHER)], None, f"{NOWHERE}, {Address.parse(OTHER)}; {LISTED}: contract-access"),
    (["erc20-token-transfer"], [call(OTHER, "0x12345678")], None, f"{NOWHERE}, {Address.parse(OTHER)}"),
    (["contract-access", "functions-on-contract"], [call(OTHER), call(CONTRACT)], None, f"{NOWHERE}, "),
    (["contract-access"], [call(CONTRACT), call(TOKEN)], None, f"{NOWHERE}, {Address.parse(TOKEN)}"),
    (["functions-on-contract"], [call(CONTRACT, "0x12345679")], "functions-on-contract", "denied by the session's "),
    (["functions-on-contract"], [call(CONTRACT, "0x1234")], "functions-on-contract", "denied by the session's "),
    (
        ["functions-on-contract", "erc20-token-transfer"],
        [call(CONTRACT, "0x12345678ff"), call(TOKEN, "0x23b872dd")],
        "erc20-token-transfer",
        "denied by the session's permission erc20-token-transfer",
    ),
    (
        ["functions-on-contract", "erc20-token-transfer"],
        [call(TOKEN, "0x095ea7b3"), call(TOKEN, "0xa9059cbb"), call(CONTRACT)],
        "functions-on-contract",
        "denied by the session's permission functions-on-contract",
    ),
    (
        ["functions-on-all-contracts", "erc20-token-transfer"],
        [call(OTHER, "0x12345678"), call(OTHER, "0x12345679")],
        "functions-on-all-contracts",
        f"denied by the session's permission functions-on-all-contracts: {NOWHERE}, {Address.parse(OTHER)}, with that",
    ),
    (
        ["functions-on-all-contracts", "erc20-token-transfer"],
        [call(TOKEN, "0x12345678")],
        "erc20-token-transfer",
        "denied by the session's permission erc20-token-transfer",
    ),
]


@pytest.mark.parametrize(("kinds", "calls", "permission", "text"), DENIED_CALLS)
def test_a_rejection_by_the_allowlist_maps_to_the_permission_of_the_first_rejected_call(
    kinds: list[str], calls: list[Call], permission: str | None, text: str
) -> None:
    found = denial(allowlist_reverted(), decode_permissions(*kinds), *calls)

    assert found is not None
    assert found.permission == permission
    assert found.text.startswith(text)


def test_short_call_data_meets_a_wildcard_padded_with_zeros() -> None:
    wild = wire.decode(
        tuple[Permission, ...], [{"type": "functions-on-all-contracts", "data": {"functions": ["0x12340000"]}}]
    )

    found = denial(allowlist_reverted("AddressNotAllowed()"), wild, call(OTHER, "0x1234"), call(OTHER, "0x12"))

    assert found is not None
    assert found.permission == "functions-on-all-contracts"
    assert denial(allowlist_reverted("AddressNotAllowed()"), wild, call(OTHER, "0x1234")) is None


def test_nothing_is_said_of_permissions_or_calls_that_are_not_known() -> None:
    everywhere = Attempt(entity_id=1, permissions=decode_permissions(*TARGETS), account=ACCOUNT, calls=None)

    assert find_session_denial(allowlist_reverted(), everywhere) is None
    assert denial(allowlist_reverted(), None, call(OTHER)) is None
    assert denial(missing_function("12345678"), None, call(OTHER)) is None
    limited = hook_reverted(HookKind.VALIDATION, NATIVE_TOKEN_LIMIT_MODULE, 1 + HALF_ENTITY, error("X()"))
    assert denial(limited, None) == SessionDenial(
        text="denied by the session's permission gas-limit", permission="gas-limit"
    )


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
    assert denied_permission(explanation, decode_permissions(*LIMITS, *TARGETS), entity_id=entity_id) == kind


@given(entity_ids, entity_ids)
def test_a_hook_of_another_session_is_no_denial_of_this_one(entity_id: int, other: int) -> None:
    assume(other not in {entity_id, entity_id + HALF_ENTITY, entity_id - HALF_ENTITY})

    for module in (ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE, TIME_RANGE_MODULE):
        explanation = hook_reverted(HookKind.VALIDATION, module, other, error("SelectorNotAllowed()"))
        assert denial(explanation, decode_permissions(*TARGETS), call(OTHER), entity_id=entity_id) is None


def test_the_validation_itself_is_no_permission() -> None:
    entity = bytes(module_entity(SINGLE_SIGNER_MODULE, 1))
    explanation = explain(error("UserOpValidationFunctionReverted(bytes24,bytes)", entity, error("NotAuthorized()")))

    assert denial(explanation, decode_permissions(*TARGETS), call(OTHER)) is None


def missing_function(selector: str) -> Explanation:
    inner = error("ValidationFunctionMissing(bytes4)", bytes.fromhex(selector))
    return explain(error("FailedOpWithRevert(uint256,string,bytes)", 0, "AA23 reverted", inner))


@pytest.mark.parametrize(
    ("kinds", "meant"), [(["account-functions"], "account-functions"), (["contract-access"], None), ([], None)]
)
@pytest.mark.parametrize("selector", ["12345678", abi.EXECUTE_BATCH.hex()])
def test_a_missing_function_is_about_account_functions_when_some_are_granted(
    kinds: list[str], meant: str | None, selector: str
) -> None:
    own = Call(to=ACCOUNT, data=Data.parse("0x12345678"))
    found = denial(missing_function(selector), decode_permissions(*kinds), own, own)

    assert found is not None
    assert found.permission == meant
    text = "no permission of the session covers that function of the account"
    assert found.text == (text if meant is None else "denied by the session's permission account-functions")


@pytest.mark.parametrize("selector", [abi.EXECUTE.hex(), abi.EXECUTE_BATCH.hex()])
@pytest.mark.parametrize("calls", [[call(OTHER)], [Call(to=ACCOUNT), call(OTHER, "0x12345678"), call(TOKEN)]])
def test_a_contract_is_not_covered_by_functions_of_the_account(selector: str, calls: list[Call]) -> None:
    found = denial(missing_function(selector), decode_permissions("account-functions"), *calls)

    assert found == SessionDenial(
        text=f"{NOWHERE}, {Address.parse(OTHER)}; the session's permissions are: account-functions"
    )


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
    assert denial(explain(revert), decode_permissions(*TARGETS), call(OTHER)) is None
