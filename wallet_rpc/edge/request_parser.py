"""Parser of a connection's input: heads within limits, bodies, and WebSocket handshakes; other `Upgrade` is ignored.

Written for uvicorn 0.54 and httptools 0.9 (llhttp 9), which has no limits itself and buffers a header field until it is
complete. Tests: tests/edge/test_request_heads.py.
"""

from __future__ import annotations

import enum
from typing import NoReturn

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wallet_rpc.edge.exchange import Exchange
from wallet_rpc.edge.guard import HttpRejection
from wallet_rpc.errors import InvalidRequest

HEAD_BYTES = 32 << 10
"""The maximum size of a head, from its first byte to the empty line; also of chunk extensions and trailers."""
TARGET_BYTES = 8 << 10
"""The maximum size of the request target (path and query, or URL)."""
HEADER_FIELDS = 128
"""The maximum number of header fields, since each costs memory beyond its bytes."""

CLOSE = {"connection": "close"}
"""The header of a rejection after which no further input is read."""
_LINE_BYTES = len(b"  HTTP/1.1\r\n\r\n")
"""The size of a head without method, target and header fields."""
_FIELD_BYTES = len(b": \r\n")
"""The size of a header field without name and value, as clients write it."""


class Part(enum.Enum):
    """The part of a request that is being parsed."""

    NONE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


NONE, HEAD, BODY = Part  # read for each header field; `Part.HEAD` would take twice as long


class _DiscardingList(list[tuple[bytes, bytes]]):
    """A list that discards trailers, which arrive after the request was started."""

    def append(self, _: tuple[bytes, bytes], /) -> None:
        """Discard the field."""


_DISCARDED = _DiscardingList()


class RequestParser(HttpToolsProtocol):
    """Feeds input to httptools in pieces, so that no piece can exceed a limit.

    Input after a complete request is buffered, unparsed, until that request is answered.
    """

    cycle: Exchange | None  # type: ignore[assignment]  # none before the first request

    part = NONE
    pending_input = b""
    """Input after a request that is not answered yet."""
    drops_input = False
    """True if further input is dropped."""
    is_full = False
    """True if no further request is started because of the number of pending ones."""
    _unfinished = 0
    """The number of bytes since the start of the head, or since the last progress within the body."""
    _is_estimated = False
    """True if the head began within a piece of input, so that its size is estimated from its fields."""

    @property
    def is_busy(self) -> bool:
        """True while a complete request is pending."""
        cycle = self.cycle
        return (cycle is not None and not cycle.more_body and not cycle.response_complete) or len(self.pipeline) > 0

    def start(self) -> None:
        """Start the request whose head was parsed."""
        raise NotImplementedError

    def reject(self, rejection: HttpRejection) -> None:
        """Reject the current request and read no further one."""
        raise NotImplementedError

    def hold_input(self, data: bytes) -> None:
        """Buffer input and pause reading."""
        self.pending_input += data
        self.flow.pause_reading()

    def parse(self, data: bytes) -> None:
        """Parse input; must not be called while a request is pending."""
        while data and not self.drops_input:
            room = HEAD_BYTES - self._unfinished
            piece = data[:room]
            data = data[room:]
            self._unfinished += len(piece)
            if self.part is NONE:
                self._is_estimated = False
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_without_upgrade() + piece[upgrade.args[0] :] + data
            except httptools.HttpParserError as error:
                cause = error.__context__
                if not self.drops_input:
                    self.reject(cause if isinstance(cause, HttpRejection) else _malformed_http("HTTP/1.1"))
            else:
                if self._unfinished >= HEAD_BYTES:
                    self.reject(_head_too_large() if self.part is HEAD else _malformed_http(_SHORT_FRAMING))
                elif self.part is HEAD and len(self.headers) > HEADER_FIELDS:
                    self.reject(_too_many_fields())

    def on_message_begin(self) -> None:
        """Begin a request. Raises: EOFError to stop the parser when too many are pending."""
        if self.is_full:
            raise EOFError
        super().on_message_begin()
        self.part = HEAD

    def on_url(self, url: bytes) -> None:
        """Add a part of the target. Raises: HttpRejection when it is too long."""
        self.url += url
        if len(self.url) > TARGET_BYTES:
            text = f"target: expected at most {TARGET_BYTES} bytes of path and query, got more"
            raise HttpRejection(414, InvalidRequest(text, reason="target_too_long"), CLOSE)

    def on_headers_complete(self) -> None:
        """Start the request, unless `parse` must handle its `Upgrade` first. Raises: HttpRejection."""
        if len(self.headers) > HEADER_FIELDS:
            raise _too_many_fields()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        if self._is_estimated and self._estimated_bytes() > HEAD_BYTES:
            raise _head_too_large()
        if self.scope["method"] == "CONNECT":
            _reject_tunnel()
        if not self.parser.should_upgrade():
            self._unfinished = 0
            self.part = BODY
            self.start()
            self.headers = _DISCARDED

    def on_body(self, body: bytes) -> None:
        """Add a part of the body; it is dropped if the request is already answered."""
        self._unfinished = 0
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End the request."""
        self._unfinished = 0
        self._is_estimated = True
        if self.part is BODY:
            self.part = NONE
            if self.cycle is not None and not self.cycle.response_complete:
                self.cycle.end_request()

    def _head_without_upgrade(self) -> bytes:
        """Return the head without `Upgrade`, to be parsed again; empty for a WebSocket handshake, which is handed over.

        httptools skips the body of a request with `Upgrade`, and Java's HttpClient sends `Upgrade: h2c` with each.
        """
        if self._is_websocket_handshake():
            self.drops_input = True
            self.handle_websocket_upgrade()
            return b""
        version: str = self.parser.get_http_version()
        lines = [b"%s %s HTTP/%s" % (self.scope["method"].encode(), self.url, version.encode())]
        lines += [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        self.part = NONE
        return b"\r\n".join([*lines, b"", b""])

    def _is_websocket_handshake(self) -> bool:
        fields = dict(self.headers)
        has_body = fields.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in fields
        is_handshake = self.scope["method"] == "GET" and self._get_upgrade() == b"websocket" and not has_body
        return is_handshake and not self.is_busy and self._should_upgrade_to_ws()

    def _estimated_bytes(self) -> int:
        fields = sum(len(name) + len(value) + _FIELD_BYTES for name, value in self.headers)
        return len(self.scope["method"]) + len(self.url) + _LINE_BYTES + fields


_SHORT_FRAMING = f"at most {HEAD_BYTES} bytes of chunk extensions or trailers"


def _malformed_http(expected: str) -> HttpRejection:
    return HttpRejection(400, InvalidRequest(f"request: expected {expected}", reason="malformed_http"), CLOSE)


def _head_too_large() -> HttpRejection:
    text = f"head: expected at most {HEAD_BYTES} bytes, got more"
    return HttpRejection(431, InvalidRequest(text, reason="head_too_large"), CLOSE)


def _too_many_fields() -> HttpRejection:
    text = f"head: expected at most {HEADER_FIELDS} header fields, got more"
    return HttpRejection(431, InvalidRequest(text, reason="head_too_large"), CLOSE)


def _reject_tunnel() -> NoReturn:
    text = "verb: expected POST, got CONNECT; this server is not a proxy"
    error = InvalidRequest(text, reason="method_not_allowed")
    raise HttpRejection(405, error, {**CLOSE, "allow": "GET, HEAD, POST, OPTIONS"})
