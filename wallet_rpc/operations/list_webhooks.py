"""`GET /v1/organizations/{orgId}/webhooks`: the webhooks of an organisation, and the events that they did not take."""

from __future__ import annotations

from typing import Any

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.event import EventName
from wallet_rpc.domain.times import Time
from wallet_rpc.domain.webhook import DeadLetter
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.ports.webhooks import WebhookState
from wallet_rpc.services.webhooks import WEBHOOKS_PATH
from wallet_rpc.wire import shape


@shape
class ListWebhooks:
    """The organisation of the path alone."""


@shape
class WebhookItem:
    """A webhook and its progress."""

    id: str
    """Id of the webhook: `wh_` and 20 hex digits."""
    url: str
    """URL to which events are posted."""
    types: tuple[EventName, ...]
    """Types and subjects of its events; empty for all."""
    created_at: Time
    """Time of the registration, as RFC 3339 text in UTC."""
    last_event_id: str
    """Id of the newest event that it took, or that was given up."""
    failed_attempts: int
    """Number of failed attempts to deliver its next event."""
    last_failure: str | None = None
    """Reason of the last failure, such as `http_500`, `no_answer` or `address_refused`."""
    next_attempt_at: Time | None = None
    """Time of the next attempt after a failure, as RFC 3339 text in UTC."""


@shape
class DeadLetterItem:
    """An event that a webhook did not take, or that was deleted before it was delivered."""

    webhook_id: str
    """Webhook that did not take the event."""
    event_id: str
    """Id of the event; of deleted events, that of the newest one."""
    failed_at: Time
    """Time at which it was given up, as RFC 3339 text in UTC."""
    attempts: int
    """Number of attempts."""
    reason: str
    """Reason of the last failure; `events_trimmed` for deleted events."""
    event: dict[str, Any] | None = None
    """The event, unless it was deleted."""


@shape
class WebhookList:
    """The webhooks, oldest first, and the newest dead letters."""

    webhooks: tuple[WebhookItem, ...]
    """Webhooks of the organisation."""
    dead_letters: tuple[DeadLetterItem, ...]
    """Events that were given up, the newest first; at most 100 are kept."""


async def run(ports: Ports, _: ListWebhooks) -> WebhookList:
    """Return the webhooks without their secrets."""
    webhooks = ports.store.webhooks
    return WebhookList(
        webhooks=tuple(describe_webhook(each) for each in await webhooks.list()),
        dead_letters=tuple(describe_dead_letter(each) for each in await webhooks.list_dead()),
    )


def describe_webhook(state: WebhookState) -> WebhookItem:
    """Return the description of a webhook, without its secret."""
    endpoint, failed = state.endpoint, state.failed
    return WebhookItem(
        id=endpoint.id,
        url=endpoint.url,
        types=endpoint.types,
        created_at=endpoint.created_at,
        last_event_id=state.position,
        failed_attempts=0 if failed is None else failed.count,
        last_failure=None if failed is None else failed.reason,
        next_attempt_at=None if failed is None else failed.next_at,
    )


def describe_dead_letter(dead: DeadLetter) -> DeadLetterItem:
    """Return the description of a dead letter."""
    return DeadLetterItem(
        webhook_id=dead.endpoint_id,
        event_id=dead.event_id,
        failed_at=dead.failed_at,
        attempts=dead.attempts,
        reason=dead.reason,
        event=dead.event,
    )


OPERATION: Operation[Ports, ListWebhooks, WebhookList] = Operation(
    "listWebhooks",
    ListWebhooks,
    WebhookList,
    run,
    "List the webhooks of the organisation with their progress, and the events that they did not take.",
    need=READ_ACCESS,
    is_long=lambda found: len(found.dead_letters) > 0,
    rest=RestRoute(verb="GET", paths=(WEBHOOKS_PATH,), error_format=ErrorFormat.ORGANIZATION),
    description="Secrets are never part of the response.",
)
