"""What stands before a door: size and pace of a body, and the last resort when HTTP code itself breaks.

The rule: a refusal has an HTTP status of its own and still bears a JSON-RPC error, so that clients can show it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet_rpc.edge import envelope, observe
from wallet_rpc.errors import InvalidRequest, WalletError

BODY_BYTES = 1 << 20
"""How large a body may be: 1 MiB, as the public bundlers have it."""
BODY_SECONDS = 10.0
"""How long a body may take to arrive."""

_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that no cache may keep."""
    made = Response(body, status, media_type="application/json", headers=headers)
    made.headers["cache-control"] = "no-store"
    return made


def refusal(status: int, error: WalletError, headers: Mapping[str, str] | None = None) -> Response:
    """An HTTP refusal, told as a JSON-RPC error whose id is null."""
    return json_response(envelope.written(envelope.failure(error, None)), status, headers)


class BodyLimit:
    """Reads the whole body before the app sees any of it: refuses with 413 what is too large, with 408 what is slow.

    A body without a length (chunked) is counted as it arrives and dropped when it is too large.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int = BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if _DIGITS.fullmatch(length) and int(length) > self._most_bytes:
            await self._too_large()(scope, receive, send)
            return
        body = await self._read(receive)
        if isinstance(body, Response):
            await body(scope, receive, send)
        elif body is not None:  # else the client hung up, and there is nobody to answer
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | Response | None:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._whole(receive)
        except TimeoutError:
            text = f"body: expected within {self._seconds:g} seconds, got a part of it"
            return refusal(408, InvalidRequest(text, reason="body_too_slow"), {"connection": "close"})

    async def _whole(self, receive: Receive) -> bytes | Response | None:
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._most_bytes:
                return self._too_large()
            more = message.get("more_body", False)
        return b"".join(parts)

    def _too_large(self) -> Response:
        return refusal(413, InvalidRequest(f"body: expected at most {self._most_bytes} bytes", reason="body_too_large"))


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body in one piece, and after it what the connection gives."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


class LastResort:
    """Answers an exception of the HTTP code itself as an incident with status 500; none of it reaches the caller."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as raised:  # the door of the doors
            error = observe.incident(raised)
            if started:
                raise  # half an answer is out: only the server can cut the connection
            await refusal(500, error)(scope, receive, send)
