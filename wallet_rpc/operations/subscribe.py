"""`wallet_subscribe`: notifications about calls or sessions, over the WebSocket of the request."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import Field

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.event import EventFilter, EventPosition
from wallet_rpc.errors import InvalidRequest, LimitExceeded
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.ports.events import Subscriber
from wallet_rpc.primitives import Address, SessionId
from wallet_rpc.wire import shape, strict_shape

FOLLOW_ACCESS = RequiredAccess(writes=False, scopes=(Scope.WALLET_STREAM,))
"""Access for any API key, and for session tokens with the scope of streams."""


class SubscriptionKind(StrEnum):
    """The kinds of subscription."""

    CALLS = "calls"
    """Changes of calls: the events `call.*`."""
    SESSIONS = "sessions"
    """Changes of sessions, their stops, rules and approvals: `session.*`, `stop.*`, `rule.*` and `approval.*`."""


_SUBJECTS = {
    SubscriptionKind.CALLS: frozenset({"call"}),
    SubscriptionKind.SESSIONS: frozenset({"session", "stop", "rule", "approval"}),
}


@strict_shape
class SubscriptionFilter:
    """The events of a subscription, and the position at which it begins."""

    account: Address | None = None
    """Account that the events are about. Default: all that the caller may see."""
    session_id: SessionId | None = None
    """Session that the events are about. Default: all."""
    last_event_id: EventPosition | None = None
    """Id of the newest event that the client has read. Default: the next event is the first one."""


@shape
class Subscribe:
    """A kind of subscription, and a filter."""

    kind: SubscriptionKind
    """Subject of the notifications: `calls` or `sessions`."""
    filter: SubscriptionFilter = SubscriptionFilter()
    """Account and session that the events are about, and the position at which they begin."""


async def run(ports: Ports, request: Subscribe) -> str:
    """Begin a subscription and return its id. Raises: InvalidRequest without a WebSocket; LimitExceeded."""
    parts = request.filter
    event_filter = EventFilter(
        types=_SUBJECTS[request.kind],
        accounts=frozenset() if parts.account is None else frozenset({parts.account}),
        sessions=frozenset() if parts.session_id is None else frozenset({parts.session_id}),
    )
    return await subscriber_of(ports).subscribe(event_filter, after=parts.last_event_id)


def subscriber_of(ports: Ports) -> Subscriber:
    """Return the connection of the request. Raises: InvalidRequest for one that cannot receive notifications."""
    if ports.subscriber is None:
        raise websocket_required_error()
    return ports.subscriber


def websocket_required_error() -> InvalidRequest:
    """Build the error for a subscription over HTTP."""
    text = "expected a WebSocket at the same URL, over which the server can send notifications"
    return InvalidRequest(text, reason="websocket_required")


def _find_accounts(request: Subscribe) -> tuple[Address, ...]:
    return () if request.filter.account is None else (request.filter.account,)


SubscriptionId: TypeAlias = Annotated[
    str, Field(description="Id of a subscription of the connection, 0x and hex digits.")
]

OPERATION: Operation[Ports, Subscribe, str] = Operation(
    "wallet_subscribe",
    Subscribe,
    SubscriptionId,
    run,
    "Begin a subscription to changes of calls or sessions, over a WebSocket, and return its id.",
    (InvalidRequest, LimitExceeded),
    positional=True,
    need=FOLLOW_ACCESS,
    wallets=_find_accounts,
    reasons=("websocket_required", "too_many_subscriptions", "event_id_malformed"),
    description=(
        "Each event is a notification `wallet_subscription` with the members `subscription` and `result`. One with "
        "`error` instead says that events are missing or that the subscription ended."
    ),
)
