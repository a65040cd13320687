"""Tests of the policy file: the parsed policies, and the error of each mistake."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from wallet_rpc.domain.policy import MAX_POLICY_WEI, PaymasterServiceOptions, Policy, PolicyLimits, Webhook
from wallet_rpc.domain.policy_file import PolicyFileError, read_policies
from wallet_rpc.primitives import Address

ID = "3061cc5f-1f96-48a9-ab45-41faad2dd23b"
OTHER_ID = "11111111-2222-4333-8444-555555555555"
SENDER, SHOP, STRANGER = (Address(bytes([n]) * 20) for n in (0xAC, 0x51, 0x66))
POLICY = Policy(id=UUID(ID))


def test_whole_policy_is_read() -> None:
    (policy,) = read_policies(f"""
        [[policy]]
        id = "{ID}"
        name = "launch"
        organization = "org_0123456789abcdefABCD"
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
        organization="org_0123456789abcdefABCD",
        enabled=False,
        chains=frozenset({1, 421614}),
        allowed_senders=frozenset({SENDER}),
        blocked_senders=frozenset({STRANGER}),
        allowed_targets=frozenset({SHOP}),
        valid_from=1_798_761_600,
        valid_until=1_830_000_000,
        sponsorship_seconds=60,
        limits=PolicyLimits(
            operation_wei=10**21,
            total_wei=5 * 10**21,
            total_operations=3,
            sender_wei=4,
            sender_operations=2,
            window_seconds=86400,
        ),
        webhook=Webhook(url="https://example.org/approve", timeout_seconds=1.5),
    )


def test_the_context_for_a_service_is_read() -> None:
    (policy,) = read_policies(f"""
        [[policy]]
        id = "{ID}"
        [policy.service]
        valid_seconds = 900
        context = {{ sponsorshipPolicyId = "sp_x", deep = [1, 2.5, true, {{ a = "b" }}] }}
    """)
    context = {"sponsorshipPolicyId": "sp_x", "deep": [1, 2.5, True, {"a": "b"}]}
    assert policy.service == PaymasterServiceOptions(context=context, valid_seconds=900)


def test_policy_needs_no_more_than_its_id() -> None:
    assert read_policies(f'[[policy]]\nid = "{ID}"\n') == (POLICY,)


def a_policy(lines: str) -> str:
    return f'[[policy]]\nid = "{ID}"\n{lines}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[policy", "expected TOML, got a syntax error at end of document"),
        ("n = " + "9" * 5000, "expected TOML, got a syntax error"),
        ("", "expected [[policy]] tables and nothing else"),
        ("policy = 1", "expected [[policy]] tables and nothing else"),
        ("policy = [1]", "expected [[policy]] tables and nothing else"),
        (a_policy("") + "[more]\n", "expected [[policy]] tables and nothing else"),
        ("[[policy]]\n", "policy 1: id: required, but absent"),
        ('[[policy]]\nid = "x"', "policy 1: id: expected a UUID of version 4, got "),
        ("x = { hunter2 = 1, hunter2 = 2 }", "expected TOML, got a syntax error at line 1, column 31"),
        ("[[policy]]\nid = 7", "policy 1: id: expected a UUID of version 4, got 7"),
        ('[[policy]]\nid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"', "policy 1: id: expected a UUID of version 4"),
        (a_policy("") * 2, f"policy {ID}: id: expected once in the file, got 2 times"),
        (a_policy("") + '[[policy]]\nid = "?"', "policy 2: id: expected a UUID"),
        (a_policy("chain = [1]"), "policy 1: expected no keys but id, name"),
        (a_policy("limits.total = 1"), f"policy {ID}: limits: expected no keys but operation_wei"),
        (a_policy("name = 1"), "name: expected a line of text, got 1"),
        (a_policy('name = "a\\nb"'), "name: expected a line of text"),
        (a_policy("enabled = 1"), "enabled: expected true or false, got 1"),
        (a_policy("chains = []"), "chains: expected a list of chain ids"),
        (a_policy("chains = 1"), "chains: expected a list of chain ids, got 1"),
        (a_policy("chains = [0]"), "chains: expected a list of chain ids from 1 to 4294967295"),
        (a_policy("allowed_senders = '0x'"), "allowed_senders: expected a list of addresses"),
        (a_policy("blocked_senders = ['0x12']"), "blocked_senders: expected a list of addresses"),
        (a_policy("allowed_targets = [1]"), "allowed_targets: expected a list of addresses"),
        (
            a_policy("allowed_targets = ['0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed']"),
            "each an address with a correct EIP-55 checksum (0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed, if only the "
            'case of its letters is wrong), got "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"',
        ),
        (a_policy("valid_from = 2027-01-01T00:00:00"), "valid_from: expected a time with its zone"),
        (a_policy("valid_from = true"), "valid_from: expected a time with its zone"),
        (a_policy("valid_until = -1"), "valid_until: expected a time with its zone"),
        (a_policy("valid_from = 5\nvalid_until = 5"), f"policy {ID}: valid_until: expected a time after valid_from"),
        (a_policy("limits = 1"), "limits: expected a table, got 1"),
        (a_policy("limits.total_wei = 1.5"), "total_wei: expected wei from 0 to 9"),
        (a_policy("limits.total_wei = true"), "total_wei: expected wei from 0 to"),
        (a_policy("limits.total_wei = -1"), "total_wei: expected wei from 0 to"),
        (a_policy(f"limits.total_wei = {MAX_POLICY_WEI + 1}"), "total_wei: expected wei from 0 to"),
        (a_policy("limits.total_wei = '" + "9" * 5000 + "'"), "total_wei: expected wei from 0 to"),
        (a_policy("limits.sender_wei = '1 ether'"), "sender_wei: expected wei from 0 to"),
        (a_policy("limits.total_operations = 'x'"), "total_operations: expected a count from 0 to"),
        (a_policy("limits.window_seconds = 59"), "window_seconds: expected seconds from 60 to 31622400, got 59"),
        (a_policy("sponsorship_seconds = 29"), "sponsorship_seconds: expected seconds from 30 to 3600, got 29"),
        (a_policy("webhook = 'https://x'"), "webhook: expected a table"),
        (a_policy("webhook = {}"), f"policy {ID}: webhook: url: required, but absent"),
        (a_policy("webhook.url = 'ftp://secret'"), "webhook: url: expected a URL starting with http:// or https://"),
        (a_policy("webhook.url = 1"), "webhook: url: expected a URL"),
        (a_policy("webhook.url = 'http://[x'"), "webhook: url: expected a URL"),
        (a_policy("webhook.url = 'http://x:99999'"), "webhook: url: expected a URL"),
        (a_policy("webhook.timeout_seconds = 0"), "timeout_seconds: expected seconds above 0, up to 20, got 0"),
        (a_policy("organization = 'org_'"), "organization: expected an organisation's id, org_ and letters or digits"),
        (a_policy("organization = 'acme'"), "organization: expected an organisation's id"),
        (a_policy("organization = 1"), "organization: expected an organisation's id"),
        (a_policy("organization = 'org_a\\n'"), "organization: expected an organisation's id"),
        (a_policy("service = 1"), "service: expected a table"),
        (a_policy("service.url = 1"), f'policy {ID}: service: expected no keys but context, valid_seconds, got "url"'),
        (a_policy("service.valid_seconds = 29"), "service: valid_seconds: expected seconds from 30 to 2592000, got 29"),
        (a_policy("service.context = 'secret'"), "service: context: expected a table of texts, numbers"),
        (a_policy("service.context = {a = 'secret', b = nan}"), "service: context: expected a table of texts"),
        (a_policy("service.context = {a = 'secret', b = 2027-01-01}"), "service: context: expected a table of texts"),
        (a_policy("webhook.timeout_seconds = true"), "timeout_seconds: expected seconds above 0"),
    ],
)
def test_wrong_file_is_refused_by_policy_and_key(text: str, expected: str) -> None:
    with pytest.raises(PolicyFileError) as wrong:
        read_policies(text)
    assert expected in str(wrong.value)
    assert "secret" not in str(wrong.value)


def test_several_policies_keep_their_order() -> None:
    found: Any = read_policies(a_policy("") + f'[[policy]]\nid = "{OTHER_ID}"')
    assert [str(policy.id) for policy in found] == [ID, OTHER_ID]
