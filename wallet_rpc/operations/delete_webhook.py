"""`DELETE /v1/organizations/{orgId}/webhooks/{id}`: delete a webhook."""

from __future__ import annotations

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.errors import NotFound
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.webhooks import WEBHOOK_PATH, remove_webhook
from wallet_rpc.wire import shape


@shape
class OneWebhook:
    """A webhook of the organisation."""

    id: str
    """Id of the webhook: `wh_` and 20 hex digits."""


@shape
class DeletedWebhook:
    """The deleted webhook."""

    id: str
    """Id of the webhook, as in the path."""


async def run(ports: Ports, request: OneWebhook) -> DeletedWebhook:
    """Delete the webhook. Raises: NotFound."""
    await remove_webhook(ports.store, request.id)
    await log_event(ports, EventKind.WEBHOOK_DELETED, webhookId=request.id)
    return DeletedWebhook(id=request.id)


OPERATION: Operation[Ports, OneWebhook, DeletedWebhook] = Operation(
    "deleteWebhook",
    OneWebhook,
    DeletedWebhook,
    run,
    "Delete a webhook; a message that is being sent may still arrive.",
    (NotFound,),
    rest=RestRoute(verb="DELETE", paths=(WEBHOOK_PATH,), error_format=ErrorFormat.ORGANIZATION, statuses=(404,)),
    description="Events that wait for the webhook are not sent. Its dead letters stay in the list.",
)
