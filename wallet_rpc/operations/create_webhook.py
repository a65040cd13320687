"""`POST /v1/organizations/{orgId}/webhooks`: register a URL to which events are posted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.event import EventName
from wallet_rpc.domain.times import Time
from wallet_rpc.domain.webhook import MAX_URL
from wallet_rpc.errors import Conflict
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.webhooks import WEBHOOKS_PATH, register_webhook
from wallet_rpc.wire import shape, strict_shape

_BODY_BYTES = 16 << 10


@strict_shape
class CreateWebhook:
    """The URL of a webhook, and the events that it gets."""

    url: Annotated[str, Field(max_length=MAX_URL)]
    """URL to which events are posted: https, of a public address unless the operator allows others."""
    types: Annotated[tuple[EventName, ...], Field(max_length=50)] = ()
    """Types of event, such as `call.confirmed`, or subjects, such as `call`. Default: all."""


@shape
class CreatedWebhook:
    """A new webhook, with the secret of its signatures."""

    id: str
    """Id of the webhook: `wh_` and 20 hex digits."""
    url: str
    """URL to which events are posted."""
    types: tuple[EventName, ...]
    """Types and subjects of its events; empty for all."""
    created_at: Time
    """Time of the registration, as RFC 3339 text in UTC."""
    secret: str
    """Key of the signatures, `whsec_` and base64; no other response has it."""


async def run(ports: Ports, request: CreateWebhook) -> CreatedWebhook:
    """Register the webhook, which gets the events from now on. Raises: InvalidParams; Conflict."""
    created = await register_webhook(
        ports.store, ports.clock, ports.entropy, ports.rules, url=request.url, types=request.types
    )
    await log_event(ports, EventKind.WEBHOOK_CREATED, webhookId=created.id)
    return CreatedWebhook(
        id=created.id, url=created.url, types=created.types, created_at=created.created_at, secret=created.secret
    )


OPERATION: Operation[Ports, CreateWebhook, CreatedWebhook] = Operation(
    "createWebhook",
    CreateWebhook,
    CreatedWebhook,
    run,
    "Register a URL to which the events of the organisation are posted, with signatures.",
    (Conflict,),
    rest=RestRoute(
        verb="POST",
        paths=(WEBHOOKS_PATH,),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(409,),
        most_bytes=_BODY_BYTES,
    ),
    description=(
        "Events from now on are posted in their order, each until the endpoint answers with a status from 200 to 299. "
        "The signatures are those of Standard Webhooks. The secret is in this response only."
    ),
)
