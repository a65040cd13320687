"""Tests of policies: their decisions on operations, their availability to callers, and their names."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.account import Call, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.policy import (
    MAX_POLICY_WEI,
    PaymasterServiceOptions,
    Policy,
    PolicyDenialReason,
    PolicyLimits,
    Webhook,
    build_unknown_account_denial,
    decide,
    is_available_to,
    normalize_policy_name,
)
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.primitives import Address, Data

ID = "3061cc5f-1f96-48a9-ab45-41faad2dd23b"
OTHER_ID = "11111111-2222-4333-8444-555555555555"
SENDER, SHOP, STRANGER = (Address(bytes([n]) * 20) for n in (0xAC, 0x51, 0x66))
POLICY = Policy(id=UUID(ID))
NOW = 1_800_000_000
OP = UserOperation(
    sender=SENDER,
    nonce=0,
    call_data=execute_call_data(SENDER, [Call(to=SHOP), Call(to=SHOP, value=1)]),
    call_gas_limit=5,
    verification_gas_limit=3,
    pre_verification_gas=2,
    max_fee_per_gas=10,
    max_priority_fee_per_gas=1,
)


def refusal(policy: Policy, op: UserOperation = OP, *, chain_id: int = 1, now: int = NOW) -> PolicyDenialReason | None:
    decision = decide(policy, op, chain_id=chain_id, now=now)
    return None if decision is None else decision.reason


def test_policy_without_conditions_sponsors() -> None:
    assert refusal(POLICY) is None


def test_disabled_policy_sponsors_nothing() -> None:
    assert refusal(replace(POLICY, enabled=False)) is PolicyDenialReason.DISABLED


def test_policy_sponsors_on_its_chains_only() -> None:
    policy = replace(POLICY, chains=frozenset({1, 10}))
    assert [refusal(policy, chain_id=chain_id) for chain_id in (1, 10, 5)] == [None, None, PolicyDenialReason.CHAIN]


def test_policy_sponsors_in_its_time_only() -> None:
    policy = replace(POLICY, valid_from=100, valid_until=200)
    found = [refusal(policy, now=now) for now in (99, 100, 199, 200)]
    assert found == [PolicyDenialReason.NOT_YET, None, None, PolicyDenialReason.EXPIRED]


def test_blocked_sender_is_refused_even_when_allowed() -> None:
    policy = replace(POLICY, blocked_senders=frozenset({SENDER}), allowed_senders=frozenset({SENDER}))
    assert refusal(policy) is PolicyDenialReason.SENDER_BLOCKED


def test_senders_that_are_not_listed_are_refused() -> None:
    assert refusal(replace(POLICY, allowed_senders=frozenset({STRANGER}))) is PolicyDenialReason.SENDER_NOT_ALLOWED
    assert refusal(replace(POLICY, allowed_senders=frozenset())) is PolicyDenialReason.SENDER_NOT_ALLOWED
    assert refusal(replace(POLICY, allowed_senders=frozenset({SENDER}))) is None


@pytest.mark.parametrize(
    ("call_data", "expected"),
    [
        (OP.call_data, None),
        (wrap_execute_user_op(OP.call_data), None),
        (execute_call_data(SENDER, []), None),
        (execute_call_data(SENDER, [Call(to=SHOP), Call(to=STRANGER)]), PolicyDenialReason.TARGET_NOT_ALLOWED),
        (wrap_execute_user_op(execute_call_data(SENDER, [Call(to=STRANGER)])), PolicyDenialReason.TARGET_NOT_ALLOWED),
        (
            execute_call_data(SENDER, [Call(to=SHOP), Call(to=SENDER, data=OP.call_data)]),
            PolicyDenialReason.TARGET_NOT_ALLOWED,
        ),
        (Data(b"\x12\x34\x56\x78"), PolicyDenialReason.TARGET_NOT_ALLOWED),
        (Data(), PolicyDenialReason.TARGET_NOT_ALLOWED),
    ],
)
def test_listed_targets_are_the_only_ones(call_data: Data, expected: PolicyDenialReason | None) -> None:
    policy = replace(POLICY, allowed_targets=frozenset({SHOP}))
    assert refusal(policy, replace(OP, call_data=call_data)) is expected


def test_operation_may_cost_its_limit_and_no_more() -> None:
    assert refusal(replace(POLICY, limits=PolicyLimits(operation_wei=100))) is None
    assert refusal(replace(POLICY, limits=PolicyLimits(operation_wei=99))) is PolicyDenialReason.OPERATION_WEI


def test_no_policy_sponsors_more_than_can_be_counted() -> None:
    op = replace(OP, call_gas_limit=0, verification_gas_limit=0, pre_verification_gas=MAX_POLICY_WEI, max_fee_per_gas=1)
    assert refusal(POLICY, op) is None
    assert refusal(POLICY, replace(op, pre_verification_gas=MAX_POLICY_WEI + 1)) is PolicyDenialReason.OPERATION_WEI


def test_denial_names_policy_and_numbers() -> None:
    decision = decide(replace(POLICY, limits=PolicyLimits(operation_wei=99)), OP, chain_id=1, now=NOW)
    assert decision is not None
    assert decision.message == f"policy {ID} pays at most 99 wei for one operation, but this one may cost 100"


def test_a_sender_that_is_no_account_is_named() -> None:
    denied = build_unknown_account_denial(POLICY, STRANGER)
    assert denied.reason is PolicyDenialReason.ACCOUNT
    assert denied.message.startswith(f"policy {ID} sponsors accounts only: {STRANGER} is neither ")


@given(st.none() | st.text(), st.none() | st.text())
def test_policy_of_an_organisation_is_open_to_it_alone(owner: str | None, caller: str | None) -> None:
    assert is_available_to(replace(POLICY, organization=owner), caller) is (owner is None or owner == caller)
    assert is_available_to(replace(POLICY, organization=owner), owner)


@given(st.uuids(), st.booleans())
def test_every_spelling_of_an_id_is_one_name(given_id: UUID, is_upper: bool) -> None:
    for text in (str(given_id), given_id.hex, f"{{{given_id}}}", given_id.urn, f" {given_id.hex}\n"):
        assert normalize_policy_name(text.upper() if is_upper else text) == str(given_id)


@given(st.text())
def test_a_plain_name_stays_as_it_is(text: str) -> None:
    assert normalize_policy_name(normalize_policy_name(text)) == normalize_policy_name(text)


def test_a_service_knows_a_policy_by_its_id_and_by_its_context() -> None:
    assert POLICY.service_names == {ID}
    context = {"policyId": OTHER_ID.upper(), "mode": " Sponsored", "credits": 5, "more": {"a": "b"}}
    assert replace(POLICY, service=PaymasterServiceOptions(context=context)).service_names == {
        ID,
        OTHER_ID,
        "sponsored",
    }


def test_service_is_shown_without_its_context() -> None:
    assert "secret" not in repr(PaymasterServiceOptions(context={"key": "secret"}))


def test_webhook_is_shown_without_its_url() -> None:
    assert "secret" not in repr(Webhook(url="https://user:secret@host"))
