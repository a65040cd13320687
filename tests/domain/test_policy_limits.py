"""Tests of the limits of a reservation, and of the messages of their denials."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.policy import Policy, PolicyDenialReason, PolicyLimits
from wallet_rpc.domain.policy_limits import (
    BudgetLimit,
    ExceededLimit,
    Parties,
    build_budget_limits,
    build_limit_denial,
    max_single_reservation_wei,
)
from wallet_rpc.primitives import Address

ID = "3061cc5f-1f96-48a9-ab45-41faad2dd23b"
OWNER, WALLET = Address(b"\xa1" * 20), Address(b"\xb2" * 20)
PARTIES = Parties(owners=(OWNER, WALLET), key="key_1", token="t1")
LIMITS = PolicyLimits(total_wei=1003, total_operations=42, sender_wei=3, sender_operations=4)


def find_limit(refusal: PolicyDenialReason, limits: PolicyLimits = LIMITS) -> BudgetLimit:
    return next(
        one for one in build_budget_limits(limits, PARTIES) if refusal in {one.wei_reason, one.operations_reason}
    )


def test_total_and_owner_limits_precede_limits_of_open_reservations() -> None:
    fields = [one.field for one in build_budget_limits(LIMITS, PARTIES)]
    assert fields[:4] == ["all", OWNER.hex(), WALLET.hex(), "first"]
    assert fields[4:7] == [f"o:{OWNER.hex()}", f"o:{WALLET.hex()}", "t:t1"]
    assert [one.is_open for one in build_budget_limits(LIMITS, PARTIES)] == [False] * 3 + [True] * 5
    assert len(build_budget_limits(LIMITS, replace(PARTIES, token=None))) == 7


@pytest.mark.parametrize(
    ("refusal", "wei", "operations"),
    [
        (PolicyDenialReason.TOTAL_WEI, 1003, 42),
        (PolicyDenialReason.SENDER_WEI, 3, 4),
        (PolicyDenialReason.FIRST_TIME, 250, 10),
        (PolicyDenialReason.OWNER_OPEN, 501, 21),
        (PolicyDenialReason.TOKEN_OPEN, 501, 21),
        (PolicyDenialReason.KEY_OPEN, 501, 21),
    ],
)
def test_a_part_of_the_policy_may_be_open(refusal: PolicyDenialReason, wei: int, operations: int) -> None:
    found = find_limit(refusal)
    assert (found.wei, found.operations) == (wei, operations)
    assert max_single_reservation_wei(LIMITS) == 501


def test_open_reservations_are_few_also_where_nothing_else_is_limited() -> None:
    limits = PolicyLimits(owner_open=5, token_open=6, key_open=7)
    numbers = [
        find_limit(refusal, limits).operations
        for refusal in (PolicyDenialReason.OWNER_OPEN, PolicyDenialReason.TOKEN_OPEN)
    ]
    assert (*numbers, find_limit(PolicyDenialReason.KEY_OPEN, limits).operations) == (5, 6, 7)
    assert find_limit(PolicyDenialReason.FIRST_TIME, limits).operations is None
    assert {one.wei for one in build_budget_limits(limits, PARTIES)} == {None}
    assert max_single_reservation_wei(limits) is None
    assert find_limit(PolicyDenialReason.OWNER_OPEN, replace(LIMITS, owner_open=5)).operations == 5


@given(st.integers(0, 12))
def test_one_operation_of_a_small_policy_may_always_be_open(total: int) -> None:
    limits = PolicyLimits(total_operations=total)
    assert find_limit(PolicyDenialReason.FIRST_TIME, limits).operations == max(1, total // 4)
    assert find_limit(PolicyDenialReason.KEY_OPEN, limits).operations == max(1, total // 2)


@given(st.text(min_size=1), st.text(min_size=1))
def test_each_key_has_a_sum_of_its_own_in_plain_letters(one: str, other: str) -> None:
    fields = [build_budget_limits(LIMITS, replace(PARTIES, key=key))[-1].field for key in (one, other)]
    assert (fields[0] == fields[1]) is (one == other)
    assert all(field.removeprefix("k:").isalnum() for field in fields)


@pytest.mark.parametrize(
    ("refusal", "by_wei", "text"),
    [
        (PolicyDenialReason.TOTAL_WEI, True, "limit of 1003 wei in all"),
        (PolicyDenialReason.TOTAL_OPERATIONS, False, "limit of 42 operations in all"),
        (PolicyDenialReason.SENDER_WEI, True, f"limit of 3 wei for this sender's owner {OWNER}"),
        (PolicyDenialReason.SENDER_OPERATIONS, False, f"limit of 4 operations for this sender's owner {OWNER}"),
    ],
)
def test_an_exceeded_limit_is_named(refusal: PolicyDenialReason, by_wei: bool, text: str) -> None:
    exceeded = ExceededLimit(find_limit(refusal), by_wei)
    denial = build_limit_denial(Policy(id=UUID(ID), limits=LIMITS), exceeded, cost=9)
    assert exceeded.reason is denial.reason is refusal
    assert denial.message.startswith(f"policy {ID} has a {text}; this operation, which may cost 9 wei")
    rolling = build_limit_denial(Policy(id=UUID(ID), limits=replace(LIMITS, window_seconds=60)), exceeded, cost=9)
    assert f"{text} in 60 seconds;" in rolling.message


@pytest.mark.parametrize(
    ("refusal", "by_wei", "text"),
    [
        (
            PolicyDenialReason.FIRST_TIME,
            True,
            "250 wei open by owners without an included operation under it, of 1003 in all",
        ),
        (PolicyDenialReason.OWNER_OPEN, False, f"21 operations open by one owner, {OWNER}, of 42 in all"),
        (PolicyDenialReason.TOKEN_OPEN, True, "501 wei open by one session token, of 1003 in all"),
        (PolicyDenialReason.KEY_OPEN, False, "21 operations open by one API key, of 42 in all"),
    ],
)
def test_a_denial_for_open_reservations_states_the_remedy(refusal: PolicyDenialReason, by_wei: bool, text: str) -> None:
    policy = Policy(id=UUID(ID), limits=replace(LIMITS, window_seconds=60))
    denial = build_limit_denial(policy, ExceededLimit(find_limit(refusal), by_wei), cost=9)
    assert denial.reason is refusal
    assert f"has a limit of {text}; this operation" in denial.message
    assert denial.message.endswith("send the prepared operations or let them expire, then prepare again")


def test_a_limit_without_a_total_is_reported_alone() -> None:
    limits = PolicyLimits(owner_open=5)
    exceeded = ExceededLimit(find_limit(PolicyDenialReason.OWNER_OPEN, limits), by_wei=False)
    denial = build_limit_denial(Policy(id=UUID(ID), limits=limits), exceeded, cost=9)
    assert f"limit of 5 operations open by one owner, {OWNER}; this" in denial.message
