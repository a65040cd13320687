"""Registration of webhooks, by an organisation over REST and by the operator on the command line."""

from __future__ import annotations

from wallet_rpc.domain.access import Rules
from wallet_rpc.domain.webhook import MAX_ENDPOINTS, WebhookEndpoint, find_url_error, format_secret
from wallet_rpc.errors import Conflict, InvalidParams, NotFound
from wallet_rpc.ports import Clock, Entropy
from wallet_rpc.ports.events import FIRST_EVENT
from wallet_rpc.ports.storage import OrganizationStore

WEBHOOKS_PATH = "/v1/organizations/{orgId}/webhooks"
"""The path of an organisation's webhooks."""
WEBHOOK_PATH = f"{WEBHOOKS_PATH}/{{id}}"
"""The path of one webhook."""


async def register_webhook(
    store: OrganizationStore, clock: Clock, entropy: Entropy, rules: Rules, *, url: str, types: tuple[str, ...]
) -> WebhookEndpoint:
    """Store a webhook that gets the events from now on, and return it with its secret.

    Raises: InvalidParams for a URL that is not allowed; Conflict for too many webhooks.
    """
    text = find_url_error(url, allows_private=rules.allows_private_webhooks)
    if text is not None:
        raise InvalidParams(text, field="url", reason="webhook_url")
    endpoint = WebhookEndpoint(
        id=f"wh_{entropy.random_bytes(10).hex()}",
        url=url,
        secret=format_secret(entropy.random_bytes(32)),
        types=types,
        created_at=clock.now(),
    )
    newest = (await store.events.read(FIRST_EVENT, limit=1)).last
    if not await store.webhooks.add(endpoint, position=newest):
        text = f"expected at most {MAX_ENDPOINTS} webhooks of one organisation; delete one of them"
        raise Conflict(text, reason="too_many_webhooks")
    return endpoint


async def remove_webhook(store: OrganizationStore, endpoint_id: str) -> None:
    """Delete a webhook. Raises: NotFound."""
    if not await store.webhooks.remove(endpoint_id):
        raise NotFound("webhook not found", reason="webhook_not_found")
