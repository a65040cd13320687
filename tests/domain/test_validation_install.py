"""Tests of the compiler: seed 001, every error of the SDK, and different installations for different grants."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, KEY, NOW, TERMS, harmless_permissions, terms
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.permission import Permission, RawPermission, Root, to_raw_permission
from wallet_rpc.domain.sdk_values import CompileError, Stage, read_amount
from wallet_rpc.domain.validation import HookKind, installed_signer, parse_install
from wallet_rpc.domain.validation_install import (
    HALF_ENTITY,
    MAX_DEADLINE,
    SessionTerms,
    compile_permissions,
    compile_raw_permissions,
)
from wallet_rpc.primitives import Address, Data, Selector

A, B = "0x" + "a1" * 20, "0x" + "b2" * 20
ZERO = "0x" + "00" * 20
BAD_CHECKSUM = "0x647bbf38CD0E116d1672405aE17a775572a84e0A"
CONTRACT = RawPermission(kind="contract-access", target=A)
NATIVE = RawPermission(kind="native-token-transfer", amount=1)
GAS = RawPermission(kind="gas-limit", amount="0x1")
ROOT = RawPermission(kind="root")
TEXT = replace(TERMS, account=B, key=A)


def refusal(grants: list[RawPermission], given_terms: SessionTerms = TEXT) -> tuple[str, str, int | None]:
    with pytest.raises(CompileError) as error_info:
        compile_raw_permissions(grants, given_terms)
    return error_info.value.name, str(error_info.value.stage), error_info.value.position


def some(kind: str, *functions: str, target: str | None = None) -> RawPermission:
    return RawPermission(kind=kind, target=target, functions=functions)


INVALID: list[tuple[str, list[RawPermission], dict[str, Any], Stage, int | None]] = [
    ("InvalidEntityIdError", [CONTRACT], {"entity_id": HALF_ENTITY}, Stage.CONSTRUCTOR, None),
    ("InvalidAddressError", [CONTRACT], {"key": "0x1234"}, Stage.CONSTRUCTOR, None),
    ("InvalidAddressError", [CONTRACT], {"key": BAD_CHECKSUM}, Stage.CONSTRUCTOR, None),
    ("SelectorNotAllowed", [CONTRACT], {"selectors": ("0xB61D27F6",)}, Stage.CONSTRUCTOR, None),
    ("SelectorNotAllowed", [some("account-functions", "0x01020304", "0x1D37E7D6")], {}, Stage.ADD, 0),
    (
        "SelectorNotAllowed",
        [RawPermission(kind="account-functions", functions=(abi.PERFORM_CREATE,))],
        {},
        Stage.ADD,
        0,
    ),
    ("RootPermissionOnlyError", [ROOT, CONTRACT], {}, Stage.ADD, 1),
    ("RootPermissionOnlyError", [CONTRACT, ROOT], {}, Stage.ADD, 1),
    ("RootPermissionOnlyError", [ROOT, ROOT], {}, Stage.ADD, 1),
    ("AccountAddressAsTargetError", [RawPermission(kind="contract-access", target=B)], {}, Stage.ADD, 0),
    ("DuplicateTargetAddressError", [CONTRACT, some("functions-on-contract", target=A)], {}, Stage.ADD, 1),
    ("NoFunctionsProvidedError", [some("account-functions")], {}, Stage.ADD, 0),
    ("ExpiredDeadlineError", [NATIVE], {"deadline": NOW - 1}, Stage.COMPILE, None),
    ("DeadlineOverLimitError", [NATIVE], {"deadline": MAX_DEADLINE + 1}, Stage.COMPILE, None),
    ("MultipleNativeTokenTransferError", [NATIVE, CONTRACT, NATIVE], {}, Stage.COMPILE, 2),
    ("MultipleGasLimitError", [GAS, GAS], {}, Stage.COMPILE, 1),
    ("ZeroAddressError", [RawPermission(kind="erc20-token-transfer", target=ZERO, amount="0x")], {}, Stage.COMPILE, 0),
    ("NoFunctionsProvidedError", [some("functions-on-contract", target=ZERO)], {}, Stage.COMPILE, 0),
    ("NoFunctionsProvidedError", [some("functions-on-all-contracts")], {}, Stage.COMPILE, 0),
    ("SyntaxError", [replace(NATIVE, amount="0x")], {}, Stage.COMPILE, 0),
    ("SyntaxError", [replace(NATIVE, amount="many")], {}, Stage.COMPILE, 0),
    ("IntegerOutOfRangeError", [replace(NATIVE, amount="0x1" + "0" * 64)], {}, Stage.COMPILE, 0),
    (
        "IntegerOutOfRangeError",
        [RawPermission(kind="erc20-token-transfer", target=A, amount="-1")],
        {},
        Stage.COMPILE,
        0,
    ),
    ("InvalidAddressError", [NATIVE, RawPermission(kind="contract-access", target="0x12")], {}, Stage.COMPILE, 1),
    ("ValidationConfigUnsetError", [], {}, Stage.COMPILE, None),
    ("ValidationConfigUnsetError", [NATIVE, GAS], {"entity_id": 0}, Stage.COMPILE, None),
    ("EntityIdOverrideError", [CONTRACT], {"entity_id": 0}, Stage.COMPILE, None),
    ("AbiEncodingBytesSizeMismatchError", [some("account-functions", "0x1234567890")], {}, Stage.COMPILE, 0),
    ("AbiEncodingBytesSizeMismatchError", [some("functions-on-all-contracts", "0x12")], {}, Stage.COMPILE, 0),
    ("UnsupportedPermissionTypeError", [CONTRACT, RawPermission(kind="teleport")], {}, Stage.COMPILE, 1),
]


@pytest.mark.parametrize(("name", "grants", "change", "stage", "position"), INVALID)
def test_a_refusal_is_the_sdks(
    name: str, grants: list[RawPermission], change: dict[str, Any], stage: Stage, position: int | None
) -> None:
    assert refusal(grants, replace(TEXT, **change)) == (name, stage, position)


def test_the_first_failure_wins() -> None:
    """Checks run in the order: constructor, adding, deadline, list, encoding."""
    assert refusal([ROOT, ROOT], replace(TEXT, key="0x", entity_id=HALF_ENTITY))[0] == "InvalidEntityIdError"
    assert refusal([ROOT, ROOT], replace(TEXT, key="0x"))[0] == "InvalidAddressError"
    late = replace(TEXT, deadline=1)
    assert refusal([RawPermission(kind="teleport"), ROOT], late)[0] == "RootPermissionOnlyError"
    assert refusal([RawPermission(kind="teleport")], late)[0] == "ExpiredDeadlineError"
    assert refusal([replace(NATIVE, amount="x"), RawPermission(kind="teleport")])[0] == "SyntaxError"
    assert (
        refusal([replace(NATIVE, amount=1 << 256), RawPermission(kind="teleport")])[0]
        == "UnsupportedPermissionTypeError"
    )


@pytest.mark.parametrize(
    ("text", "amount"), [("0x0f", 15), ("0X0F", 15), (" 12\n", 12), ("", 0), ("-3", -3), ("+3", 3), (7, 7)]
)
def test_an_amount_is_read_as_javascript_reads_it(text: str | int, amount: int) -> None:
    assert read_amount(text) == amount


def test_a_selector_of_seven_digits_is_filled_up() -> None:
    """viem rounds half bytes up."""
    install = compile_raw_permissions([some("account-functions", "0x1234567")], TEXT)
    assert install.selectors == (Selector(bytes.fromhex("12345670")),)


def test_the_published_example_is_reproduced() -> None:
    """Source: seed 001, a root session of entity 1 until 1747969653; 484 bytes."""
    key = Address.parse("0x647bbf38CD0E116d1672405aE17a775572a84e03")
    example = replace(TERMS, key=key, deadline=1747969653, now=0)
    install = compile_permissions([Root(type="root")], example)
    assert len(install.call_data) == 484
    assert install.call_data == published_call()
    assert install.is_global
    assert not install.has_execution_hooks


def published_call() -> bytes:
    vectors = json.loads((Path(__file__).parents[2] / "specs/vectors/permissions.json").read_text("utf-8"))["vectors"]
    found = next(item for item in vectors if item["id"] == "perm-0000")
    return Data.parse(found["out"]["call"])


@given(st.lists(harmless_permissions, min_size=1, max_size=5), terms)
def test_an_installation_comes_back_from_its_call_data(
    permissions: list[Permission], given_terms: SessionTerms
) -> None:
    try:
        install = compile_permissions(permissions, given_terms)
    except CompileError:
        return
    assert parse_install(install.call_data) == install
    assert [hook.kind for hook in install.hooks].count(HookKind.EXECUTION) == len(
        {item.type for item in permissions} & {"native-token-transfer", "erc20-token-transfer"}
    )
    assert len(install.validation_config) == 25
    assert all(len(hook.config) == 25 for hook in install.hooks)


def normalize(permissions: list[Permission]) -> object:
    """Normalize a list to its meaning for the compiler: limits, functions and targets, each in their own order."""
    grants = [to_raw_permission(item) for item in permissions]
    limits = {g.kind: g.amount for g in grants if g.kind in ("native-token-transfer", "gas-limit")}
    functions = [f for g in grants if g.kind == "account-functions" for f in g.functions]
    inputs = [g for g in grants if g.target is not None or g.kind == "functions-on-all-contracts"]
    return limits, functions, inputs, any(g.kind == "root" for g in grants)


@given(
    st.lists(harmless_permissions, min_size=1, max_size=3),
    st.lists(harmless_permissions, min_size=1, max_size=3),
    terms,
    terms,
)
def test_two_grants_install_the_same_only_if_they_mean_the_same(
    one: list[Permission], other: list[Permission], here: SessionTerms, there: SessionTerms
) -> None:
    try:
        first = compile_permissions(one, here)
        second = compile_permissions(other, there)
    except CompileError:
        return
    same_terms = (here.key, here.entity_id, here.deadline) == (there.key, there.entity_id, there.deadline)
    assert (first.call_data == second.call_data) == (same_terms and normalize(one) == normalize(other))


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, abi.INSTALL_VALIDATION + b"\x01" * 40])
def test_other_call_data_is_not_an_installation(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"installValidation|expected .* byte"):
        parse_install(data)


@given(harmless_permissions, terms)
def test_the_signer_of_an_installation_is_the_sessions_key(permission: Permission, given_terms: SessionTerms) -> None:
    try:
        install = compile_permissions([permission], given_terms)
    except CompileError:
        return
    assert installed_signer(install) == given_terms.key


@pytest.mark.parametrize(
    "install_data",
    [
        b"",
        bytes(63),
        abi.uint(TERMS.entity_id) + abi.address(KEY) + bytes(32),
        abi.uint(TERMS.entity_id + 1) + abi.address(KEY),
        abi.uint(TERMS.entity_id | 1 << 32) + abi.address(KEY),
        abi.uint(TERMS.entity_id) + b"\1" + bytes(11) + KEY,
    ],
)
def test_install_data_of_another_form_names_no_signer(install_data: bytes) -> None:
    install = replace(compile_permissions([Root(type="root")], TERMS), install_data=Data(install_data))
    with pytest.raises(ValueError, match=r"byte|signer"):
        installed_signer(install)


def test_a_hook_without_config_is_refused() -> None:
    parts = abi.fixed_bytes(bytes(25)), abi.array(()), abi.blob(b""), abi.array([abi.blob(bytes(24))])
    with pytest.raises(ValueError, match="25 bytes"):
        parse_install(abi.INSTALL_VALIDATION + abi.sequence(*parts))


@given(harmless_permissions)
def test_a_permission_comes_back_from_the_wire(permission: Permission) -> None:
    assert wire.decode(tuple[Permission, ...], wire.encode(tuple[Permission, ...], (permission,))) == (permission,)


def test_addresses_given_as_bytes_and_as_text_compile_to_the_same() -> None:
    as_bytes = replace(TEXT, account=ACCOUNT, key=KEY)
    as_text = replace(TEXT, account=ACCOUNT.hex0x(), key=KEY.hex0x())
    assert compile_raw_permissions([CONTRACT], as_bytes) == compile_raw_permissions([CONTRACT], as_text)


@pytest.mark.parametrize("deadline", [NOW, NOW + 1, 2**48 - 2, 2**48 - 1])
def test_a_deadline_is_from_now_to_the_last_second_that_a_module_stores(deadline: int) -> None:
    assert (
        compile_raw_permissions([CONTRACT], replace(TEXT, deadline=deadline)).hooks
        != compile_raw_permissions([CONTRACT], TEXT).hooks
    )
