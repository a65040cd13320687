"""Tests of grants that the server rejects: one for each reason, and the specification that lists the reasons.

`test_classed_functions` tests the functions and contracts that no session gets.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.domain.strategies import ACCOUNT, NOW, TERMS
from wallet_rpc import wire
from wallet_rpc.domain import abi, sdk_values, validation_install
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.guard import check_and_compile, check_grant, translate_compile_error
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.sdk_values import CompileError, Stage
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import ZERO_ADDRESS, Address

A, B = "0x" + "a1" * 20, "0x" + "b2" * 20
ROOT = {"type": "root"}
NATIVE = {"type": "native-token-transfer", "data": {"allowance": "0x1"}}
GAS = {"type": "gas-limit", "data": {"limit": "0x1"}}
Json = dict[str, Any]


def token(address: str) -> Json:
    return {"type": "erc20-token-transfer", "data": {"address": address, "allowance": "0x1"}}


def contract(address: str) -> Json:
    return {"type": "contract-access", "data": {"address": address}}


def functions(kind: str, *selectors: str, **more: str) -> Json:
    return {"type": kind, "data": {"functions": list(selectors), **more}}


def on_account(*selectors: str) -> Json:
    return functions("account-functions", *selectors)


def on_all(*selectors: str) -> Json:
    return functions("functions-on-all-contracts", *selectors)


def on_contract(address: str, *selectors: str) -> Json:
    return functions("functions-on-contract", *selectors, address=address)


def install(permissions: list[Json], terms: SessionTerms = TERMS) -> None:
    check_and_compile(wire.decode(tuple[Permission, ...], permissions), terms)


LAST_SECOND = 9_999_999_999
"""The latest deadline of a session: the last number of seconds with ten digits."""
SELF = "0x" + ACCOUNT.hex()
ZERO = "0x" + "00" * 20
HALF_ENTITY = 0x7FFFFFFF
F, G = "0x12345678", "0x87654321"
MANY = [f"0x{n:08x}" for n in range(257)]

INVALID: list[tuple[str, list[Json], Json, str]] = [
    ("zero_address", [contract(A)], {"key": ZERO_ADDRESS}, "params.key.publicKey"),
    ("account_as_key", [contract(A)], {"key": ACCOUNT}, "params.key.publicKey"),
    ("address_malformed", [contract(A)], {"key": "0x12"}, "params.key.publicKey"),
    ("expired", [contract(A)], {"deadline": NOW - 1}, "params.expirySec"),
    ("expired", [contract(A)], {"deadline": 1}, "params.expirySec"),
    ("deadline_too_late", [contract(A)], {"deadline": LAST_SECOND + 1}, "params.expirySec"),
    ("entity_id_out_of_range", [contract(A)], {"entity_id": 0}, "params.permissions"),
    ("entity_id_out_of_range", [contract(A)], {"entity_id": HALF_ENTITY}, "params.permissions"),
    ("root_not_alone", [ROOT, contract(A)], {}, "params.permissions[1]"),
    ("root_not_alone", [NATIVE, ROOT], {}, "params.permissions[1]"),
    ("grants_nothing", [NATIVE], {}, "params.permissions"),
    ("grants_nothing", [GAS], {}, "params.permissions"),
    ("grants_nothing", [NATIVE, GAS], {}, "params.permissions"),
    ("too_many", [contract(f"0x{n:040x}") for n in range(1, 102)], {}, "params.permissions"),
    ("too_many", [on_account(*MANY)], {}, "params.permissions"),
    ("too_many", [*(contract(f"0x{n:040x}") for n in range(1, 100)), on_all(*MANY)], {}, "params.permissions"),
    ("duplicate_limit", [NATIVE, contract(A), NATIVE], {}, "params.permissions[2]"),
    ("duplicate_limit", [contract(A), GAS, GAS], {}, "params.permissions[2]"),
    ("zero_address", [contract(A), token(ZERO)], {}, "params.permissions[1].data.address"),
    ("zero_address", [contract(ZERO)], {}, "params.permissions[0].data.address"),
    ("zero_address", [on_contract(ZERO, F)], {}, "params.permissions[0].data.address"),
    ("account_as_target", [contract(SELF)], {}, "params.permissions[0].data.address"),
    ("account_as_target", [token("0x" + SELF[2:].upper())], {}, "params.permissions[0].data.address"),
    ("account_as_target", [on_contract(ACCOUNT.hex0x(), F)], {}, "params.permissions[0].data.address"),
    ("protected_target", [contract(ENTRY_POINT.hex0x())], {}, "params.permissions[0].data.address"),
    ("duplicate_target", [contract(A), contract(Address.parse(A).hex0x())], {}, "params.permissions[1].data.address"),
    ("duplicate_target", [token(A), token(A)], {}, "params.permissions[1].data.address"),
    ("duplicate_target", [token(A), contract(A)], {}, "params.permissions[1].data.address"),
    ("duplicate_target", [on_contract(A, F), token(A)], {}, "params.permissions[1].data.address"),
    ("empty_selector", [on_account(F, "0x00000000")], {}, "params.permissions[0].data.functions[1]"),
    ("duplicate_selector", [on_account(F, G, F)], {}, "params.permissions[0].data.functions[2]"),
    ("duplicate_selector", [on_account(F), on_account(G, F)], {}, "params.permissions[1].data.functions[1]"),
    ("duplicate_selector", [on_all(F), on_all(F)], {}, "params.permissions[1].data.functions[0]"),
    ("duplicate_selector", [on_contract(A, F, F)], {}, "params.permissions[0].data.functions[1]"),
    ("privileged_selector", [contract(A), on_account(F, "0x001A63E9")], {}, "params.permissions[1].data.functions[1]"),
]


@pytest.mark.parametrize(("reason", "permissions", "change", "field"), INVALID)
def test_a_grant_is_refused(reason: str, permissions: list[Json], change: Json, field: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        install(permissions, replace(TERMS, **change))
    assert error_info.value.data == {"reason": reason, "field": field}
    assert error_info.value.message.startswith(f"{field}: expected")


PRIVILEGED = "a function that changes or bypasses the account"
SAID: list[tuple[list[Json], Json, str]] = [
    ([contract(A)], {"key": ZERO_ADDRESS}, "expected the address of a key, got the zero address"),
    ([contract(A)], {"key": ACCOUNT}, "expected a key other than the account, got the account itself"),
    ([contract(A)], {"deadline": NOW - 1}, f"expected a time from {NOW} on, got {NOW - 1}"),
    ([contract(A)], {"deadline": 1}, f"expected a time from {NOW} on, got 1"),
    ([contract(A)], {"deadline": 10**10}, "expected seconds, at most 9999999999, got 10000000000"),
    ([on_all(*MANY)], {}, "expected at most 100 permissions with 256 functions in all"),
    ([ROOT, contract(A)], {}, "expected root alone; it already grants everything"),
    ([GAS], {}, "expected a permission that grants a call; a limit alone grants none"),
    ([GAS, contract(A), GAS], {}, "expected one gas-limit, got another"),
    ([NATIVE, contract(A), NATIVE], {}, "expected one native-token-transfer, got another"),
    ([contract(ZERO)], {}, "expected a contract, got the zero address"),
    ([contract(SELF)], {}, "expected another contract, got the account itself"),
    (
        [contract(ENTRY_POINT.hex0x())],
        {},
        "expected another contract, got one that stores the account's own keys, limits or deposit",
    ),
    ([token(A), contract(A)], {}, "expected each contract once; a later entry overwrites the earlier"),
    ([on_all(F, F)], {}, "expected each function once, got 0x12345678 again"),
    ([on_account("0x00000000")], {}, "expected a function of the account, got 0x00000000"),
    ([on_account(F, "0xb61d27f6")], {}, f"expected no privileged function, got 0xb61d27f6: {PRIVILEGED}"),
    ([on_all(F, "0xb61d27f6")], {}, f"expected no privileged function, got 0xb61d27f6: {PRIVILEGED}"),
    (
        [on_all(F, "0xe762c77c")],
        {},
        "expected no privileged function, got 0xe762c77c: a function that rewrites the session's limits",
    ),
    (
        [on_all(F, "0x205c2878")],
        {},
        "expected no privileged function, got 0x205c2878: a function on the account's deposit or nonces",
    ),
]


@pytest.mark.parametrize(("permissions", "change", "text"), SAID)
def test_an_error_states_the_expected_and_the_received_value(permissions: list[Json], change: Json, text: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        install(permissions, replace(TERMS, **change))
    assert error_info.value.message == f"{error_info.value.data['field']}: {text}"


@pytest.mark.parametrize("selector", ["0xb61d27f6", "0xe762c77c", "0x205c2878"])
def test_a_rejected_function_is_named_by_its_path(selector: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        install([GAS, on_all(F, selector)])
    assert error_info.value.data["field"] == "params.permissions[1].data.functions[1]"


@pytest.mark.parametrize("changes", [{"account": "0x12"}, {"key": "0x12"}])
def test_an_account_or_a_key_that_is_no_address_is_the_compilers_refusal(changes: Json) -> None:
    with pytest.raises(CompileError) as error_info:
        check_grant([], replace(TERMS, **changes))
    assert (error_info.value.name, error_info.value.stage) == ("InvalidAddressError", Stage.CONSTRUCTOR)


def test_the_sdk_accepts_grants_that_the_guard_rejects() -> None:
    """The compiler, like the SDK, would install these grants, so the guard is necessary."""
    for permission in (
        on_account("0x001a63e9"),
        on_account("0x93b1dc61"),
        on_account("0x30009d52"),
        on_all("0x" + abi.UPDATE_NATIVE_LIMITS.hex()),
        contract(ENTRY_POINT.hex0x()),
        token(SELF),
    ):
        compile_permissions(wire.decode(tuple[Permission, ...], [permission]), TERMS)
        with pytest.raises(InvalidParams):
            install([permission])


@pytest.mark.parametrize(
    "permissions",
    [
        [ROOT],
        [NATIVE, GAS, token(A), contract(B), on_all(F, "0x00000000")],
        [GAS, on_account(F, G), on_contract(A, F, G), on_all(F)],
        [token(A), token(B)],
        [token(A), on_account(F)],  # the functions cannot be used, but nothing is granted beyond the permissions
    ],
)
def test_an_ordinary_grant_passes(permissions: list[Json]) -> None:
    install(permissions)
    install(permissions, replace(TERMS, deadline=NOW))
    install(permissions, replace(TERMS, deadline=LAST_SECOND))


def test_a_refusal_names_the_request_it_was_given() -> None:
    with pytest.raises(InvalidParams) as error_info:
        check_and_compile(wire.decode(tuple[Permission, ...], [NATIVE]), TERMS, at="params[0]")
    assert error_info.value.data["field"] == "params[0].permissions"
    with pytest.raises(InvalidParams) as error_info:
        check_and_compile(wire.decode(tuple[Permission, ...], [ROOT]), replace(TERMS, entity_id=0), at="params[0]")
    assert error_info.value.data == {"reason": "entity_id_out_of_range", "field": "params[0].permissions"}


@pytest.mark.parametrize("deadline", [NOW - 1, LAST_SECOND + 1])
def test_a_refused_deadline_names_the_field_it_was_given_in(deadline: int) -> None:
    late = replace(TERMS, deadline=deadline)
    with pytest.raises(InvalidParams) as error_info:
        check_and_compile(wire.decode(tuple[Permission, ...], [contract(A)]), late, deadline_at="expiry")
    assert error_info.value.data["field"] == "params.expiry"


COMPILER = {
    "InvalidEntityIdError": "entity_id_out_of_range",
    "EntityIdOverrideError": "entity_id_out_of_range",
    "InvalidAddressError": "address_malformed",
    "SelectorNotAllowed": "privileged_selector",
    "RootPermissionOnlyError": "root_not_alone",
    "AccountAddressAsTargetError": "account_as_target",
    "DuplicateTargetAddressError": "duplicate_target",
    "NoFunctionsProvidedError": "no_functions",
    "ExpiredDeadlineError": "expired",
    "DeadlineOverLimitError": "deadline_too_late",
    "MultipleNativeTokenTransferError": "duplicate_limit",
    "MultipleGasLimitError": "duplicate_limit",
    "ZeroAddressError": "zero_address",
    "SyntaxError": "amount_malformed",
    "IntegerOutOfRangeError": "amount_too_large",
    "ValidationConfigUnsetError": "grants_nothing",
    "AbiEncodingBytesSizeMismatchError": "selector_malformed",
    "UnsupportedPermissionTypeError": "unknown_permission",
}
"""The reason for each error of the compiler."""
FIELDS = {
    "InvalidAddressError": "params.key.publicKey",
    "ExpiredDeadlineError": "params.expirySec",
    "DeadlineOverLimitError": "params.expirySec",
}


def test_every_refusal_of_the_compiler_is_known() -> None:
    raised = {
        name
        for module in (sdk_values, validation_install)
        for name in re.findall(r'CompileError\("(\w+)"', inspect.getsource(module))
    }
    assert raised == COMPILER.keys()


@pytest.mark.parametrize(("name", "reason"), COMPILER.items())
def test_every_refusal_of_the_compiler_has_a_reason_and_a_field(name: str, reason: str) -> None:
    error = translate_compile_error(CompileError(name, Stage.COMPILE, position=3))
    assert error.code == -32602
    assert error.data == {"reason": reason, "field": "params.permissions[3]"}
    assert error.message == "params.permissions[3]: expected a grant that can be installed"
    assert translate_compile_error(CompileError(name, Stage.COMPILE)).data["field"] == FIELDS.get(
        name, "params.permissions"
    )


def test_every_reason_has_a_row_in_the_specification() -> None:
    page = (Path(__file__).parents[2] / "specs" / "permissions.md").read_text("utf-8")
    documented = set(
        re.findall(r"^\| `([a-z_]+)` \|", page.split("## What the server refuses")[1].split("\n## ")[0], re.MULTILINE)
    )
    on_chain = {"grant_not_installable", "warning_is_error"}  # tests/operations/test_grant_trials.py has these
    assert documented == {reason for reason, *_ in INVALID} | set(COMPILER.values()) | on_chain


def test_terms_cannot_grant_past_the_guard() -> None:
    with pytest.raises(
        ValueError, match=r"^expected terms without selectors, since only permissions may grant functions$"
    ):
        install([contract(A)], replace(TERMS, selectors=(abi.UPDATE_FALLBACK_SIGNER_DATA,)))


def test_as_many_as_allowed_pass() -> None:
    install([contract(f"0x{n:040x}") for n in range(1, 101)])
    install([on_account(*(f"0x{n:08x}" for n in range(1, 257)))])


@pytest.mark.parametrize("kind", ["account-functions", "functions-on-all-contracts", "functions-on-contract"])
def test_a_permission_without_functions_is_not_read(kind: str) -> None:
    target = {"address": A} if kind == "functions-on-contract" else {}
    with pytest.raises(InvalidParams) as error_info:
        install([functions(kind, **target)])
    assert error_info.value.reason == "invalid_params"
