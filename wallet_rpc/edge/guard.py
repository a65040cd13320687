"""What stands before a door: kind, size and pace of a body, and the last resort when HTTP code itself breaks.

The rule: who refuses a request says what is wrong; how that is told is the side's whose path was asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import aclosing
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet_rpc.edge import observe
from wallet_rpc.errors import InvalidRequest, WalletError
from wallet_rpc.primitives import preview

MAX_BODY_BYTES = 1 << 20
"""How large a body may be: 1 MiB, as the public bundlers have it."""
BODY_SECONDS = 10.0
"""How long a body may take to arrive."""

REJECTION = "wallet_rpc.refused"
"""The key of a scope whose request is refused before its path is looked up; the value is a `Refused`."""

_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)


class ErrorResponder(Protocol):
    """Writes a refusal in the dialect of one side."""

    def __call__(self, status: int, error: WalletError, headers: Mapping[str, str] | None = None) -> Response:
        """The whole answer."""


class HttpRejection(Exception):
    """What HTTP itself refuses: a status of its own, what is wrong, and headers that go with it."""

    def __init__(self, status: int, error: WalletError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that no cache may keep."""
    made = Response(body, status, media_type="application/json", headers=headers)
    made.headers["cache-control"] = "no-store"
    return made


def require_json(request: Request, kinds: frozenset[str]) -> None:
    """Let in a body that is plain JSON in UTF-8 by one of its `kinds`; a body without a type is taken for JSON.

    Not from a web page: a page of any origin may send a body without a type, or of a few other types, unasked. With a
    type of JSON its browser asks first (CORS preflight).

    Raises: Refused with 415.
    """
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed != "identity":
        raise _unsupported_media_type(
            f"content-encoding: expected none, got {preview(packed)}", {"accept-encoding": "identity"}
        )
    given = request.headers.get("content-type")
    is_from_page = "origin" in request.headers
    if (given is not None or is_from_page) and not _is_json(given or "", kinds):
        text = f"content-type: expected application/json, got {'nothing' if given is None else preview(given)}"
        raise _unsupported_media_type(text, {"accept-post": "application/json"})


def _unsupported_media_type(text: str, headers: Mapping[str, str]) -> HttpRejection:
    return HttpRejection(415, InvalidRequest(text, reason="unsupported_media_type"), headers)


def _is_json(content_type: str, kinds: frozenset[str]) -> bool:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [
        value.strip('" ') for name, _, value in (item.partition("=") for item in parameters) if name == "charset"
    ]
    return kind in kinds and all(charset in {"utf-8", "utf8"} for charset in charsets)


async def read_request_body(
    request: Request, *, max_bytes: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS
) -> bytes:
    """The body. One without a length (chunked) is counted as it arrives and dropped when it is too large.

    Raises: Refused with 413 when it is too large, with 408 when it is slow; ClientDisconnect when the client hung up.
    """
    length = request.headers.get("content-length", "")
    if _DIGITS.fullmatch(length) and int(length) > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(seconds):
            return await _read_within(request, max_bytes)
    except TimeoutError:
        text = f"body: expected within {seconds:g} seconds, got a part of it"
        raise HttpRejection(408, InvalidRequest(text, reason="body_too_slow"), {"connection": "close"}) from None


async def _read_within(request: Request, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async with aclosing(request.stream()) as arriving:
        async for part in arriving:
            parts.append(part)
            size += len(part)
            if size > max_bytes:
                raise _too_large(max_bytes)
    return b"".join(parts)


def _too_large(max_bytes: int) -> HttpRejection:
    return HttpRejection(413, InvalidRequest(f"body: expected at most {max_bytes} bytes", reason="body_too_large"))


class ErrorMiddleware:
    """Answers an exception of the HTTP code itself as an incident with status 500; none of it reaches the caller.

    A request that is refused already (`REFUSED` in its scope) is answered so, in the error format of this side.
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
            refused: HttpRejection = scope[REJECTION]
            await self._error_responder(refused.status, refused.error, refused.headers)(scope, receive, send)
            return
        started = False

        async def send_and_track(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_track)
        except ClientDisconnect:
            pass  # there is nobody to answer
        except Exception as raised:  # the door of the doors
            error = observe.log_incident(raised)
            if started:
                raise  # half an answer is out: only the server can cut the connection
            await self._error_responder(500, error)(scope, receive, send)
