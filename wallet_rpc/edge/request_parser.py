"""What a connection's input means: heads within bounds, bodies, and nothing of `Upgrade` but WebSocket handshakes.

Written for uvicorn 0.54 and httptools 0.9 (llhttp 9), which bounds nothing itself and keeps a half header field until
it is whole. Tests: tests/edge/test_request_heads.py.
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
"""How long a request's head may be, from its first byte to the empty line; also chunk extensions and trailers."""
TARGET_BYTES = 8 << 10
"""How long the request target (path and query, or URL) may be."""
HEADER_FIELDS = 128
"""How many header fields a request may have: each costs memory beyond its bytes."""

CLOSE = {"connection": "close"}
"""The header of a refusal after which nothing more is read."""
_LINE_BYTES = len(b"  HTTP/1.1\r\n\r\n")
"""What a head has beside method, target and fields."""
_FIELD_BYTES = len(b": \r\n")
"""What a header field has beside name and value, as clients write them."""


class Part(enum.Enum):
    """The part of a request that the parser is in."""

    NONE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


NONE, HEAD, BODY = Part  # looked at for each header field: a member of a class takes twice as long to find


class _DiscardingList(list[tuple[bytes, bytes]]):
    """The place of trailers: they are no header fields of the request, which has begun, and are not kept."""

    def append(self, _: tuple[bytes, bytes], /) -> None:
        """Forget the field."""


_DISCARDED = _DiscardingList()


class RequestParser(HttpToolsProtocol):
    """Feeds input to httptools in pieces of which none can exceed a bound.

    Input that follows a whole request is held back, unparsed, until that request is answered.
    """

    cycle: Exchange | None  # type: ignore[assignment]  # none before the first request

    part = NONE
    pending_input = b""
    """Input behind a request that is not answered yet."""
    drops_input = False
    """True: what still comes is dropped."""
    is_full = False
    """True: so many requests are unanswered that no other one is begun."""
    _unfinished = 0
    """Bytes since the head began, or since the last progress within the body."""
    _is_estimated = False
    """True: the head began within a piece of input, so that its bytes are not counted but estimated by its fields."""

    @property
    def is_busy(self) -> bool:
        """True while a whole request is unanswered."""
        cycle = self.cycle
        return (cycle is not None and not cycle.more_body and not cycle.response_complete) or len(self.pipeline) > 0

    def start(self) -> None:
        """Start the request whose head was parsed."""
        raise NotImplementedError

    def reject(self, rejection: HttpRejection) -> None:
        """Refuse the request that the parser is in, and read no other."""
        raise NotImplementedError

    def hold_input(self, data: bytes) -> None:
        """Keep input for later, and read no more until then."""
        self.pending_input += data
        self.flow.pause_reading()

    def parse(self, data: bytes) -> None:
        """Parse input; not while a request is unanswered."""
        while data and not self.drops_input:
            room = HEAD_BYTES - self._unfinished
            piece, data = (data, b"") if len(data) <= room else (data[:room], data[room:])
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
        """Begin a request. Raises: EOFError where there are too many already, so that the parser ends here."""
        if self.is_full:
            raise EOFError
        super().on_message_begin()
        self.part = HEAD

    def on_url(self, url: bytes) -> None:
        """Take a part of the target. Raises: Refused when it is too long."""
        self.url += url
        if len(self.url) > TARGET_BYTES:
            text = f"target: expected at most {TARGET_BYTES} bytes of path and query, got more"
            raise HttpRejection(414, InvalidRequest(text, reason="target_too_long"), CLOSE)

    def on_headers_complete(self) -> None:
        """Start the request, unless `parse` has to look at its `Upgrade` first. Raises: Refused."""
        if len(self.headers) > HEADER_FIELDS:
            raise _too_many_fields()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        if self._is_estimated and self._estimated_bytes() > HEAD_BYTES:
            raise _head_too_large()
        if self.scope["method"] == "CONNECT":
            _refuse_tunnel()
        if not self.parser.should_upgrade():
            self._unfinished, self.part = 0, BODY
            self.start()
            self.headers = _DISCARDED

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; nobody reads on where it was answered already."""
        self._unfinished = 0
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End the request."""
        self._unfinished, self._is_estimated = 0, True
        if self.part is BODY:
            self.part = NONE
            if self.cycle is not None and not self.cycle.response_complete:
                self.cycle.end_request()

    def _head_without_upgrade(self) -> bytes:
        """The head of a request with `Upgrade`, to be parsed again without it; none for a WebSocket handshake.

        httptools skips the body of a request with `Upgrade` (Java's HttpClient sends `Upgrade: h2c` with each).
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
        is_asked = self.scope["method"] == "GET" and self._get_upgrade() == b"websocket" and not has_body
        return is_asked and not self.is_busy and self._should_upgrade_to_ws()

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


def _refuse_tunnel() -> NoReturn:
    error = InvalidRequest("verb: expected POST, got CONNECT: this is no proxy", reason="method_not_allowed")
    raise HttpRejection(405, error, {**CLOSE, "allow": "GET, HEAD, POST, OPTIONS"})
