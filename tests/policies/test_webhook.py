"""The webhook of a policy: its request, and the only response that approves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.contract.sample import ACCOUNT, an_operation
from tests.policies.hook import YES, Hook, serve_hook
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.sponsorship import webhook
from wallet_rpc.domain.policy import Policy, PolicyDecision, PolicyDenial, Webhook

ID = "3061cc5f-1f96-48a9-ab45-41faad2dd23b"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serve_hook() as served:
        yield served


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    async with HttpClient() as client:
        yield client


async def call_webhook(
    http: HttpClient, url: str, *, seconds: float = 10.0, context: dict[str, Any] | None = None
) -> PolicyDecision:
    policy = Policy(id=UUID(ID), webhook=Webhook(url=url, timeout_seconds=seconds))
    return await webhook.request_approval(http, policy, an_operation(), chain_id=421614, context=context or {})


async def test_a_policy_without_webhook_is_approved(http: HttpClient) -> None:
    decision = await webhook.request_approval(http, Policy(id=UUID(ID)), an_operation(), chain_id=1, context={})
    assert decision is None


async def test_the_request_contains_the_operation_and_its_context(http: HttpClient, hook: Hook) -> None:
    assert await call_webhook(http, hook.url, context={"policyId": ID, "webhookData": "order 7"}) is None
    (body,) = hook.requests
    assert set(body) == {"userOperation", "policyId", "chainId", "webhookData"}
    assert (body["policyId"], body["chainId"], body["webhookData"]) == (ID, 421614, "order 7")
    assert body["userOperation"]["sender"] == ACCOUNT.hex0x()
    assert "signature" not in body["userOperation"]


async def test_webhook_data_is_left_out_when_there_is_none(http: HttpClient, hook: Hook) -> None:
    assert await call_webhook(http, hook.url) is None
    assert "webhookData" not in hook.requests[0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"body": b'{"approved": false}'}, "policy_webhook_denied"),
        ({"body": b'{"approved": "true"}'}, "policy_webhook_denied"),
        ({"body": b'{"approved": 1}'}, "policy_webhook_denied"),
        ({"body": b"{}"}, "policy_webhook_denied"),
        ({"body": b"true"}, "policy_webhook_denied"),
        ({"body": b"[true]"}, "policy_webhook_denied"),
        ({"body": b""}, "policy_webhook_failed"),
        ({"body": b"yes"}, "policy_webhook_failed"),
        ({"body": YES + b" " * 70_000}, "policy_webhook_failed"),
        ({"status": 201}, "policy_webhook_failed"),
        ({"status": 500}, "policy_webhook_failed"),
        ({"status": 404}, "policy_webhook_failed"),
    ],
)
async def test_any_other_response_denies(http: HttpClient, hook: Hook, answer: dict[str, Any], reason: str) -> None:
    for name, value in answer.items():
        setattr(hook, name, value)
    decision = await call_webhook(http, hook.url)
    assert isinstance(decision, PolicyDenial)
    assert decision.reason == reason
    assert "127.0.0.1" not in decision.message


async def test_an_approval_after_the_timeout_denies(http: HttpClient, hook: Hook) -> None:
    hook.delay_seconds = 0.5
    decision = await call_webhook(http, hook.url, seconds=0.1)
    assert isinstance(decision, PolicyDenial)
    assert decision.reason == "policy_webhook_failed"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(http: HttpClient, hook: Hook, status: int) -> None:
    with serve_hook() as elsewhere:
        hook.status = status
        hook.headers = {"location": elsewhere.url}
        decision = await call_webhook(http, hook.url)
        assert isinstance(decision, PolicyDenial)
        assert decision.reason == "policy_webhook_failed"
        assert elsewhere.requests == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://name.invalid/", "http://" + "a" * 70 + ".invalid/"])
async def test_an_unreachable_webhook_denies(http: HttpClient, url: str) -> None:
    decision = await call_webhook(http, url)
    assert isinstance(decision, PolicyDenial)
    assert decision.reason == "policy_webhook_failed"
