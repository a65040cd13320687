"""One request and its response on a connection: uvicorn's request-response cycle with rejection of the body."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from wallet_rpc.edge.connections import ConnectionCut
from wallet_rpc.edge.drain import Drain, set_current_drain
from wallet_rpc.edge.guard import HttpRejection

_COPIED_BYTES = 1 << 14
"""The maximum size of the part of a body that is copied behind its head."""


class ResponseTransport:
    """The transport for responses: it writes the head of a response together with the first part of its body.

    It closes the connection with the given function, which may still receive and drop input.
    """

    __slots__ = ("_close", "_head", "_write", "abort", "holds", "is_closing")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._write = transport.write
        self._close = close
        self._head = b""
        self.is_closing = transport.is_closing
        self.abort = transport.abort
        self.holds = False
        """True while the head of a response is written."""

    def write(self, data: bytes) -> None:
        """Write data, or hold it as the head of a response."""
        if self.holds:
            self._head = data
            return
        if len(data) > _COPIED_BYTES:
            self.flush()
        self._write(self._head + data if self._head else data)
        self._head = b""

    def flush(self) -> None:
        """Write a head that was held."""
        if self._head:
            self._write(self._head)
            self._head = b""

    def close(self) -> None:
        """Close the connection."""
        self.holds = False
        self.flush()
        self._close()


class Exchange(RequestResponseCycle):
    """A request, its response, and the rejection of the rest of its body, if any."""

    drain: Drain
    """The drain of the server."""
    body_error: HttpRejection | None = None
    """The rejection of a malformed body."""
    is_kept_after_continue: bool = False
    """True if the connection is kept alive after `100 Continue` was sent (`Expect: 100-continue`).

    Before that the client may or may not send its body, so a response closes the connection (RFC 9110, 10.1.1).
    """

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Run the application within the drain of the server, which may cancel it."""

        async def run(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                if not self.drain.requests.have_ended:
                    raise
                self.disconnected = True  # the server has closed the connection: no response, and no error in the log
            except ConnectionCut:
                self.disconnected = True
                cast("ResponseTransport", self.transport).abort()

        set_current_drain(self.drain)
        await super().run_asgi(run)

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the response."""
        responses = cast("ResponseTransport", self.transport)
        responses.holds = message["type"] == "http.response.start"
        await super().send(message)
        if not responses.holds:
            responses.flush()

    def end_request(self) -> None:
        """Record that the request is complete."""
        self.more_body = False
        self.message_event.set()

    def reject_body(self, rejection: HttpRejection) -> None:
        """Reject the rest of the body: reading it raises `rejection`, and the connection closes after the response."""
        self.body_error = rejection
        self.keep_alive = False
        self.message_event.set()

    async def receive(self) -> ASGIReceiveEvent:
        """Receive a part of the body, or the end of the connection. Raises: HttpRejection for a malformed body."""
        if self.is_kept_after_continue and self.waiting_for_100_continue:
            self.keep_alive = True
            self.is_kept_after_continue = False
        message = await super().receive()
        if self.body_error is not None:
            raise self.body_error
        return message
