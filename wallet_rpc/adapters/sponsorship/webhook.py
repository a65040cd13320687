"""The webhook of a sponsorship policy: the operator's own server says yes or no.

The rule: it fails closed. Only an answer of status 200 with `{"approved": true}`, in time and not too long, is a yes.
The URL comes from the operator's file and from nowhere else, no redirect is followed, and neither the URL nor a text of
the other side is in any error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx2
from pydantic_core import from_json

from wallet_rpc.adapters.client import read_body
from wallet_rpc.domain.policy import Policy, PolicyDecision, PolicyDenial, PolicyDenialReason, Webhook
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.wire import encode

_ANSWER_BYTES = 64 << 10


class _NoAnswerError(Exception):
    """Nothing that can be read came back."""


async def request_approval(
    http: httpx2.AsyncClient, policy: Policy, op: UserOperation, *, chain_id: int, context: Mapping[str, Any]
) -> PolicyDecision:
    """What the policy's webhook says of an operation; None (approved) where the policy has none.

    It is sent `{userOperation, policyId, chainId, webhookData}`; webhookData only when the client gave one.
    """
    if policy.webhook is None:
        return None
    body = {
        "userOperation": encode(UserOperationJson, UserOperationJson.from_domain(op, include_signature=False)),
        "policyId": str(policy.id),
        "chainId": chain_id,
    }
    if context.get("webhookData") is not None:
        body["webhookData"] = context["webhookData"]
    try:
        async with asyncio.timeout(policy.webhook.timeout_seconds):
            answer = await _post(http, policy.webhook, json.dumps(body).encode())
    except (_NoAnswerError, TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, OSError):
        return PolicyDenial(
            reason=PolicyDenialReason.WEBHOOK_FAILED,
            message=f"policy {policy.id} has a webhook that gave no answer it could use",
        )
    if isinstance(answer, dict) and answer.get("approved") is True:
        return None
    return PolicyDenial(
        reason=PolicyDenialReason.WEBHOOK_DENIED, message=f"policy {policy.id} has a webhook that did not approve"
    )


async def _post(http: httpx2.AsyncClient, webhook: Webhook, body: bytes) -> Any:
    async with http.stream(
        "POST",
        webhook.url,
        content=body,
        headers={"content-type": "application/json"},
        timeout=webhook.timeout_seconds,
        follow_redirects=False,
    ) as response:
        if response.status_code != httpx2.codes.OK:
            raise _NoAnswerError
        text = await read_body(response, most_bytes=_ANSWER_BYTES)
    if text is None:
        raise _NoAnswerError
    try:
        return from_json(text)
    except ValueError:
        raise _NoAnswerError from None
