"""`GET /v1/events`: an organisation's events as server-sent events, resumable by `Last-Event-ID` on any replica.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Annotated, Any

from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wallet_rpc import wire
from wallet_rpc.domain.event import EventFilter, EventName, EventPosition
from wallet_rpc.edge.authentication import Authenticator
from wallet_rpc.edge.drain import current_drain
from wallet_rpc.edge.error_formats import rest_error_response
from wallet_rpc.edge.followers import CHECK_SECONDS, MESSAGES, SHUTTING_DOWN, Follower, Followers
from wallet_rpc.edge.guard import ENDS_WITH_INPUT, ErrorMiddleware
from wallet_rpc.edge.http import with_cors
from wallet_rpc.edge.request_context import current_context
from wallet_rpc.edge.request_sources import Origins
from wallet_rpc.errors import InvalidRequest, WalletError
from wallet_rpc.operations.operation import ErrorFormat
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, SessionId
from wallet_rpc.services.event_counts import FollowerKind
from wallet_rpc.services.event_feed import EventFeed, EventReader
from wallet_rpc.wire import strict_shape

EVENTS_PATH = "/v1/events"
"""The path of the stream."""
STREAM = "streamEvents"
"""The name of the stream in the API document, the log and the metrics."""
LAST_EVENT_ID = "Last-Event-ID"
"""The header in which a client names the newest event that it has read."""
RETRY_MILLISECONDS = 1000
"""Time after which a client connects again."""
LAST_EVENT_ID_PARAMETER = "lastEventId"
"""The query parameter for clients that cannot send the header; the header precedes it."""
MAX_VALUES = 100
"""Maximum number of values of one query parameter."""
_FORMAT = ErrorFormat.TOKEN
_FAREWELL_SECONDS = 1.0
"""Maximum time for the last event of a stream when the server ends."""


@strict_shape
class StreamQuery:
    """The query of a stream: the events that it has, and the position at which it begins."""

    type: Annotated[tuple[EventName, ...], Field(max_length=MAX_VALUES)] = ()
    """Types of event, such as `call.confirmed`, or subjects, such as `call`. Default: all."""
    account: Annotated[tuple[Address, ...], Field(max_length=MAX_VALUES)] = ()
    """Accounts that the events are about. Default: all that the caller may see."""
    session_id: Annotated[tuple[SessionId, ...], Field(max_length=MAX_VALUES)] = ()
    """Sessions that the events are about. Default: all."""
    last_event_id: EventPosition | None = None
    """Id of the newest event that the client has read, if it cannot send the header `Last-Event-ID`. Default: the next
    event is the first one."""

    @property
    def event_filter(self) -> EventFilter:
        """The events that the client asks for."""
        return EventFilter(
            types=frozenset(self.type), accounts=frozenset(self.account), sessions=frozenset(self.session_id)
        )


class EventStream:
    """The endpoint of the stream."""

    def __init__(
        self,
        feed: EventFeed,
        followers: Followers,
        authenticator: Authenticator,
        ports: Callable[[], Ports],
    ) -> None:
        self._feed = feed
        self._followers = followers
        self._authenticator = authenticator
        self._ports = ports

    def build_mount(self, origins: Origins) -> ASGIApp:
        """Build the application of the path; web pages of `origins` may call it."""
        return ErrorMiddleware(with_cors(self, origins, methods=["GET"]), partial(rest_error_response, _FORMAT))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope)
        async with AsyncExitStack() as stack:
            try:
                response = await self._response(request, stack)
            except WalletError as error:
                current_context().record_error(STREAM, error, error.status)
                response = rest_error_response(_FORMAT, error.status, error)
            await response(scope, receive, send)

    async def _response(self, request: Request, stack: AsyncExitStack) -> Response:
        allow = {"allow": "GET, HEAD, OPTIONS"}
        if request.url.path.rstrip("/") != EVENTS_PATH:
            error = InvalidRequest("path: expected one of those that GET /openapi.json lists", reason="no_such_path")
            return rest_error_response(_FORMAT, 404, error)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=allow)
        if request.method not in {"GET", "HEAD"}:
            error = InvalidRequest("verb: expected one of GET, HEAD, OPTIONS", reason="method_not_allowed")
            return rest_error_response(_FORMAT, 405, error, allow)
        follower = Follower(request.scope, self._authenticator.authenticate, self._ports)
        caller = await follower.authorize()
        await self._authenticator.enforce_rate_limit(1)
        query = read_query(request)
        current_context().record_success(STREAM)
        stack.enter_context(self._followers.join(caller))
        request.scope[ENDS_WITH_INPUT] = True  # else a client that left would be noticed after two heartbeats
        kind = FollowerKind.STREAM
        opening = self._feed.open_reader(caller.organization, after=query.last_event_id, kind=kind)
        reader = stack.enter_context(opening)
        return _StreamResponse(_iterate(reader, follower, query.event_filter), reader)


class _StreamResponse(EventSourceResponse):
    """A stream that shows its life by comments, and ends with the drain of the server."""

    def __init__(self, content: AsyncIterator[ServerSentEvent], reader: EventReader) -> None:
        super().__init__(
            content,
            sep="\n",
            ping=CHECK_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(comment="alive", id=reader.position),
            shutdown_grace_period=_FAREWELL_SECONDS,
        )
        self._reader = reader

    async def _listen_for_exit_signal(self) -> None:  # type: ignore[override]  # the library's own is static
        """Wait for the drain, then end the reader, which says so to its client.

        The library would ask uvicorn's signal handler, which this server does not use.
        """
        await current_drain().begun.wait()
        self._reader.close(SHUTTING_DOWN)


async def _iterate(
    reader: EventReader, follower: Follower, event_filter: EventFilter
) -> AsyncIterator[ServerSentEvent]:
    """Yield the events of a stream, and at last the reason of its end, if the server ends it."""
    clock = asyncio.get_running_loop().time
    next_check = clock() + CHECK_SECONDS
    is_first = True
    while True:
        try:
            if clock() >= next_check:
                await follower.authorize()
                next_check = clock() + CHECK_SECONDS
            batch = await reader.read(wait_seconds=0.0 if is_first else CHECK_SECONDS)
            if is_first:
                yield ServerSentEvent(comment="events", id=reader.start, retry=RETRY_MILLISECONDS)
                is_first = False
            if batch.gap is not None:
                yield _notice("trimmed", batch.gap, id_=batch.resumed_at)
            for each in batch.events:
                if await follower.sees(each.event, event_filter):
                    reader.count_sent()
                    yield ServerSentEvent(data=each.text, id=each.id)
        except WalletError as error:
            yield _notice("end", error.reason, message=error.message)
            return
        if batch.end is not None:
            yield _notice("end", batch.end)
            return


def _notice(kind: str, reason: str, *, id_: str | None = None, message: str | None = None) -> ServerSentEvent:
    """Build an event about the stream itself."""
    text = MESSAGES[reason] if message is None else message
    return ServerSentEvent(data=json.dumps({"reason": reason, "message": text}), event=kind, id=id_)


def read_query(request: Request) -> StreamQuery:
    """Read the query and the header. Raises: InvalidParams for what the stream does not know."""
    members: dict[str, Any] = {name: request.query_params.getlist(name) for name in request.query_params}
    if LAST_EVENT_ID_PARAMETER in members:
        members[LAST_EVENT_ID_PARAMETER] = members[LAST_EVENT_ID_PARAMETER][-1]
    header = request.headers.get(LAST_EVENT_ID)
    if header:
        members[LAST_EVENT_ID_PARAMETER] = header
    return wire.decode(StreamQuery, members, at="query")
