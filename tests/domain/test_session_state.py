"""The state of a session, its differences from the grant, and what its calls take from its limits."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Annotated, Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.domain.strategies import ACCOUNT, CONTRACTS, KEY, NOW, TERMS
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call, execute_call_data
from wallet_rpc.domain.call_spending import find_spending
from wallet_rpc.domain.cursor import PlaceCursor
from wallet_rpc.domain.module_rows import ModuleRows, TimeRange, rows_of_grant
from wallet_rpc.domain.module_views import (
    decode_time_range,
    decode_words,
    encode_address_allowlist,
    encode_erc20_spend_limits,
    encode_limits,
    encode_selector_allowlist,
    encode_special_paymasters,
    encode_time_ranges,
)
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.session_state import (
    SessionStatus,
    StateFacts,
    decide_state,
    find_differences,
    hook_of,
)
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import compile_permissions
from wallet_rpc.domain.views import ValidationData
from wallet_rpc.errors import UnreadableAnswer
from wallet_rpc.primitives import Address, Data, Selector
from wallet_rpc.wire import decode

TOKEN, TARGET = CONTRACTS[:2]
GRANTED = decode(
    tuple[Permission, ...],
    [
        {"type": "native-token-transfer", "data": {"allowance": "0x9"}},
        {"type": "erc20-token-transfer", "data": {"address": TOKEN.hex0x(), "allowance": "0x9"}},
        {"type": "gas-limit", "data": {"limit": "0x9"}},
        {"type": "contract-access", "data": {"address": TARGET.hex0x()}},
        {"type": "functions-on-all-contracts", "data": {"functions": ["0x11111111"]}},
    ],
)
INSTALL = compile_permissions(GRANTED, replace(TERMS, deadline=NOW + 9))
ROWS = rows_of_grant(INSTALL)


def as_installed(install: ValidationInstall) -> ValidationData:
    hooks = [bytes(hook.config) for hook in install.hooks]
    return ValidationData(
        flags=install.flags,
        validation_hooks=tuple(one for one in hooks if hook_of(one).kind.value == "validation"),
        execution_hooks=tuple(one for one in hooks if hook_of(one).kind.value == "execution"),
        selectors=tuple(map(bytes, install.selectors)),
    )


INSTALLED = as_installed(INSTALL)


def parts(
    validation: ValidationData = INSTALLED, signer: Address = KEY, rows: ModuleRows = ROWS
) -> list[tuple[str, str]]:
    found = find_differences(INSTALL, ROWS, validation, signer, rows)
    assert all(each.text for each in found)
    return [(each.part, each.text) for each in found]


def test_a_session_as_granted_and_one_that_has_spent_do_not_differ() -> None:
    assert parts() == []
    assert parts(rows=replace(ROWS, native=0, gas=1, tokens={TOKEN: 2})) == []


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("signer", {"signer": ACCOUNT}),
        ("scope", {"validation": replace(INSTALLED, flags=5)}),
        ("functions", {"validation": replace(INSTALLED, selectors=(bytes(4),))}),
        ("functions", {"validation": replace(INSTALLED, selectors=())}),
        ("hooks", {"validation": replace(INSTALLED, validation_hooks=INSTALLED.validation_hooks[1:])}),
        ("hooks", {"validation": replace(INSTALLED, execution_hooks=(*INSTALLED.execution_hooks, bytes(25)))}),
        ("timeRange", {"rows": replace(ROWS, time_range=TimeRange(valid_until=NOW + 99, valid_after=0))}),
        ("limits", {"rows": replace(ROWS, native=10)}),
        ("limits", {"rows": replace(ROWS, gas=10)}),
        ("limits", {"rows": replace(ROWS, tokens={TOKEN: 10})}),
        ("limits", {"rows": replace(ROWS, tokens={})}),
        ("contracts", {"rows": replace(ROWS, targets={**ROWS.targets, TARGET: frozenset()})}),
        ("contracts", {"rows": replace(ROWS, targets={TARGET: None, TOKEN: ROWS.targets[TOKEN]})}),
    ],
)
def test_each_change_is_a_difference_of_its_part(part: str, changes: dict[str, Any]) -> None:
    (found,) = parts(**changes)
    assert found[0] == part


def test_the_strongest_state_is_shown() -> None:
    for installed, can_install, revoked, paused, ended, differs in product([True, False], repeat=6):
        facts = StateFacts(
            is_installed=installed,
            can_install=can_install,
            is_revoked=revoked,
            is_paused=paused,
            end=NOW - 1 if ended else NOW,
            differs=differs,
        )
        order = [
            (SessionStatus.REMOVED, not installed and not can_install),
            (SessionStatus.REVOKED, revoked),
            (SessionStatus.EXPIRED, ended),
            (SessionStatus.PAUSED, paused),
            (SessionStatus.PENDING, not installed),
            (SessionStatus.CHANGED, differs),
            (SessionStatus.INSTALLED, True),
        ]
        assert decide_state(facts, now=NOW) is next(state for state, holds in order if holds)
        assert decide_state(replace(facts, end=None), now=NOW) is not SessionStatus.EXPIRED


def transfer(units: int, selector: Selector = abi.ERC20_TRANSFER) -> Data:
    return Data(selector + abi.address(KEY) + abi.uint(units))


def test_values_transfers_and_approvals_of_a_batch_add_up() -> None:
    calls = [
        Call(to=TOKEN, value=1, data=transfer(5)),
        Call(to=TOKEN, value=2, data=transfer(6, abi.ERC20_APPROVE)),
        Call(to=TOKEN, data=transfer(7, Selector(b"\x23\xb8\x72\xdd"))),
        Call(to=TOKEN, data=Data(transfer(8)[:60])),
        Call(to=TARGET, value=3),
    ]
    for prefix in (b"", abi.EXECUTE_USER_OP):
        spending = find_spending(ACCOUNT, prefix + execute_call_data(ACCOUNT, calls))
        assert (spending.native, spending.tokens) == (6, {TOKEN: 11})


def test_a_creation_counts_its_value_and_unreadable_calls_nothing() -> None:
    assert find_spending(ACCOUNT, abi.PERFORM_CREATE + abi.uint(4)).native == 4
    assert find_spending(ACCOUNT, abi.PERFORM_CREATE + b"\x00").native == 0
    assert find_spending(ACCOUNT, abi.EXECUTE + b"\x00").native == 0
    assert find_spending(ACCOUNT, b"\x11\x11\x11\x11" + abi.uint(4)).native == 0


@pytest.mark.parametrize(
    ("encoded", "signature", "values"),
    [
        (encode_time_ranges(7, ACCOUNT), "timeRanges(uint32,address)", (7, ACCOUNT)),
        (encode_limits(2**32 - 1, ACCOUNT), "limits(uint256,address)", (2**32 - 1, ACCOUNT)),
        (encode_special_paymasters(KEY, ACCOUNT), "specialPaymasters(address,address)", (KEY, ACCOUNT)),
        (
            encode_erc20_spend_limits(7, TOKEN, ACCOUNT),
            "erc20SpendLimits(uint32,address,address)",
            (7, TOKEN, ACCOUNT),
        ),
        (encode_address_allowlist(7, TOKEN, ACCOUNT), "addressAllowlist(uint32,address,address)", (7, TOKEN, ACCOUNT)),
        (
            encode_selector_allowlist(7, abi.EXECUTE, TOKEN, ACCOUNT),
            "selectorAllowlist(uint32,bytes4,address,address)",
            (7, abi.EXECUTE, TOKEN, ACCOUNT),
        ),
    ],
)
def test_the_views_are_encoded_as_eth_abi_does(encoded: bytes, signature: str, values: tuple[object, ...]) -> None:
    types = signature[signature.index("(") + 1 : -1].split(",")
    given = [f"0x{each.hex()}" if isinstance(each, Address) else each for each in values]
    assert encoded == keccak(text=signature)[:4] + encode(types, given)


@given(st.binary(min_size=24, max_size=24))
def test_a_cursor_comes_back_and_no_other_text_is_one(place: bytes) -> None:
    cursor = TypeAdapter(Annotated[bytes, PlaceCursor(24)])
    text = cursor.dump_python(place)
    assert cursor.validate_python(text) == place
    for wrong in (text[:-1], text + "A", f"{text}=", "!" * len(text), 7, None, ""):
        with pytest.raises(ValidationError):
            cursor.validate_python(wrong)
    assert cursor.json_schema() == {"type": "string"}


def test_short_return_data_of_a_module_is_unreadable() -> None:
    assert decode_time_range(abi.uint(7) + abi.uint(3)) == TimeRange(valid_until=7, valid_after=3)
    with pytest.raises(UnreadableAnswer):
        decode_words(bytes(31), 1)
