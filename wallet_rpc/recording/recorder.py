"""The recording proxy: it passes requests to the server, and writes each exchange before it responds."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wallet_rpc.edge.guard import HttpRejection, read_request_body
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.observe import log
from wallet_rpc.edge.rpc_endpoint import jsonrpc_error_response, respond_or_reject
from wallet_rpc.errors import InvalidRequest, WalletError
from wallet_rpc.recording.exchange_redaction import redact_exchange
from wallet_rpc.recording.exchanges import (
    FORMAT,
    RecordedExchange,
    RecordedResponse,
    format_exchange,
    read_body,
)
from wallet_rpc.recording.received import describe_request
from wallet_rpc.recording.recording_file import RecordingFile
from wallet_rpc.recording.redaction import Redactor
from wallet_rpc.recording.upstream import RecordedServer

MAX_REQUEST_BYTES = 4 << 20
"""The maximum size of a request's body."""
_DROPPED = re.compile(
    r"connection|keep-alive|transfer-encoding|trailer|upgrade|content-length|content-encoding|date|server|set-cookie"
    r"|access-control-.*|vary|x-request-id"
)
"""Response fields of the connection, and those that the proxy sets itself."""
_KEPT = re.compile(r"content-type|retry-after|www-authenticate|location|link|allow|accept-post|x-ratelimit-.*")
"""Response fields that a recording has."""


class RecordingFailed(WalletError):
    """The exchange cannot be written to the recording."""

    status = 500
    default_reason = "recording_failed"


class Recorder:
    """The proxy as an ASGI application."""

    def __init__(self, upstream: RecordedServer, file: RecordingFile) -> None:
        """Create a recorder; the credentials in the server's URL are secrets."""
        self._upstream = upstream
        self._file = file
        self._redactor = Redactor()
        upstream.add_credentials(self._redactor)
        self._numbers = itertools.count(1)
        self._writing = asyncio.Lock()
        self._failure: str | None = None
        self.count = 0
        """The number of exchanges in the file."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await respond_or_reject(self._response, scope, receive)
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive) -> Response:
        if self._failure is not None:
            raise _reject_recording(self._failure)
        fields = HeaderFields.of(scope)
        if fields.get(b"content-encoding", "identity") != "identity":
            raise _reject_body(415, "content-encoding", "expected none")
        body = await read_request_body(scope, receive, max_bytes=MAX_REQUEST_BYTES)
        try:
            recorded = read_body(body)
        except ValueError:
            raise _reject_body(415, "body", "expected text in UTF-8") from None
        number, began = next(self._numbers), time.time_ns() // 1_000_000
        response = await self._forward(scope, fields, body)

        def describe() -> RecordedExchange:
            return RecordedExchange(
                format=FORMAT,
                number=number,
                at_milliseconds=began,
                request=describe_request(scope, recorded, self._redactor),
                response=RecordedResponse(
                    status=response.status_code,
                    headers={name: text for name, text in response.headers.items() if _KEPT.fullmatch(name)},
                    body=read_body(bytes(response.body)),
                ),
            )

        async with self._writing:
            await asyncio.to_thread(self._write, describe)
        if self._failure is not None:
            raise _reject_recording(self._failure)
        return response

    async def _forward(self, scope: Scope, fields: HeaderFields, body: bytes) -> Response:
        """Return the server's response, or the error that replaces it."""
        headers = {name: fields.get(name.encode()) for name in fields.names.split("\n")}
        target, query = scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii")
        try:
            found = await self._upstream.send(scope["method"], target, query, headers, body)
            found.body.decode("utf-8")
        except HttpRejection as rejection:
            return jsonrpc_error_response(rejection.status, rejection.error, rejection.headers)
        except UnicodeDecodeError:
            error = InvalidRequest("expected text in UTF-8", field="response", reason="not_recordable")
            return jsonrpc_error_response(502, error)
        response = Response(found.body, found.status)
        for name, text in found.headers:
            if not _DROPPED.fullmatch(name.lower()):
                response.headers.append(name, text)
        return response

    def _write(self, describe: Callable[[], RecordedExchange]) -> None:
        """Write an exchange; one thread at a time, since it may have new secrets."""
        try:
            self._file.append(format_exchange(redact_exchange(self._redactor, describe())))
        except OSError as error:
            self._failure = str(error.strerror)
            log.error("recording_failed", reason=self._failure)
        else:
            self.count += 1


def _reject_body(status: int, field: str, text: str) -> HttpRejection:
    return HttpRejection(status, InvalidRequest(text, field=field, reason="not_recordable"))


def _reject_recording(failure: str) -> HttpRejection:
    text = f"expected a file that takes one more exchange, got: {failure}; start again with a new file"
    return HttpRejection(500, RecordingFailed(text, field="recording"))
