"""Webhook of a sponsorship policy, by which the operator's own server approves or denies an operation.

It fails closed. Only a response with status 200 and `{"approved": true}`, in time and within the size limit, approves.
The URL comes only from the operator's policy file. Redirects are not followed. No error contains the URL or a text of
the webhook's response.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from wallet_rpc.adapters.http_post import PostClient, PostFailed
from wallet_rpc.domain.policy import Policy, PolicyDecision, PolicyDenial, PolicyDenialReason, Webhook
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.time_budget import STORE_SECONDS, require_time
from wallet_rpc.wire import encode, parse_json

_MAX_RESPONSE_BYTES = 64 << 10


class _NoAnswerError(Exception):
    """No usable response."""


async def request_approval(
    http: PostClient, policy: Policy, op: UserOperation, *, chain_id: int, context: Mapping[str, Any]
) -> PolicyDecision:
    """Request the decision of the policy's webhook; None means approved, also for a policy without a webhook.

    The request body is `{userOperation, policyId, chainId, webhookData}`; webhookData only if the client sent one.
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
    until = require_time(policy.webhook.timeout_seconds, part="webhook", reserve=STORE_SECONDS)
    try:
        async with asyncio.timeout_at(until):
            answer = await _post(http, policy.webhook, json.dumps(body).encode())
    except (_NoAnswerError, PostFailed, TimeoutError):
        return PolicyDenial(
            reason=PolicyDenialReason.WEBHOOK_FAILED,
            message=f"the webhook of policy {policy.id} returned no usable response",
        )
    if isinstance(answer, dict) and answer.get("approved") is True:
        return None
    return PolicyDenial(
        reason=PolicyDenialReason.WEBHOOK_DENIED,
        message=f"the webhook of policy {policy.id} did not approve the operation",
    )


async def _post(http: PostClient, webhook: Webhook, content: bytes) -> Any:
    response = await http.post(
        webhook.url, content, connect_seconds=webhook.timeout_seconds, max_bytes=_MAX_RESPONSE_BYTES
    )
    if response.status != HTTPStatus.OK or response.body is None:
        raise _NoAnswerError
    try:
        return parse_json(response.body)
    except ValueError:
        raise _NoAnswerError from None
