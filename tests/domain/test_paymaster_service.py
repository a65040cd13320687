"""Tests of `paymasterService`: a form without a payer is rejected, so that the account never pays unnoticed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from wallet_rpc import wire
from wallet_rpc.domain.capabilities import Capabilities
from wallet_rpc.domain.paymaster_service import MAX_POLICIES, PaymasterService
from wallet_rpc.errors import InvalidParams, UnsupportedCapability, WalletError

Json = dict[str, Any]
POLICY = "11111111-2222-4333-8444-555555555555"
SECOND = "22222222-2222-4333-8444-555555555555"
AT = "params.capabilities.paymasterService"
URL = "https://paymaster.example"


def read(service: Any) -> PaymasterService | None:
    return wire.decode(Capabilities, {"paymasterService": service}, at="params.capabilities").paymaster_service


def catch_error(service: Any) -> WalletError:
    with pytest.raises(WalletError) as error_info:
        read(service)
    assert error_info.value.message.startswith(f"{AT}")
    return error_info.value


def ids(count: int) -> list[str]:
    return [str(UUID(int=number, version=4)) for number in range(count)]


@pytest.mark.parametrize(
    ("given", "policies"),
    [
        ({"policyId": POLICY}, (POLICY,)),
        ({"policyId": POLICY.upper()}, (POLICY,)),
        ({"policyIds": [POLICY, SECOND]}, (POLICY, SECOND)),
        ({"policyId": SECOND, "policyIds": [POLICY]}, (SECOND, POLICY)),
        ({"policyId": POLICY, "policyIds": []}, (POLICY,)),
        ({"policyId": None, "policyIds": [POLICY]}, (POLICY,)),
        ({"policyId": POLICY, "url": URL, "context": {"policyId": SECOND}}, (POLICY,)),
        ({"policyIds": [POLICY] * 300}, (POLICY,)),
        ({"policyId": POLICY, "policyIds": [POLICY.upper(), SECOND, f"urn:uuid:{POLICY}"]}, (POLICY, SECOND)),
    ],
)
def test_each_policy_is_tried_once_in_the_order_given(given: Json, policies: tuple[str, ...]) -> None:
    service = read(given)
    assert service is not None
    assert service.policies == policies


def test_no_more_policies_are_taken_than_are_tried() -> None:
    some = read({"policyIds": ids(MAX_POLICIES)})
    assert some is not None
    assert len(some.policies) == MAX_POLICIES
    error = catch_error({"policyId": POLICY, "policyIds": ids(MAX_POLICIES)})
    assert isinstance(error, InvalidParams)
    assert (error.reason, error.data["field"]) == ("too_many_policies", f"{AT}.policyIds")
    assert error.message.endswith("at most 8 different policies, got 9")


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({}, "policyId", "got nothing"),
        ({"policyId": None}, "policyId", "got null"),
        ({"policyIds": None}, "policyIds", "got null"),
        ({"policyIds": []}, "policyIds", "got an array of 0"),
        ({"policyId": None, "policyIds": []}, "policyId", "got null"),
        ({"webhookData": "w"}, "policyId", "got nothing"),
        ({"optional": False}, "policyId", "got nothing"),
        ({"onlyEstimation": False}, "policyId", "got nothing"),
        ({"onlyEstimation": True, "erc20": {}}, "policyId", "got nothing"),
        ({"erc20": {"tokenAddress": "0x" + "00" * 20}}, "policyId", "got nothing"),
        ({"policyID": POLICY}, "policyID", "no such member"),
        ({"policyid": POLICY}, "policyid", "no such member"),
        ({"policy_id": POLICY}, "policy_id", "no such member"),
        ({"PolicyId": POLICY, "policyId": POLICY}, "PolicyId", "no such member"),
        ({"policyId": POLICY, "maxCost": "0x1"}, "maxCost", "no such member"),
        ({"0x7a69": {"url": URL}}, "0x7a69", "no such member"),
        ({"0x7a69": {"policyId": POLICY}, "0x1": {}}, "0x7a69", "no such member"),
        ({"paymaster": POLICY}, "paymaster", "no such member"),
        ({"": POLICY}, "", "no such member"),
    ],
)
def test_a_form_that_names_no_payer_is_refused_by_field(given: Json, field: str, text: str) -> None:
    error = catch_error(given)
    assert (error.code, error.reason) == (-32602, "paymaster_service_unclear")
    assert error.data["field"] == f"{AT}.{field}"
    assert text in error.message


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ({"url": URL}, "url"),
        ({"url": URL, "context": {"policyId": POLICY}}, "url"),
        ({"context": {"policyId": POLICY}}, "context"),
        ({"context": {}}, "context"),
        ({"url": URL, "policyIds": []}, "url"),
        ({"url": URL, "onlyEstimation": True}, "url"),
    ],
)
def test_the_standards_own_form_is_refused_by_name(given: Json, member: str) -> None:
    error = catch_error(given)
    assert isinstance(error, UnsupportedCapability)
    assert error.data["capability"] == f"paymasterService.{member}"


@pytest.mark.parametrize("given", ["x", [], True, 1, [POLICY]])
def test_a_value_that_is_no_object_is_rejected(given: Any) -> None:
    assert catch_error(given).code == -32602


@pytest.mark.parametrize("name", ["optional", "onlyEstimation"])
@pytest.mark.parametrize("given", ["yes", "true", 1, "false"])
def test_only_a_boolean_is_accepted_as_a_flag(name: str, given: Any) -> None:
    assert catch_error({"policyId": POLICY, name: given}).data["field"] == f"{AT}.{name}"


@pytest.mark.parametrize(
    "given",
    [{}, {"policyIds": []}, {"url": URL}, {"policyID": POLICY}, {"0x7a69": {"url": URL}}, {"context": {}}],
)
def test_an_optional_capability_allows_the_account_to_pay(given: Json) -> None:
    service = read({**given, "optional": True})
    assert service is not None
    assert service.policies == ()


def test_an_absent_payer_and_a_mere_estimate_need_no_policy() -> None:
    assert read(None) is None
    assert read({"onlyEstimation": True}) == PaymasterService(only_estimation=True)


members: st.SearchStrategy[Json] = st.dictionaries(
    st.sampled_from(["policyId", "policyIds", "policyID", "url", "context", "optional", "onlyEstimation", "0x1", "a"]),
    st.sampled_from([None, POLICY, [POLICY], [], {}, True, False, URL]),
)


@drawn(members)
def test_any_accepted_capability_names_a_payer_or_needs_none(given: Json) -> None:
    service = code = None
    try:
        service = read(given)
    except WalletError as error:
        code = error.code
    if code is not None:
        assert code in {-32602, 5700}
        return
    assert service is not None
    assert service.policies or service.optional or service.only_estimation
