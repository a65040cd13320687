"""One request and its response on a connection: uvicorn's cycle, with what a bounded connection adds to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from wallet_rpc.edge.guard import HttpRejection


class ResponseTransport:
    """A connection's transport as its responses see it: closing is left to `close`, which may still drop input."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


class Exchange(RequestResponseCycle):
    """A request, its response, and the reason why the rest of its body cannot be read."""

    body_error: HttpRejection | None = None
    """The refusal of a body that turned out to be malformed."""
    is_kept_after_continue: bool = False
    """True: the connection is kept once the client was told to send its body (`Expect: 100-continue`).

    Until then nobody knows whether it will, so a response that comes first closes the connection (RFC 9110, 10.1.1).
    """

    def end_request(self) -> None:
        """Note that no more of the request is to come."""
        self.more_body = False
        self.message_event.set()

    def reject_body(self, rejection: HttpRejection) -> None:
        """Refuse the rest of the body: whoever reads it raises `refused`, and the connection is closed then."""
        self.body_error, self.keep_alive = rejection, False
        self.message_event.set()

    async def receive(self) -> ASGIReceiveEvent:
        """A part of the body, or the end of the connection. Raises: Refused for a malformed body."""
        if self.is_kept_after_continue and self.waiting_for_100_continue:
            self.keep_alive, self.is_kept_after_continue = True, False
        message = await super().receive()
        if self.body_error is not None:
            raise self.body_error
        return message
