"""Tests of unknown members of a permission, its data or a call: they are rejected by name at every level."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc import wire
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import SUPPORTED_CAPABILITIES, Capabilities
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.requested_call import RequestedCall, to_calls, to_requested_calls
from wallet_rpc.errors import InvalidParams, UnsupportedCapability
from wallet_rpc.operations.keyed_calls import KeyedCalls
from wallet_rpc.operations.prepare_calls import PrepareCalls
from wallet_rpc.primitives import Address, Data

Json = dict[str, Any]
TARGET, TOKEN = "0xb2b2b2b2b2B2b2B2B2b2b2B2B2b2B2B2b2b2b2b2", "0xA1A1a1a1A1A1A1A1A1a1a1a1a1a1A1A1a1A1a1a1"
PERMISSIONS: list[Json] = [
    {"type": "native-token-transfer", "data": {"allowance": "0x1"}},
    {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x1"}},
    {"type": "gas-limit", "data": {"limit": "0x1"}},
    {"type": "contract-access", "data": {"address": TARGET}},
    {"type": "account-functions", "data": {"functions": ["0x12345678"]}},
    {"type": "functions-on-all-contracts", "data": {"functions": ["0x12345678"]}},
    {"type": "functions-on-contract", "data": {"address": TARGET, "functions": ["0x12345678"]}},
    {"type": "root"},
]
LIMITS = [
    "functions",
    "maxValue",
    "callLimit",
    "period",
    "expiresAt",
    "allowance",
    "limit",
    "address",
    "Type",
    "data",
    "",
]
values = st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.just([]), st.just({}), st.just(["0x70a08231"]))
names = st.one_of(st.sampled_from(LIMITS), st.text(max_size=12))
by_kind = pytest.mark.parametrize("permission", PERMISSIONS, ids=lambda permission: permission["type"])


def read(*permissions: Json) -> tuple[Permission, ...]:
    return wire.decode(tuple[Permission, ...], list(permissions), at="params.permissions")


def refusal(kind: Any, value: Any, *, at: str = "params") -> InvalidParams:
    with pytest.raises(InvalidParams) as error_info:
        wire.decode(kind, value, at=at)
    return error_info.value


@by_kind
@given(names, values)
def test_a_member_that_a_permission_does_not_have_is_refused_by_name(permission: Json, name: str, value: Any) -> None:
    if name in permission:
        return
    error = refusal(tuple[Permission, ...], [PERMISSIONS[3], {**permission, name: value}], at="params.permissions")

    assert error.reason == "unknown_member"
    assert error.data["field"] == f"params.permissions[1].{name}"
    assert f": no such member of {permission['type']}; its members are type" in error.message


@pytest.mark.parametrize("permission", PERMISSIONS[:-1], ids=lambda permission: permission["type"])
@given(names, values)
def test_a_member_that_its_data_does_not_have_is_refused_by_name(permission: Json, name: str, value: Any) -> None:
    if name in permission["data"]:
        return
    error = refusal(Permission, {**permission, "data": {**permission["data"], name: value}}, at="params.permissions[0]")

    assert error.reason == "unknown_member"
    assert error.data["field"] == f"params.permissions[0].data.{name}"
    assert error.message.endswith(f"no such member of this object; its members are {', '.join(permission['data'])}")


@by_kind
@given(names)
def test_an_unknown_null_member_is_ignored(permission: Json, name: str) -> None:
    if name not in permission:
        assert read({**permission, name: None}) == read(permission)
    data = permission.get("data")
    if data is not None and name not in data:
        assert read({**permission, "data": {**data, name: None}}) == read(permission)


@by_kind
def test_a_permission_is_decoded_and_encoded_back(permission: Json) -> None:
    assert wire.encode(tuple[Permission, ...], read(permission)) == [permission]


@pytest.mark.parametrize("name", ["input", "operation", "gas", "gasLimit", "from", "nonce", "Value", "callData", "abi"])
@pytest.mark.parametrize("kind", [RequestedCall, Call])
def test_a_member_that_a_call_does_not_have_is_refused_by_name(name: str, kind: Any) -> None:
    error = refusal(tuple[kind, ...], [{"to": TARGET}, {"to": TARGET, name: "0x1"}], at="params.calls")

    assert (error.reason, error.data["field"]) == ("unknown_member", f"params.calls[1].{name}")
    assert ": no such member of this object; its members are to, value, data" in error.message


def test_a_call_without_value_and_data_and_one_where_they_are_null_are_the_same() -> None:
    plain = wire.decode(RequestedCall, {"to": TARGET})

    nulls = dict.fromkeys(["value", "data", "chainId", "capabilities", "input"])
    assert wire.decode(RequestedCall, {"to": TARGET, **nulls}) == plain == RequestedCall(to=Address.parse(TARGET))
    assert to_calls(1, [plain]) == (Call(to=Address.parse(TARGET), value=0, data=Data()),)


@given(st.lists(st.builds(Call, to=st.just(Address.parse(TARGET)), value=st.integers(0, 9)), max_size=3))
def test_calls_in_a_requests_form_are_the_same_calls(calls: list[Call]) -> None:
    assert to_calls(5, to_requested_calls(calls)) == tuple(calls)
    assert wire.encode(tuple[RequestedCall, ...], to_requested_calls(calls)) == wire.encode(
        tuple[Call, ...], tuple(calls)
    )


@given(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))
def test_a_calls_chain_is_the_requests(chain_id: int, other: int) -> None:
    calls = [RequestedCall(to=Address.parse(TARGET)), RequestedCall(to=Address.parse(TARGET), chain_id=other)]
    if other == chain_id:
        assert len(to_calls(chain_id, calls)) == 2
        return
    with pytest.raises(InvalidParams) as error_info:
        to_calls(chain_id, calls)

    assert (error_info.value.reason, error_info.value.data["field"]) == (
        "call_on_another_chain",
        "params.calls[1].chainId",
    )
    assert f"expected {chain_id:#x}, the chain of the request, got {other:#x}" in error_info.value.message


@pytest.mark.parametrize("stated", [{"optional": True}, {"optional": True, "url": "x"}])
def test_an_optional_capability_of_a_call_is_left_out(stated: Any) -> None:
    call = RequestedCall(to=Address.parse(TARGET), capabilities={"paymasterService": stated})

    assert to_calls(1, [call]) == (Call(to=Address.parse(TARGET)),)


@pytest.mark.parametrize(
    "stated", [{}, {"optional": False}, {"optional": "true"}, {"optional": 1}, True, "x", [], None]
)
def test_a_required_capability_of_a_call_is_refused_by_name(stated: Any) -> None:
    call = RequestedCall(to=Address.parse(TARGET), capabilities={"gasLimitOverride": stated})

    with pytest.raises(UnsupportedCapability) as error_info:
        to_calls(1, [call], at="params.postCalls")

    assert error_info.value.data["field"] == "params.postCalls[0].capabilities.gasLimitOverride"
    assert error_info.value.data["capability"] == "gasLimitOverride"


@pytest.mark.parametrize(
    ("capability", "stated", "unknown"),
    [
        ("gasParamsOverride", {"maxFeePerGas": "0x1"}, "maxFee"),
        ("gasParamsOverride", {"callGasLimit": {"multiplier": 2}}, "callGasLimit.max"),
        ("nonceOverride", {"nonceKey": "0x1"}, "sequentialNonce"),
        ("eip7702Auth", {"delegation": "ModularAccountV2"}, "version"),
        ("experimental_dataSuffix", {"value": "0x12"}, "data"),
    ],
)
def test_an_unknown_member_of_a_capability_is_rejected_by_name(capability: str, stated: Json, unknown: str) -> None:
    wire.decode(Capabilities, {capability: stated})
    *path, name = unknown.split(".")
    changed: Json = {capability: stated}
    level = changed
    for step in [capability, *path]:
        level[step] = {**level[step]}
        level = level[step]
    level[name] = "0x1"

    error = refusal(Capabilities, changed)

    assert (error.reason, error.data["field"]) == ("unknown_member", f"params.{capability}.{unknown}")


REQUEST: Json = {"chainId": "0x1", "from": TARGET, "calls": []}
KEY: Json = {"type": "secp256k1", "publicKey": TOKEN}
in_both_forms = pytest.mark.parametrize(("kind", "more"), [(PrepareCalls, {}), (KeyedCalls, {"key": KEY})])


@in_both_forms
@pytest.mark.parametrize("name", sorted(SUPPORTED_CAPABILITIES | {"Capabilities", "CAPABILITIES", "chainid", "Calls"}))
def test_a_capability_outside_capabilities_is_rejected(kind: type, more: Json, name: str) -> None:
    """An ignored capability would make the account pay, or use another nonce."""
    request = {**REQUEST, **more, name: {"policyId": "x"}}
    error = refusal(kind, request)
    assert (error.reason, error.data["field"]) == ("unknown_member", f"params.{name}")
    assert wire.decode(kind, {**REQUEST, **more, name: None}, at="params").capabilities is None


def test_a_limit_in_the_key_of_a_prepare_is_refused() -> None:
    error = refusal(KeyedCalls, {**REQUEST, "key": {**KEY, "expiry": 1}})
    assert (error.reason, error.data["field"]) == ("unknown_member", "params.key.expiry")
