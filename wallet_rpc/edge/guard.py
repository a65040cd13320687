"""Request body checks (content type, size, arrival time) and a catch-all that turns unhandled exceptions into a 500.

A rejection carries the error; the error format of the requested path decides how it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet_rpc.edge import observe
from wallet_rpc.edge.drain import CUT_TEXT, current_drain
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.errors import InvalidRequest, ShuttingDown, WalletError
from wallet_rpc.primitives import preview

MAX_BODY_BYTES = 1 << 20
"""The maximum size of a body: 1 MiB, as for public bundlers."""

REJECTION = "wallet_rpc.rejection"
"""The scope key of an `HttpRejection` for a request that is rejected before its path is looked up."""

ENDS_WITH_INPUT = "wallet_rpc.ends_with_input"
"""The scope key of a request whose endless response ends when its client closes its side of the connection."""

_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)


class ErrorResponder(Protocol):
    """Builds the response of an error in the error format of one mount."""

    def __call__(self, status: int, error: WalletError, headers: Mapping[str, str] | None = None) -> Response:
        """Build the response."""


class HttpRejection(Exception):
    """A rejection at the HTTP level: a status, the error, and response headers."""

    def __init__(self, status: int, error: WalletError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers


class JsonResponse(Response):
    """A JSON response that must not be cached."""

    def __init__(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _JSON_TYPE, _NO_STORE]
        if headers is not None:
            self.raw_headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


_JSON_TYPE = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")


def require_json(fields: HeaderFields, media_types: frozenset[str]) -> None:
    """Check that the body is declared as JSON in UTF-8; a body without a content type counts as JSON.

    A web page must declare the type: a browser sends a body without a type, or of some other types, to any origin. For
    a JSON type it sends a CORS preflight first.

    Raises: HttpRejection with status 415.
    """
    encoding = fields.get(b"content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise _unsupported_media_type(
            f"content-encoding: expected none, got {preview(encoding)}", {"accept-encoding": "identity"}
        )
    has_type = b"content-type" in fields
    content_type = fields.get(b"content-type")
    if (has_type or b"origin" in fields) and not _is_json(content_type, media_types):
        received = preview(content_type) if has_type else "nothing"
        text = f"content-type: expected application/json, got {received}"
        raise _unsupported_media_type(text, {"accept-post": "application/json"})


def _unsupported_media_type(text: str, headers: Mapping[str, str]) -> HttpRejection:
    return HttpRejection(415, InvalidRequest(text, reason="unsupported_media_type"), headers)


def _is_json(content_type: str, media_types: frozenset[str]) -> bool:
    if content_type in media_types:
        return True
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [
        value.strip('" ') for name, _, value in (item.partition("=") for item in parameters) if name == "charset"
    ]
    return media_type in media_types and all(charset in {"utf-8", "utf8"} for charset in charsets)


async def read_request_body(scope: Scope, receive: Receive, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Read the body. The length of a chunked body is counted as it arrives, and a body that is too large is dropped.

    Raises: HttpRejection with 413 for a body that is too large, or the connection's for one that is malformed or too
    slow; ClientDisconnect.
    """
    length = HeaderFields.of(scope).get(b"content-length")
    if _DIGITS.fullmatch(length) and int(length) > max_bytes:
        raise _too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise _too_large(max_bytes)
        has_more = message.get("more_body", False)
    return b"".join(parts)


def _too_large(max_bytes: int) -> HttpRejection:
    return HttpRejection(413, InvalidRequest(f"body: expected at most {max_bytes} bytes", reason="body_too_large"))


class ErrorMiddleware:
    """Middleware that turns an unhandled exception into an incident with status 500, without details of the exception.

    A request whose response has not started when the server's drain ends is cut with status 503.

    A request that is already rejected (`REJECTION` in its scope) gets that response in the error format of this mount.
    """

    def __init__(self, app: ASGIApp, error_responder: ErrorResponder) -> None:
        self._app = app
        self._error_responder = error_responder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if REJECTION in scope:
            rejection: HttpRejection = scope[REJECTION]
            await self._error_responder(rejection.status, rejection.error, rejection.headers)(scope, receive, send)
            return
        started = False
        limit = current_drain().requests.limit()

        async def send_and_track(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                limit.release()
            await send(message)

        try:
            with limit:
                await self._app(scope, receive, send_and_track)
        except ClientDisconnect:
            pass  # no client is left to respond to
        except Exception as raised:  # the outermost exception handler
            if limit.has_expired:
                await self._error_responder(ShuttingDown.status, ShuttingDown(CUT_TEXT))(scope, receive, send)
                return
            error = observe.log_incident(raised)
            if started:
                raise  # a part of the response is sent: only the server can close the connection
            await self._error_responder(500, error)(scope, receive, send)
