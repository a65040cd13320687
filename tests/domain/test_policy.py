"""What a policy says of an operation, and what may stand in the file of policies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from wallet_rpc.domain.account import Call, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.policy import MOST_WEI, Limits, Policy, Refusal, Webhook, decide, over_limit
from wallet_rpc.domain.policy_file import WrongPolicies, read_policies
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


def refusal(policy: Policy, op: UserOperation = OP, *, chain_id: int = 1, now: int = NOW) -> Refusal | None:
    decision = decide(policy, op, chain_id=chain_id, now=now)
    return None if decision is None else decision.refusal


def test_policy_without_conditions_sponsors() -> None:
    assert refusal(POLICY) is None


def test_disabled_policy_sponsors_nothing() -> None:
    assert refusal(replace(POLICY, enabled=False)) is Refusal.DISABLED


def test_policy_sponsors_on_its_chains_only() -> None:
    policy = replace(POLICY, chains=frozenset({1, 10}))
    assert [refusal(policy, chain_id=chain_id) for chain_id in (1, 10, 5)] == [None, None, Refusal.CHAIN]


def test_policy_sponsors_in_its_time_only() -> None:
    policy = replace(POLICY, valid_from=100, valid_until=200)
    found = [refusal(policy, now=now) for now in (99, 100, 199, 200)]
    assert found == [Refusal.NOT_YET, None, None, Refusal.EXPIRED]


def test_blocked_sender_is_refused_even_when_allowed() -> None:
    policy = replace(POLICY, blocked_senders=frozenset({SENDER}), allowed_senders=frozenset({SENDER}))
    assert refusal(policy) is Refusal.SENDER_BLOCKED


def test_senders_that_are_not_listed_are_refused() -> None:
    assert refusal(replace(POLICY, allowed_senders=frozenset({STRANGER}))) is Refusal.SENDER_NOT_ALLOWED
    assert refusal(replace(POLICY, allowed_senders=frozenset())) is Refusal.SENDER_NOT_ALLOWED
    assert refusal(replace(POLICY, allowed_senders=frozenset({SENDER}))) is None


@pytest.mark.parametrize(
    ("call_data", "expected"),
    [
        (OP.call_data, None),
        (wrap_execute_user_op(OP.call_data), None),
        (execute_call_data(SENDER, []), None),
        (execute_call_data(SENDER, [Call(to=SHOP), Call(to=STRANGER)]), Refusal.TARGET_NOT_ALLOWED),
        (wrap_execute_user_op(execute_call_data(SENDER, [Call(to=STRANGER)])), Refusal.TARGET_NOT_ALLOWED),
        (execute_call_data(SENDER, [Call(to=SHOP), Call(to=SENDER, data=OP.call_data)]), Refusal.TARGET_NOT_ALLOWED),
        (Data(b"\x12\x34\x56\x78"), Refusal.TARGET_NOT_ALLOWED),
        (Data(), Refusal.TARGET_NOT_ALLOWED),
    ],
)
def test_listed_targets_are_the_only_ones(call_data: Data, expected: Refusal | None) -> None:
    policy = replace(POLICY, allowed_targets=frozenset({SHOP}))
    assert refusal(policy, replace(OP, call_data=call_data)) is expected


def test_operation_may_cost_its_limit_and_no_more() -> None:
    assert refusal(replace(POLICY, limits=Limits(operation_wei=100))) is None
    assert refusal(replace(POLICY, limits=Limits(operation_wei=99))) is Refusal.OPERATION_WEI


def test_no_policy_sponsors_more_than_can_be_counted() -> None:
    op = replace(OP, call_gas_limit=0, verification_gas_limit=0, pre_verification_gas=MOST_WEI, max_fee_per_gas=1)
    assert refusal(POLICY, op) is None
    assert refusal(POLICY, replace(op, pre_verification_gas=MOST_WEI + 1)) is Refusal.OPERATION_WEI


def test_denial_names_policy_and_numbers() -> None:
    decision = decide(replace(POLICY, limits=Limits(operation_wei=99)), OP, chain_id=1, now=NOW)
    assert decision is not None
    assert decision.message == f"policy {ID} pays at most 99 wei for one operation, this one may cost 100"


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (Refusal.TOTAL_WEI, "limit of 1 wei in all"),
        (Refusal.TOTAL_OPERATIONS, "limit of 2 operations in all"),
        (Refusal.SENDER_WEI, "limit of 3 wei for this sender"),
        (Refusal.SENDER_OPERATIONS, "limit of 4 operations for this sender"),
    ],
)
def test_exceeded_limit_is_named(limit: Refusal, expected: str) -> None:
    limits = Limits(total_wei=1, total_operations=2, sender_wei=3, sender_operations=4)
    lasting = over_limit(replace(POLICY, limits=limits), limit, cost=9)
    assert lasting.refusal is limit
    assert f"policy {ID} has a {expected}; this operation, which may cost 9 wei" in lasting.message
    rolling = over_limit(replace(POLICY, limits=replace(limits, window_seconds=60)), limit, cost=9)
    assert f"{expected} in 60 seconds" in rolling.message


def test_webhook_is_shown_without_its_url() -> None:
    assert "secret" not in repr(Webhook(url="https://user:secret@host"))


def test_whole_policy_is_read() -> None:
    (policy,) = read_policies(f"""
        [[policy]]
        id = "{ID}"
        name = "launch"
        enabled = false
        chains = [1, 421614]
        allowed_senders = ["{SENDER}"]
        blocked_senders = ["{STRANGER}"]
        allowed_targets = ["{SHOP}"]
        valid_from = 2027-01-01T00:00:00Z
        valid_until = 1830000000
        sponsorship_seconds = 60
        [policy.limits]
        operation_wei = "1000000000000000000000"
        total_wei = 5_000_000_000_000_000_000_000
        total_operations = 3
        sender_wei = 4
        sender_operations = 2
        window_seconds = 86400
        [policy.webhook]
        url = "https://example.org/approve"
        timeout_seconds = 1.5
    """)
    assert policy == Policy(
        id=UUID(ID),
        name="launch",
        enabled=False,
        chains=frozenset({1, 421614}),
        allowed_senders=frozenset({SENDER}),
        blocked_senders=frozenset({STRANGER}),
        allowed_targets=frozenset({SHOP}),
        valid_from=1_798_761_600,
        valid_until=1_830_000_000,
        sponsorship_seconds=60,
        limits=Limits(
            operation_wei=10**21,
            total_wei=5 * 10**21,
            total_operations=3,
            sender_wei=4,
            sender_operations=2,
            window_seconds=86400,
        ),
        webhook=Webhook(url="https://example.org/approve", timeout_seconds=1.5),
    )


def test_policy_needs_no_more_than_its_id() -> None:
    assert read_policies(f'[[policy]]\nid = "{ID}"\n') == (POLICY,)


def a_policy(lines: str) -> str:
    return f'[[policy]]\nid = "{ID}"\n{lines}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[policy", "no TOML: "),
        ("n = " + "9" * 5000, "no TOML: "),
        ("", "expected [[policy]] tables and nothing else"),
        ("policy = 1", "expected [[policy]] tables and nothing else"),
        ("policy = [1]", "expected [[policy]] tables and nothing else"),
        (a_policy("") + "[more]\n", "expected [[policy]] tables and nothing else"),
        ("[[policy]]\n", "policy 1: id: required, but not there"),
        ('[[policy]]\nid = "x"', "policy 1: id: expected a UUID of version 4, got "),
        ("[[policy]]\nid = 7", "policy 1: id: expected a UUID of version 4, got 7"),
        ('[[policy]]\nid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"', "policy 1: id: expected a UUID of version 4"),
        (a_policy("") * 2, f"policy {ID}: id: stands there 2 times"),
        (a_policy("") + '[[policy]]\nid = "?"', "policy 2: id: expected a UUID"),
        (a_policy("chain = [1]"), 'policy 1: "chain" is no key here; known: id, name'),
        (a_policy("limits.total = 1"), f'policy {ID}: limits: "total" is no key here; known: operation_wei'),
        (a_policy("name = 1"), "name: expected a line of text, got 1"),
        (a_policy('name = "a\\nb"'), "name: expected a line of text"),
        (a_policy("enabled = 1"), "enabled: expected true or false, got 1"),
        (a_policy("chains = []"), "chains: expected a list of chain ids"),
        (a_policy("chains = 1"), "chains: expected a list of chain ids, got 1"),
        (a_policy("chains = [0]"), "chains: expected a list of chain ids from 1 to 4294967295"),
        (a_policy("allowed_senders = '0x'"), "allowed_senders: expected a list of addresses"),
        (a_policy("blocked_senders = ['0x12']"), "blocked_senders: expected a list of addresses"),
        (a_policy("allowed_targets = [1]"), "allowed_targets: expected a list of addresses"),
        (a_policy("valid_from = 2027-01-01T00:00:00"), "valid_from: expected a time with its zone"),
        (a_policy("valid_from = true"), "valid_from: expected a time with its zone"),
        (a_policy("valid_until = -1"), "valid_until: expected a time with its zone"),
        (a_policy("valid_from = 5\nvalid_until = 5"), f"policy {ID}: valid_until: expected a time after valid_from"),
        (a_policy("limits = 1"), "limits: expected a table, got 1"),
        (a_policy("limits.total_wei = 1.5"), "total_wei: expected wei from 0 to 9"),
        (a_policy("limits.total_wei = true"), "total_wei: expected wei from 0 to"),
        (a_policy("limits.total_wei = -1"), "total_wei: expected wei from 0 to"),
        (a_policy(f"limits.total_wei = {MOST_WEI + 1}"), "total_wei: expected wei from 0 to"),
        (a_policy("limits.total_wei = '" + "9" * 5000 + "'"), "total_wei: expected wei from 0 to"),
        (a_policy("limits.sender_wei = '1 ether'"), "sender_wei: expected wei from 0 to"),
        (a_policy("limits.total_operations = 'x'"), "total_operations: expected a count from 0 to"),
        (a_policy("limits.window_seconds = 59"), "window_seconds: expected seconds from 60 to 31622400, got 59"),
        (a_policy("sponsorship_seconds = 29"), "sponsorship_seconds: expected seconds from 30 to 3600, got 29"),
        (a_policy("webhook = 'https://x'"), "webhook: expected a table"),
        (a_policy("webhook = {}"), f"policy {ID}: webhook: url: required, but not there"),
        (a_policy("webhook.url = 'ftp://secret'"), "webhook: url: expected a URL starting with https:// or http://"),
        (a_policy("webhook.url = 1"), "webhook: url: expected a URL"),
        (a_policy("webhook.url = 'http://[x'"), "webhook: url: expected a URL"),
        (a_policy("webhook.timeout_seconds = 0"), "timeout_seconds: expected seconds above 0, up to 20, got 0"),
        (a_policy("webhook.timeout_seconds = true"), "timeout_seconds: expected seconds above 0"),
    ],
)
def test_wrong_file_is_refused_by_policy_and_key(text: str, expected: str) -> None:
    with pytest.raises(WrongPolicies) as wrong:
        read_policies(text)
    assert expected in str(wrong.value)
    assert "secret" not in str(wrong.value)


def test_several_policies_keep_their_order() -> None:
    found: Any = read_policies(a_policy("") + f'[[policy]]\nid = "{OTHER_ID}"')
    assert [str(policy.id) for policy in found] == [ID, OTHER_ID]
