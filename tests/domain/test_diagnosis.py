"""Tests of the mapping from revert data to the reason, the permission and the call of a session's denial."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.domain.denied import (
    CONTRACT,
    LIMITS,
    OTHER,
    TARGETS,
    TOKEN,
    allowlist_reverted,
    call,
    decode_permissions,
    denial,
    denied_permission,
    entity_ids,
    error,
    hook_reverted,
    is_allowlist,
    missing_function,
)
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
from wallet_rpc.domain.decision.contract_rules import SessionHook
from wallet_rpc.domain.decision.denials import Denial, Reason
from wallet_rpc.domain.guard import check_and_compile
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.revert import Explanation, explain
from wallet_rpc.domain.validation import HookKind, ValidationInstall, module_entity
from wallet_rpc.domain.validation_install import HALF_ENTITY, SessionTerms
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data


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

    assert limits(install, permissions) == ([SessionHook.EXPIRY] if expires else []) + meant


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
    assert set(limits(install, permissions)) == (kinds & bounding) | ({SessionHook.EXPIRY} if deadline else set())


NOWHERE = "no permission of the session covers that contract"
LISTED = "the session's permissions are"
BY = "denied by the session's permission"
TRANSFER = "0xa9059cbb" + "00" * 64
DENIED_CALLS: list[tuple[str, list[str], list[Call], int, str | None, str]] = [
    ("Address", ["contract-access"], [call(OTHER)], 0, None, f"{NOWHERE}, {Address.parse(OTHER)}; {LISTED}: contract-"),
    ("Address", ["erc20-token-transfer"], [call(OTHER, "0x12345678")], 0, None, f"{NOWHERE}, {Address.parse(OTHER)}"),
    ("Address", ["contract-access", "account-functions"], [call(OTHER), call(CONTRACT)], 0, None, f"{NOWHERE}, "),
    ("Address", ["contract-access"], [call(CONTRACT), call(TOKEN)], 1, None, f"{NOWHERE}, {Address.parse(TOKEN)}"),
    ("Selector", ["functions-on-contract"], [call(CONTRACT, "0x12345679")], 0, "functions-on-contract", BY),
    ("NoSelector", ["functions-on-contract"], [call(CONTRACT, "0x1234")], 0, "functions-on-contract", BY),
    ("NoSelector", ["functions-on-contract"], [call(CONTRACT)], 0, "functions-on-contract", BY),
    (
        "Selector",
        ["functions-on-contract", "erc20-token-transfer"],
        [call(CONTRACT, "0x12345678ff"), call(TOKEN, "0x23b872dd")],
        1,
        "erc20-token-transfer",
        f"{BY} erc20-token-transfer",
    ),
    (
        "NoSelector",
        ["functions-on-contract", "erc20-token-transfer"],
        [call(TOKEN, TRANSFER), call(CONTRACT)],
        1,
        "functions-on-contract",
        f"{BY} functions-on-contract",
    ),
    (
        "Address",
        ["functions-on-all-contracts", "erc20-token-transfer"],
        [call(OTHER, "0x12345678"), call(OTHER, "0x12345679")],
        1,
        "functions-on-all-contracts",
        f"{BY} functions-on-all-contracts: {NOWHERE}, {Address.parse(OTHER)}, with that",
    ),
]
INNER = {
    "Address": ("AddressNotAllowed()", Reason.CONTRACT),
    "Selector": ("SelectorNotAllowed()", Reason.FUNCTION),
    "NoSelector": ("NoSelectorSpecified()", Reason.FUNCTION),
}


@pytest.mark.parametrize(("inner", "kinds", "calls", "position", "permission", "text"), DENIED_CALLS)
def test_a_rejection_by_the_allowlist_maps_to_the_permission_of_the_first_rejected_call(
    inner: str, kinds: list[str], calls: list[Call], position: int, permission: str | None, text: str
) -> None:
    name, reason = INNER[inner]
    found = denial(allowlist_reverted(name), decode_permissions(*kinds), *calls)

    assert found is not None
    assert (found.reason, found.permission, found.call) == (reason, permission, position)
    assert found.text.startswith(text)


def test_short_call_data_meets_a_wildcard_padded_with_zeros() -> None:
    wild = wire.decode(
        tuple[Permission, ...], [{"type": "functions-on-all-contracts", "data": {"functions": ["0x12340000"]}}]
    )

    found = denial(allowlist_reverted("AddressNotAllowed()"), wild, call(OTHER, "0x1234"), call(OTHER, "0x12"))

    assert found is not None
    assert (found.permission, found.call) == ("functions-on-all-contracts", 1)


def test_the_error_alone_tells_the_reason_where_the_rules_are_not_known() -> None:
    somewhere = denial(allowlist_reverted("AddressNotAllowed()"), None, call(OTHER))
    limited = hook_reverted(HookKind.VALIDATION, NATIVE_TOKEN_LIMIT_MODULE, 1 + HALF_ENTITY, error("X()"))
    gas = hook_reverted(
        HookKind.VALIDATION, NATIVE_TOKEN_LIMIT_MODULE, 1 + HALF_ENTITY, error("ExceededNativeTokenLimit()")
    )

    assert somewhere is not None
    assert (somewhere.reason, somewhere.permission, somewhere.call) == (Reason.CONTRACT, None, None)
    assert denial(missing_function("12345678"), None, call(OTHER)) == Denial(
        reason=Reason.ACCOUNT_FUNCTION, text="no permission of the session covers that function of the account"
    )
    missing = denial(missing_function(abi.EXECUTE.hex()), None, call(OTHER))
    assert missing is not None
    assert missing.reason is Reason.CONTRACT
    found = denial(gas, None)
    assert found == Denial(
        reason=Reason.GAS,
        text="denied by the session's permission gas-limit",
        hook=SessionHook.GAS,
        permission="gas-limit",
    )
    unknown = denial(limited, None)
    assert unknown is not None
    assert unknown.reason is Reason.MALFORMED


def test_the_error_alone_tells_the_reason_where_the_rules_allow_the_calls() -> None:
    changed_since = denial(allowlist_reverted("AddressNotAllowed()"), decode_permissions(*TARGETS), call(CONTRACT))

    assert changed_since is not None
    assert (changed_since.reason, changed_since.permission) == (Reason.CONTRACT, None)


@pytest.mark.parametrize("found", ["AA22 expired or not due", "AA22"])
def test_the_entry_point_finds_the_session_expired(found: str) -> None:
    for explanation in (explain(error("FailedOp(uint256,string)", 0, found)), Explanation.of_entry_point(found)):
        expired = denial(explanation, decode_permissions("contract-access"), call(CONTRACT))
        assert expired is not None
        assert (expired.reason, expired.permission) == (Reason.EXPIRED, "expiry")


@pytest.mark.parametrize(
    ("when", "module", "offset", "inner", "kind"),
    [
        (HookKind.EXECUTION, NATIVE_TOKEN_LIMIT_MODULE, 0, "ExceededNativeTokenLimit()", "native-token-transfer"),
        (HookKind.VALIDATION, NATIVE_TOKEN_LIMIT_MODULE, HALF_ENTITY, "ExceededNativeTokenLimit()", "gas-limit"),
        (HookKind.EXECUTION, ALLOWLIST_MODULE, HALF_ENTITY, "ExceededTokenLimit()", "erc20-token-transfer"),
        (HookKind.EXECUTION, ALLOWLIST_MODULE, HALF_ENTITY, "InvalidCalldataLength()", "erc20-token-transfer"),
        (HookKind.VALIDATION, TIME_RANGE_MODULE, 0, "TimeRangeNotValid()", SessionHook.EXPIRY),
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


@pytest.mark.parametrize(
    ("kinds", "meant"), [(["account-functions"], "account-functions"), (["contract-access"], None)]
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
    assert found.text.startswith(text if meant is None else "denied by the session's permission account-functions: it ")


@pytest.mark.parametrize("selector", [abi.EXECUTE.hex(), abi.EXECUTE_BATCH.hex()])
@pytest.mark.parametrize("calls", [[call(OTHER)], [Call(to=ACCOUNT), call(OTHER, "0x12345678"), call(TOKEN)]])
def test_a_contract_is_not_covered_by_functions_of_the_account(selector: str, calls: list[Call]) -> None:
    found = denial(missing_function(selector), decode_permissions("account-functions"), *calls)

    assert found is not None
    assert (found.reason, found.permission) == (Reason.CONTRACT, None)
    assert found.text == f"{NOWHERE}, {Address.parse(OTHER)}; the session's permissions are: account-functions"


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
