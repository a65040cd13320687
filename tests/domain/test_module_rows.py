"""Rows that a grant writes into the modules, and the permissions read back from them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.domain.strategies import CONTRACTS, TERMS, harmless_permissions, uint256
from wallet_rpc.domain import abi
from wallet_rpc.domain.abi_reader import AbiDecodeError
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, PAYMASTER_GUARD_MODULE
from wallet_rpc.domain.guard import check_grant
from wallet_rpc.domain.module_rows import (
    ANY_CONTRACT,
    MAX_ROWS,
    ModuleRows,
    TimeRange,
    find_hook,
    permissions_of,
    read_allowlist,
    rows_of_grant,
)
from wallet_rpc.domain.permission import Permission, to_raw_permission
from wallet_rpc.domain.validation import Hook, HookKind, ValidationInstall
from wallet_rpc.domain.validation_install import compile_permissions
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Data, Selector

TARGET = CONTRACTS[0]
ONE, TWO = Selector(b"\x11" * 4), Selector(b"\x22" * 4)


def rights(permissions: Sequence[Permission]) -> dict[Any, Any]:
    """Return what permissions grant, without their order: amounts by kind and token, functions by kind and contract."""
    found: dict[Any, Any] = {}
    for raw in map(to_raw_permission, permissions):
        name = raw.kind, raw.target
        found[name] = raw.amount if raw.amount is not None else found.get(name, frozenset()) | {*raw.functions}
    return found


@settings(max_examples=50)
@given(st.lists(harmless_permissions, min_size=1, max_size=4), st.sampled_from([0, TERMS.now + 5]))
def test_permissions_are_read_back_from_the_rows_of_their_grant(permissions: list[Permission], deadline: int) -> None:
    terms = replace(TERMS, deadline=deadline)
    try:
        check_grant(permissions, terms)
    except InvalidParams:
        assume(False)
    install = compile_permissions(permissions, terms)

    rows = rows_of_grant(install)

    found = permissions_of(rows, selectors=install.selectors, is_global=install.is_global)
    assert rights(found) == rights(permissions)
    expected = TimeRange(valid_until=deadline, valid_after=0) if deadline else None
    assert rows.time_range == expected


def a_hook(entity_id: int, *inputs: bytes, data_entity: int | None = None, flags: int = 5) -> Hook:
    own = entity_id if data_entity is None else data_entity
    data = abi.sequence(abi.uint(own), abi.array(map(abi.Dynamic, inputs)))
    return Hook(ALLOWLIST_MODULE, entity_id, flags, Data(data))


def an_input(target: bytes, *functions: Selector, selected: bool = False, limit: int | None = None) -> bytes:
    return abi.sequence(
        abi.address(target),
        abi.uint(selected),
        abi.uint(limit is not None),
        abi.uint(limit or 0),
        abi.array(map(abi.fixed_bytes, functions)),
    )


def rows_with(*hooks: Hook) -> ModuleRows:
    install = ValidationInstall(
        module=TARGET, entity_id=1, flags=1, selectors=(), install_data=Data(), hooks=tuple(hooks)
    )
    return rows_of_grant(install)


def test_a_later_entry_replaces_the_row_and_adds_functions() -> None:
    hook = a_hook(1, an_input(TARGET, ONE, selected=True), an_input(TARGET, TWO, selected=True))
    assert rows_with(hook).targets == {TARGET: frozenset({ONE, TWO})}

    hook = a_hook(1, an_input(TARGET, ONE, selected=True), an_input(TARGET))
    assert rows_with(hook).targets == {TARGET: None}


def test_functions_without_their_flag_count_on_all_contracts_only() -> None:
    rows = rows_with(a_hook(1, an_input(TARGET, ONE), an_input(ANY_CONTRACT, TWO)))
    assert rows.targets == {TARGET: None, ANY_CONTRACT: frozenset({TWO})}


def test_a_limit_without_its_flag_and_one_of_the_zero_token_have_no_effect() -> None:
    rows = rows_with(a_hook(1, an_input(TARGET), an_input(ANY_CONTRACT, limit=4), flags=4))
    assert (rows.tokens, rows.has_allowlist) == ({}, False)


def test_data_for_another_entity_id_has_no_effect() -> None:
    rows = rows_with(a_hook(1, an_input(TARGET), data_entity=2))
    assert (rows.has_allowlist, rows.targets) == (True, {})


def test_an_unknown_module_limits_nothing_that_is_read_here() -> None:
    assert rows_with(Hook(PAYMASTER_GUARD_MODULE, 1, 1, Data())) == ModuleRows()


def test_a_contract_without_any_function_is_no_permission() -> None:
    rows = rows_with(a_hook(1, an_input(TARGET, selected=True), an_input(ANY_CONTRACT)))
    assert permissions_of(rows, selectors=[abi.EXECUTE], is_global=False) == ()


def test_without_an_allowlist_execute_is_a_function_of_the_account() -> None:
    (found,) = permissions_of(ModuleRows(), selectors=[abi.EXECUTE], is_global=False)
    assert to_raw_permission(found).functions == (abi.EXECUTE,)


def test_an_allowlist_that_repeats_its_data_is_rejected() -> None:
    many = 200
    entry = an_input(TARGET, *[ONE] * many)
    offsets = b"".join(abi.uint(32 * many) for _ in range(many))
    data = abi.uint(1) + abi.uint(64) + abi.uint(many) + offsets + entry
    assert many * many > MAX_ROWS

    with pytest.raises(AbiDecodeError, match="at most 10000 functions"):
        read_allowlist(Hook(ALLOWLIST_MODULE, 1, 5, Data(data)))


@given(st.binary(max_size=400), st.sampled_from([1, 4, 5]))
def test_malformed_data_is_a_value_error(data: bytes, flags: int) -> None:
    with suppress(ValueError):
        rows_with(Hook(ALLOWLIST_MODULE, 1, flags, Data(abi.uint(1) + data)))


def test_a_hook_is_found_by_its_module_and_its_time() -> None:
    before, around = a_hook(1), a_hook(2, flags=4)
    assert find_hook((before, around), ALLOWLIST_MODULE, HookKind.EXECUTION) == around
    assert find_hook((around,), ALLOWLIST_MODULE, HookKind.VALIDATION) is None


@given(uint256)
def test_amounts_are_those_of_the_grant(wei: int) -> None:
    assert rows_with(a_hook(1, an_input(TARGET, limit=wei), flags=4)).tokens == {TARGET: wei}
