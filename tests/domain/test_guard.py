"""What a server refuses to ask an owner for: one test for each reason, and the document that lists them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.domain.strategies import ACCOUNT, KEY, NOW, TERMS
from wallet_rpc import wire
from wallet_rpc.domain import abi, guard
from wallet_rpc.domain.contracts import ENTRY_POINT, MODULES
from wallet_rpc.domain.guard import (
    LAST_SECOND,
    MODULE_WRITES,
    PRIVILEGED,
    PROTECTED_TARGETS,
    guarded_install,
    translated,
)
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.sdk_text import CompileError, Stage
from wallet_rpc.domain.validation_install import HALF_ENTITY, Terms, compile_permissions
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


def install(permissions: list[Json], terms: Terms = TERMS) -> None:
    guarded_install(wire.decode(tuple[Permission, ...], permissions), terms)


SELF = "0x" + ACCOUNT.hex()
ZERO = "0x" + "00" * 20
F, G = "0x12345678", "0x87654321"

REFUSED: list[tuple[str, list[Json], Json, str]] = [
    ("zero_address", [contract(A)], {"key": ZERO_ADDRESS}, "params.key.publicKey"),
    ("account_as_key", [contract(A)], {"key": ACCOUNT}, "params.key.publicKey"),
    ("address_malformed", [contract(A)], {"key": "0x12"}, "params.key.publicKey"),
    ("expired", [contract(A)], {"deadline": NOW - 1}, "params.expirySec"),
    ("deadline_too_late", [contract(A)], {"deadline": LAST_SECOND + 1}, "params.expirySec"),
    ("entity_id_out_of_range", [contract(A)], {"entity_id": 0}, "params.permissions"),
    ("entity_id_out_of_range", [contract(A)], {"entity_id": HALF_ENTITY}, "params.permissions"),
    ("root_not_alone", [ROOT, contract(A)], {}, "params.permissions[1]"),
    ("root_not_alone", [NATIVE, ROOT], {}, "params.permissions[1]"),
    ("grants_nothing", [NATIVE], {}, "params.permissions"),
    ("grants_nothing", [GAS], {}, "params.permissions"),
    ("grants_nothing", [NATIVE, GAS], {}, "params.permissions"),
    ("too_many", [contract(f"0x{n:040x}") for n in range(1, 102)], {}, "params.permissions"),
    ("too_many", [on_account(*(f"0x{n:08x}" for n in range(257)))], {}, "params.permissions"),
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


@pytest.mark.parametrize(("reason", "permissions", "change", "field"), REFUSED)
def test_a_grant_is_refused(reason: str, permissions: list[Json], change: Json, field: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        install(permissions, replace(TERMS, **change))
    assert caught.value.data == {"reason": reason, "field": field}
    assert caught.value.message.startswith(f"{field}: expected")


@pytest.mark.parametrize("selector", sorted(PRIVILEGED))
def test_no_privileged_function_of_the_account_is_granted(selector: bytes) -> None:
    for kind in (on_account, on_all):
        with pytest.raises(InvalidParams) as caught:
            install([kind(F, "0x" + selector.hex())])
        assert caught.value.reason == "privileged_selector"
    install([on_contract(A, "0x" + selector.hex())])  # another contract may have a function of that name


@pytest.mark.parametrize("selector", sorted(MODULE_WRITES | guard.ENTRY_POINT_WRITES))
def test_no_wildcard_reaches_the_modules_or_the_deposit(selector: bytes) -> None:
    with pytest.raises(InvalidParams) as caught:
        install([on_all("0x" + selector.hex())])
    assert caught.value.reason == "privileged_selector"
    install([on_account(F), on_contract(A, "0x" + selector.hex())])


@pytest.mark.parametrize("target", sorted(PROTECTED_TARGETS))
def test_no_permission_names_what_keeps_the_accounts_own_state(target: bytes) -> None:
    address = "0x" + target.hex()
    for permission in (contract(address), token(address), on_contract(address, F)):
        with pytest.raises(InvalidParams) as caught:
            install([permission])
        assert caught.value.data == {"reason": "protected_target", "field": "params.permissions[0].data.address"}
    assert PROTECTED_TARGETS > MODULES


def test_the_sdk_lets_through_what_the_guard_refuses() -> None:
    """Why there is a guard: the compiler, as the SDK, would have installed these."""
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
        [token(A), on_account(F)],  # the functions cannot be used, but nothing is granted that is not said
    ],
)
def test_an_ordinary_grant_passes(permissions: list[Json]) -> None:
    install(permissions)
    install(permissions, replace(TERMS, deadline=NOW))
    install(permissions, replace(TERMS, deadline=LAST_SECOND))


def test_a_refusal_names_the_request_it_was_given() -> None:
    with pytest.raises(InvalidParams) as caught:
        guarded_install(wire.decode(tuple[Permission, ...], [NATIVE]), TERMS, at="params[0]")
    assert caught.value.data["field"] == "params[0].permissions"


@pytest.mark.parametrize("deadline", [NOW - 1, LAST_SECOND + 1])
def test_a_refused_deadline_names_the_field_it_was_given_in(deadline: int) -> None:
    late = replace(TERMS, deadline=deadline)
    with pytest.raises(InvalidParams) as caught:
        guarded_install(wire.decode(tuple[Permission, ...], [contract(A)]), late, deadline_at="expiry")
    assert caught.value.data["field"] == "params.expiry"


COMPILER = sorted(guard._REASONS)


@pytest.mark.parametrize("name", COMPILER)
def test_every_refusal_of_the_compiler_has_a_reason(name: str) -> None:
    error = translated(CompileError(name, Stage.COMPILE, position=3))
    assert error.code == -32602
    assert error.data["field"] == "params.permissions[3]"
    assert re.fullmatch(r"[a-z_]+", error.reason)


def test_a_refusal_of_the_compiler_about_no_permission_names_its_field() -> None:
    fields = {name: translated(CompileError(name, Stage.COMPILE)).data["field"] for name in COMPILER}
    assert fields["InvalidAddressError"] == "params.key.publicKey"
    assert fields["ExpiredDeadlineError"] == fields["DeadlineOverLimitError"] == "params.expirySec"
    assert fields["ValidationConfigUnsetError"] == "params.permissions"


def test_every_reason_has_a_row_in_the_specification() -> None:
    page = (Path(__file__).parents[2] / "specs" / "permissions.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", page.split("## What the server refuses")[1], re.MULTILINE))
    assert documented == {reason for reason, *_ in REFUSED} | set(guard._REASONS.values())


def test_terms_cannot_grant_past_the_guard() -> None:
    with pytest.raises(ValueError, match="no functions beside"):
        install([contract(A)], replace(TERMS, selectors=(abi.UPDATE_FALLBACK_SIGNER_DATA,)))


def test_as_many_as_allowed_pass() -> None:
    install([contract(f"0x{n:040x}") for n in range(1, 101)])
    install([on_account(*(f"0x{n:08x}" for n in range(1, 257)))])


def test_the_key_may_be_anything_else() -> None:
    install([contract(A)], replace(TERMS, key=KEY))
