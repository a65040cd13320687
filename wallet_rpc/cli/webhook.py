"""`wallet-rpc webhook`: the webhooks of an organisation, with or without a running server.

A secret is printed once, by the command that adds the webhook.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable

from wallet_rpc.adapters.webhook_sender import HttpWebhookSender
from wallet_rpc.cli.administration import Job, Report
from wallet_rpc.config.settings import SettingError
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.domain.times import format_time
from wallet_rpc.errors import Unavailable, WalletError
from wallet_rpc.operations.list_webhooks import DeadLetterItem, WebhookItem, describe_dead_letter, describe_webhook
from wallet_rpc.ports.webhooks import WebhookState
from wallet_rpc.services.webhooks import register_webhook, remove_webhook
from wallet_rpc.wire import encode


async def _add(job: Job) -> Report:
    organization = await job.organization()
    store = job.store.for_organization(organization.id)
    rules, options = job.settings.rules, job.options
    types = tuple(options.type or ())
    try:
        created = await register_webhook(store, job.clock, job.entropy, rules, url=options.url, types=types)
    except Unavailable:
        raise
    except WalletError as error:
        raise SettingError(f"webhook add: {error.message}") from None
    await job.note(organization.id, EventKind.WEBHOOK_CREATED, webhookId=created.id)
    lines = [
        f"Webhook:  {created.id}",
        f"Secret:   {created.secret}",
        "The secret is shown only once: the endpoint needs it to verify signatures.",
    ]
    return Report(value={"webhookId": created.id, "secret": created.secret}, lines=lines)


async def _list(job: Job) -> Report:
    store = job.store.for_organization((await job.organization()).id)
    items = [describe_webhook(each) for each in await store.webhooks.list()]
    value = {"webhooks": [encode(WebhookItem, each) for each in items]}
    return Report(value=value, lines=[_line(each) for each in items] or ["no webhooks"])


async def _remove(job: Job) -> Report:
    organization = await job.organization()
    try:
        await remove_webhook(job.store.for_organization(organization.id), job.options.webhook)
    except Unavailable:
        raise
    except WalletError as error:
        raise SettingError(f"webhook remove: {error.message}") from None
    await job.note(organization.id, EventKind.WEBHOOK_DELETED, webhookId=job.options.webhook)
    return Report(value={"webhookId": job.options.webhook}, lines=[f"{job.options.webhook} is deleted"])


async def _test(job: Job) -> Report:
    """Send an event of a type of its own, with a valid signature; exit status 1 if the endpoint does not take it."""
    state = await _find(job)
    now = job.clock.now()
    message_id = f"test_{job.entropy.random_bytes(8).hex()}"
    event = encode(Event, Event(id=message_id, type=EventType.WEBHOOK_TEST, time=now))
    allows_private = job.settings.private_webhooks
    began = time.monotonic()
    async with HttpWebhookSender(job.clock, allows_private=allows_private) as sender:
        reason = await sender.send(state.endpoint, message_id, json.dumps(event).encode())
    milliseconds = round(1000 * (time.monotonic() - began))
    value = {"webhookId": state.endpoint.id, "messageId": message_id, "taken": reason is None, "ms": milliseconds}
    text = "took" if reason is None else f"did not take ({reason})"
    return Report(
        value=value if reason is None else {**value, "reason": reason},
        lines=[f"{state.endpoint.id} {text} the test event {message_id}, after {milliseconds} ms"],
        status=0 if reason is None else 1,
    )


async def _dead(job: Job) -> Report:
    store = job.store.for_organization((await job.organization()).id)
    items = [describe_dead_letter(each) for each in await store.webhooks.list_dead()]
    lines = [
        f"{format_time(each.failed_at)}  {each.webhook_id}  {each.event_id}  {each.reason}, {each.attempts} attempts"
        for each in items
    ]
    value = {"deadLetters": [encode(DeadLetterItem, each) for each in items]}
    return Report(value=value, lines=lines or ["no dead letters"])


async def _find(job: Job) -> WebhookState:
    store = job.store.for_organization((await job.organization()).id)
    for each in await store.webhooks.list():
        if each.endpoint.id == job.options.webhook:
            return each
    raise SettingError("webhook test: no such webhook: see `wallet-rpc webhook list`")


def _line(item: WebhookItem) -> str:
    parts = [item.id, item.url, ", ".join(item.types) or "all events", f"took {item.last_event_id}"]
    if item.next_attempt_at is not None:
        next_at = format_time(item.next_attempt_at)
        parts.append(f"failed {item.failed_attempts} times ({item.last_failure}), next at {next_at}")
    return "  ".join(parts)


WEBHOOK_ACTIONS: dict[tuple[str, str], Callable[[Job], Awaitable[Report]]] = {
    ("webhook", "add"): _add,
    ("webhook", "list"): _list,
    ("webhook", "remove"): _remove,
    ("webhook", "test"): _test,
    ("webhook", "dead"): _dead,
}
"""The actions, by command and name."""
