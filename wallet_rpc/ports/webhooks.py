"""Ports of webhooks: their storage, and the sender of their messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wallet_rpc.domain.webhook import DeadLetter, FailedAttempts, WebhookEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookState:
    """A webhook and its progress."""

    endpoint: WebhookEndpoint
    position: str
    """Id of the newest event that it took, or that was given up."""
    failed: FailedAttempts | None = None


class Webhooks(Protocol):
    """The webhooks of one organisation."""

    async def add(self, endpoint: WebhookEndpoint, *, position: str) -> bool:
        """Store a webhook that gets the events after a position; return False if the organisation has too many."""

    async def remove(self, endpoint_id: str) -> bool:
        """Delete a webhook; return False if there is none."""

    async def list(self) -> tuple[WebhookState, ...]:
        """Return the webhooks, oldest first."""

    async def list_dead(self) -> tuple[DeadLetter, ...]:
        """Return the dead letters, newest first."""


class DeliveringWebhooks(Webhooks, Protocol):
    """The webhooks of one organisation, for the one replica that delivers to them."""

    async def hold(self) -> bool:
        """Take or extend the lease on deliveries; return False while another replica has it."""

    async def leave(self) -> None:
        """End the lease, if this replica has it."""

    async def advance(self, endpoint_id: str, position: str, *, dead: DeadLetter | None = None) -> bool:
        """Store the progress of a webhook, and a dead letter; return False without the lease or the webhook."""

    async def note_failure(self, endpoint_id: str, failed: FailedAttempts) -> bool:
        """Store the failed attempts of a webhook; return False without the lease or the webhook."""


class WebhookSender(Protocol):
    """Sends messages to webhooks."""

    async def send(self, endpoint: WebhookEndpoint, message_id: str, body: bytes) -> str | None:
        """Send a signed message once; return None if the endpoint took it, else the reason of the failure."""
