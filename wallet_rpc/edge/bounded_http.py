"""One connection, with bounds on all that a client can make the server hold or wait for.

A request that goes beyond is refused by the application, in the error format of its path: its scope says why under
`guard.REFUSED`.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from wallet_rpc.edge.connections import WAIT_SECONDS, Connections, Wait
from wallet_rpc.edge.exchange import Exchange, ResponseTransport
from wallet_rpc.edge.guard import REJECTION, HttpRejection
from wallet_rpc.edge.health import HEALTH_PATH
from wallet_rpc.edge.request_parser import BODY, CLOSE, HEAD, NONE, RequestParser
from wallet_rpc.errors import InvalidRequest, Unavailable

PIPELINED_REQUESTS = 100
"""How many requests of one connection may be parsed before the first of them is answered."""
UNREAD_BYTES = 1 << 20
"""How much of a refused request is received and dropped, so that its client can read the refusal."""


class _Flow(FlowControl):
    """Flow control that does not read on before the protocol has a use for input."""

    def __init__(self, protocol: BoundedHttpProtocol) -> None:
        super().__init__(protocol.transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        """Read on, where input is of use."""
        if self.read_paused and self._protocol.wants_input:
            super().resume_reading()


class BoundedHttpProtocol(RequestParser):
    """Tells `Connections` what the connection waits for, and runs the application for its requests."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], *, connections: Connections
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.wait: Wait | None = None
        self._connections = connections
        self.is_spare = False  # opened beyond the bound
        self._is_ending = False  # our side is closed
        self._has_client_ended = False
        self._dropped = 0

    # The transport

    def connection_made(self, transport: Any) -> None:
        """Begin, where there is room for another connection."""
        super().connection_made(transport)
        self.flow = _Flow(self)
        self._responses: Any = ResponseTransport(transport, self._end)
        self.is_spare = not self._connections.make_room()
        if self.is_spare and self._connections.is_full:
            self.abort()
        self._note()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and what refers back to it, so that no garbage collection has to."""
        super().connection_lost(exc)
        self._connections.note(self, None)
        self.flow = self.cycle = self._responses = None  # type: ignore[assignment]

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over."""
        self._connections.note(self, None)
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]  # as uvicorn's `connection_lost` has it

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it: uvicorn's gives none
        """Note that the client sends no more; True while it has an answer to come."""
        self._has_client_ended = True
        return self.is_busy and not self._is_ending

    def data_received(self, data: bytes) -> None:
        """Parse input, or hold it back, or drop it."""
        if self._is_ending:
            self._dropped += len(data)
            if self._dropped > UNREAD_BYTES:
                self.abort()
        elif self.drops_input:
            self.flow.pause_reading()
        elif self.is_busy:
            self.hold_input(data)
        else:
            self.parse(data)
            self._note()

    @property
    def wants_input(self) -> bool:
        """False while what comes would have to be held."""
        return self._is_ending or not (self.pending_input or self.drops_input)

    def pause_writing(self) -> None:
        """Note that the client does not read as fast as it is answered."""
        super().pause_writing()
        self._note()

    def resume_writing(self) -> None:
        """Note that the client has read."""
        super().resume_writing()
        self._note()

    def expire(self) -> None:
        """End a wait that took too long: a half head is answered, everything else is cut."""
        if self.part is HEAD and not self.drops_input and not self.flow.write_paused:
            text = f"head: expected within {WAIT_SECONDS[Wait.HEAD]:g} seconds, got a part of it"
            self.reject(HttpRejection(408, InvalidRequest(text, reason="head_too_slow"), CLOSE))
            self._note()
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _end(self) -> None:
        """Close after a response; where input is left unread, our side only, and drop the input for a while.

        Closing with unread input makes the kernel reset the connection, and the client may lose the response.
        """
        if self.transport.is_closing():
            return
        if self.part is NONE and not self.drops_input and not self.pending_input:
            self.transport.close()
        else:
            self.drops_input = self._is_ending = True
            self.transport.write_eof()
            self.flow.resume_reading()
        self._note()

    # What the connection waits for

    def _note(self) -> None:
        """Note what the connection waits for now; close it where its client will send nothing more."""
        if self.parser is None:
            return  # lost, or handed over
        wait: Wait | None
        if self.flow.write_paused:
            wait = Wait.READING
        elif self.is_busy:
            wait = None
        elif self._is_ending or self.transport.is_closing():
            wait = Wait.CLOSE
        elif self._has_client_ended:
            self.transport.close()
            wait = Wait.CLOSE
        elif self.part is BODY and self.cycle is not None:
            wait = Wait.REST if self.cycle.response_complete else Wait.BODY
        else:
            wait = Wait.HEAD if self.part is HEAD or self.cycle is None else Wait.NEXT
        self._connections.note(self, wait)

    # Requests and their responses

    def start(self) -> None:
        """Start the request whose head was parsed."""
        target = httptools.parse_url(self.url)
        raw_path = target.path or b"/"
        path = raw_path.decode("ascii")
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["raw_path"] = raw_path
        self.scope["query_string"] = target.query or b""
        self.scope["http_version"] = version = self.parser.get_http_version()
        if target.schema is not None:  # RFC 9112, 3.2.2: the target's authority counts, not the header field
            authority = re.split(rb"[/?]", self.url.partition(b"://")[2], maxsplit=1)[0].rpartition(b"@")[2]
            self.headers[:] = [field for field in self.headers if field[0] != b"host"] + [(b"host", authority)]
        if self.is_spare and path != HEALTH_PATH:
            error = Unavailable("the server has as many connections as it can serve; try again", reason="busy")
            self._note_rejection(HttpRejection(503, error, {**CLOSE, "retry-after": "1"}))
        may_stay = version != "1.0" and self.parser.should_keep_alive() and not self.is_spare
        self._run(keep_alive=may_stay and len(self.pipeline) + 1 < PIPELINED_REQUESTS)
        if len(self.pipeline) >= PIPELINED_REQUESTS:
            self.drops_input = self.is_full = True

    def reject(self, rejection: HttpRejection) -> None:
        """Refuse the request that the parser is in, and read no other."""
        self.drops_input = True
        if self.part is not BODY or self.cycle is None:
            self._answer_head(rejection)
        elif self.cycle.response_complete:
            self._end()
        else:
            self.cycle.reject_body(rejection)

    def _answer_head(self, rejection: HttpRejection) -> None:
        if self.part is NONE:
            self.on_message_begin()
        path = self.url.partition(b"?")[0].decode("latin-1")
        self.scope["method"] = self.parser.get_method().decode("ascii") if self.url else ""
        self.scope["path"] = path if path.startswith("/") else "/"
        self.scope["query_string"] = b""
        self._note_rejection(rejection)
        self._run(keep_alive=False).end_request()

    def _note_rejection(self, rejection: HttpRejection) -> None:
        cast("dict[str, Any]", self.scope)[REJECTION] = rejection

    def _run(self, *, keep_alive: bool) -> Exchange:
        """Run the application for a request, or queue it behind those that are not answered."""
        is_busy, expects = self.is_busy, self.expect_100_continue and self.scope["http_version"] != "1.0"
        self.cycle = made = Exchange(
            scope=self.scope,
            transport=self._responses,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects,
            keep_alive=keep_alive and not expects,
            on_response=self.on_response_complete,
        )
        made.is_kept_after_continue = keep_alive and expects
        if is_busy:
            self.pipeline.appendleft((made, self.app))
        else:
            self._start_asgi_task(made, self.app)
        return made

    def on_response_complete(self) -> None:
        """Go on with the next request, if it was received already."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing() and not self._is_ending:
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            elif self.pending_input:
                pending_input, self.pending_input = self.pending_input, b""
                self.parse(pending_input)
            self.flow.resume_reading()
        self._note()
