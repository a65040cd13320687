"""One HTTP connection, with limits on the input that it buffers and on the time that it waits for its client.

The application rejects a request beyond a limit, in the error format of its path. The scope holds the rejection under
`guard.REJECTION`.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from wallet_rpc.edge.bounded_websocket import BoundedWebSocketProtocol
from wallet_rpc.edge.connections import BUFFER_BYTES, WAIT_SECONDS, Connections, Wait
from wallet_rpc.edge.drain import Drain
from wallet_rpc.edge.exchange import Exchange, ResponseTransport
from wallet_rpc.edge.guard import ENDS_WITH_INPUT, REJECTION, HttpRejection
from wallet_rpc.edge.health import HEALTH_PATH
from wallet_rpc.edge.request_parser import BODY, CLOSE, HEAD, NONE, RequestParser
from wallet_rpc.errors import InvalidRequest, Unavailable

PIPELINED_REQUESTS = 100
"""The maximum number of requests of one connection that are parsed before the first of them is answered."""
UNREAD_BYTES = 1 << 20
"""The maximum number of bytes of a rejected request that are received and dropped, so that its client can read the
response."""


class _Flow(FlowControl):
    """Flow control that resumes reading only when the protocol can process input."""

    def __init__(self, protocol: BoundedHttpProtocol) -> None:
        super().__init__(protocol.transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        """Resume reading if the protocol can process input."""
        if self.read_paused and self._protocol.wants_input:
            super().resume_reading()


class BoundedHttpProtocol(RequestParser):
    """An HTTP protocol that runs the application and reports its waits to `Connections`."""

    def __init__(self, config: Config, server_state: ServerState, *, connections: Connections, drain: Drain) -> None:
        super().__init__(config, server_state, app_state={})
        websocket = partial(BoundedWebSocketProtocol, connections=connections, drain=drain)
        self.ws_protocol_class = cast("type[asyncio.Protocol]", websocket)
        self.wait: Wait | None = None
        self._connections = connections
        self._drain = drain
        self._running: Exchange | None = None
        self.is_spare = False  # opened beyond the limit
        self._is_ending = False  # the server's side is closed
        self._has_client_ended = False
        self._dropped = 0

    # The transport

    def connection_made(self, transport: Any) -> None:
        """Open the connection if the limits allow one more."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self.flow = _Flow(self)
        self._responses: Any = ResponseTransport(transport, self._end)
        self.is_spare = not self._connections.make_room()
        if self.is_spare and self._connections.is_full:
            self.abort()
        self._update_wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the connection and its reference cycles, so that the garbage collector need not find them."""
        if self._running is not None:
            self._running.disconnected = True  # uvicorn knows only the last of several pipelined requests
            self._running = None
        super().connection_lost(exc)
        self._connections.note(self, None)
        self.flow = self.cycle = self._responses = None  # type: ignore[assignment]  # unused from here on

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol."""
        self._connections.note(self, None)
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]  # as uvicorn's `connection_lost` has it

    def _should_upgrade_to_ws(self) -> bool:
        """Return True if the connection may become a WebSocket: neither a spare one nor one of a server that ends."""
        return not self.is_spare and not self._drain.is_draining

    def eof_received(self) -> bool:  # type: ignore[override]  # as in asyncio; uvicorn's returns None
        """Record that the client sends no more input; True while a response is pending, unless it is endless."""
        self._has_client_ended = True
        if self._running is not None and ENDS_WITH_INPUT in self._running.scope:
            return False
        return self.is_busy and not self._is_ending

    def data_received(self, data: bytes) -> None:
        """Parse input, buffer it or drop it."""
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
            self._update_wait()

    @property
    def wants_input(self) -> bool:
        """True unless new input would have to be buffered."""
        return self._is_ending or not (self.pending_input or self.drops_input)

    def pause_writing(self) -> None:
        """Record that the client reads its responses too slowly."""
        super().pause_writing()
        self._update_wait()

    def resume_writing(self) -> None:
        """Record that the client has read its responses."""
        super().resume_writing()
        self._update_wait()

    @property
    def unsent_bytes(self) -> int:
        """The number of bytes of responses that are not sent yet."""
        return int(self.transport.get_write_buffer_size())

    def expire(self) -> None:
        """End a wait that took too long: reject an incomplete head or body, else close the connection."""
        is_answered = self.cycle is not None and self.cycle.response_complete
        if self.drops_input or self.flow.write_paused or self.part is NONE or (self.part is BODY and is_answered):
            self.abort()
            return
        name, wait = ("head", Wait.HEAD) if self.part is HEAD else ("body", Wait.BODY)
        text = f"{name}: expected within {WAIT_SECONDS[wait]:g} seconds, got a part of it"
        self.reject(HttpRejection(408, InvalidRequest(text, reason=f"{name}_too_slow"), CLOSE))
        self._update_wait()

    def abort(self) -> None:
        """Close the connection immediately."""
        self.transport.abort()

    def shutdown(self) -> None:
        """Close the connection, after the response if a request has begun."""
        if self.cycle is not None:
            self.cycle.keep_alive = self.cycle.is_kept_after_continue = False
        if self.wait in {Wait.NEXT, Wait.REST} or (self.wait is Wait.HEAD and self.part is NONE):
            self._end()

    def _end(self) -> None:
        """Close the connection after a response.

        With unread input, close only the server's side and drop input for some time. Otherwise the kernel would reset
        the connection, and the client might lose the response.
        """
        if self.transport.is_closing():
            return
        if self.part is NONE and not self.drops_input and not self.pending_input:
            self.transport.close()
        else:
            self.drops_input = self._is_ending = True
            self.transport.write_eof()
            self.flow.resume_reading()
        self._update_wait()

    # The wait of the connection

    def _update_wait(self) -> None:
        """Report the current wait; close the connection if its client sends nothing more."""
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
            self._set_rejection(HttpRejection(503, error, {**CLOSE, "retry-after": "1"}))
        may_stay = version != "1.0" and self.parser.should_keep_alive()
        may_stay = may_stay and not self.is_spare and not self._drain.is_draining
        self._run(keep_alive=may_stay and len(self.pipeline) + 1 < PIPELINED_REQUESTS)
        if len(self.pipeline) >= PIPELINED_REQUESTS:
            self.drops_input = self.is_full = True

    def reject(self, rejection: HttpRejection) -> None:
        """Reject the current request and read no further one."""
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
        self._set_rejection(rejection)
        self._run(keep_alive=False).end_request()

    def _set_rejection(self, rejection: HttpRejection) -> None:
        cast("dict[str, Any]", self.scope)[REJECTION] = rejection

    def _run(self, *, keep_alive: bool) -> Exchange:
        """Run the application for a request, or queue the request behind pending ones."""
        is_busy = self.is_busy
        expects_continue = self.expect_100_continue and self.scope["http_version"] != "1.0"
        self.cycle = exchange = Exchange(
            scope=self.scope,
            transport=self._responses,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects_continue,
            keep_alive=keep_alive and not expects_continue,
            on_response=self.on_response_complete,
        )
        exchange.drain = self._drain
        exchange.is_kept_after_continue = keep_alive and expects_continue
        if is_busy:
            self.pipeline.appendleft((exchange, self.app))
        else:
            self._start_asgi_task(exchange, self.app)
        return exchange

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cast("Exchange", cycle)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Continue with the next request, if it was received already."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing() and not self._is_ending:
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            elif self.pending_input:
                pending_input = self.pending_input
                self.pending_input = b""
                self.parse(pending_input)
            self.flow.resume_reading()
        self._update_wait()
