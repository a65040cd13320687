"""Tests of the audit log's facts about requests of chain methods: any request has facts, without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.sample import ACCOUNT, CHAIN, an_operation
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.audit import EMPTY_HEAD, AuditEvent, EventKind, next_line
from wallet_rpc.domain.chain_request import chain_facts
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.user_operation import user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.wire import encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OPERATION = an_operation()
ON_WIRE = encode(UserOperationJson, UserOperationJson.from_domain(OPERATION))


def facts(method: str, *params: Any) -> dict[str, Any]:
    return chain_facts({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}, CHAIN)


def test_a_user_operation_is_logged_by_its_hash_and_account() -> None:
    name = user_operation_hash(OPERATION, CHAIN, ENTRY_POINT).hex0x()
    expected = {"chainId": CHAIN, "method": "eth_sendUserOperation", "hash": name, "account": ACCOUNT.hex0x()}

    assert facts("eth_sendUserOperation", ON_WIRE, ENTRY_POINT.hex0x()) == expected
    named = {"method": "eth_sendUserOperation", "params": {"operation": ON_WIRE, "entryPoint": ENTRY_POINT.hex0x()}}
    assert chain_facts(named, CHAIN) == expected


def test_a_malformed_user_operation_is_logged_by_its_readable_fields() -> None:
    entry_facts = facts("eth_sendUserOperation", {**ON_WIRE, "nonce": "many"})
    assert entry_facts == {"chainId": CHAIN, "method": "eth_sendUserOperation", "account": ACCOUNT.hex0x()}


def test_a_signed_transaction_is_logged_by_its_hash() -> None:
    assert facts("eth_sendRawTransaction", "0x02c0")["hash"] == keccak(b"\x02\xc0").hex0x()
    assert facts("eth_sendRawTransaction", "0x02c") == {"chainId": CHAIN, "method": "eth_sendRawTransaction"}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_sendTransaction", [{"from": ACCOUNT.hex0x(), "data": "0x1234"}]),
        ("anvil_setBalance", [ACCOUNT.hex0x(), "0x1"]),
        ("hardhat_setCode", [ACCOUNT.hex0x().lower(), "0x60"]),
    ],
)
def test_a_control_method_is_logged_by_its_account_only(method: str, params: list[Any]) -> None:
    assert facts(method, *params) == {"chainId": CHAIN, "method": method, "account": ACCOUNT.hex0x()}


@given(
    method=st.sampled_from(["eth_sendUserOperation", "eth_sendRawTransaction", "eth_sendTransaction", "evm_mine"])
    | st.text(),
    params=JSON,
)
def test_any_request_can_be_logged(method: str, params: Any) -> None:
    entry_facts = chain_facts({"method": method, "params": params}, CHAIN)

    next_line(EMPTY_HEAD, AuditEvent(kind=EventKind.CHAIN_REQUESTED, at=1, actor="key", facts=entry_facts))
    assert len(json.dumps(entry_facts)) < 1000
