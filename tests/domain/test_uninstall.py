"""Tests of the calls that revoke a session."""

from __future__ import annotations

from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, TERMS, harmless_permissions, uint256
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, ENTRY_POINT, TIME_RANGE_MODULE
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.sdk_values import CompileError
from wallet_rpc.domain.uninstall import burn_nonce_call, hook_uninstall_data, uninstall_call, uninstall_call_data
from wallet_rpc.domain.validation import Hook, ValidationInstall
from wallet_rpc.domain.validation_install import compile_permissions
from wallet_rpc.primitives import Data

TYPES = ("bytes24", "bytes", "bytes[]")


@given(st.lists(harmless_permissions, min_size=1, max_size=5))
def test_every_hook_gets_uninstall_data_once(permissions: list[Permission]) -> None:
    try:
        install = compile_permissions(permissions, TERMS)
    except CompileError:
        return
    entity, uninstall_data, hooks = decode(TYPES, uninstall_call_data(install)[4:])
    assert entity == install.module + (1).to_bytes(4, "big")
    assert uninstall_data == abi.uint(1)
    assert len(hooks) == len(install.hooks)
    assert set(hooks) == {h.init_data if h.module == ALLOWLIST_MODULE else h.init_data[:32] for h in install.hooks}


def test_validation_hooks_come_first_and_newest_first() -> None:
    hooks = [Hook(TIME_RANGE_MODULE, number, flags, Data()) for number, flags in enumerate((1, 4, 4, 5, 5))]
    install = ValidationInstall(
        module=ENTRY_POINT, entity_id=9, flags=1, selectors=(), install_data=Data(), hooks=tuple(hooks)
    )
    assert [int.from_bytes(item, "big") for item in hook_uninstall_data(install)] == [4, 3, 0, 2, 1]


def test_hook_and_signer_data_may_be_left_out() -> None:
    install = ValidationInstall(
        module=ENTRY_POINT,
        entity_id=9,
        flags=1,
        selectors=(),
        install_data=Data(),
        hooks=(Hook(TIME_RANGE_MODULE, 9, 1, Data()),),
    )
    data = uninstall_call_data(install, with_hook_data=False, with_signer_data=False)
    assert decode(TYPES, data[4:])[1:] == (b"", ())
    call = uninstall_call(install, ACCOUNT)
    assert (call.to, call.value, call.data) == (ACCOUNT, 0, uninstall_call_data(install))


@given(uint256)
def test_burning_a_nonce_names_its_key(nonce: int) -> None:
    call = burn_nonce_call(nonce)
    assert call.to == ENTRY_POINT
    assert call.data[:4] == abi.INCREMENT_NONCE
    assert decode(("uint192",), call.data[4:]) == (nonce >> 64,)
