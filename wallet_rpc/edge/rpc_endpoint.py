"""JSON-RPC endpoints: they pass a posted body to a handler and return its reply.

A JSON-RPC response, also an error, has status 200, or 204 without a response object. Any other status means that no
operation was run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.responses import PlainTextResponse, Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from wallet_rpc.edge.envelope import Reply, encode_response, error_response
from wallet_rpc.edge.guard import MAX_BODY_BYTES, HttpRejection, JsonResponse, read_request_body, require_json
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.request_context import current_context
from wallet_rpc.errors import InvalidRequest, WalletError

Handler: TypeAlias = Callable[[bytes], Awaitable[Reply]]
"""Handles a body and returns the reply, such as `JsonRpcDispatcher.dispatch`."""
Authenticate: TypeAlias = Callable[[Scope], Awaitable[object]]
"""Authenticates a request: `Authenticator.authenticate`. Raises: WalletError when it fails."""

MEDIA_TYPES = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})
"""The accepted content types. Source: JSON-RPC over HTTP."""

_GREETING = "wallet-rpc: POST JSON-RPC 2.0 here; GET /openrpc.json lists the methods\n"


def jsonrpc_error_response(status: int, error: WalletError, headers: Mapping[str, str] | None = None) -> Response:
    """Build the response of an HTTP rejection: a JSON-RPC error with id null, which clients can display."""
    current_context().record_rejection(error.code, error)
    return JsonResponse(encode_response(error_response(error, None)), status, headers)


async def respond_or_reject(
    respond: Callable[[Scope, Receive], Awaitable[Response]], scope: Scope, receive: Receive
) -> Response:
    """Return the response of `respond`, or that of the HTTP rejection that it raises."""
    try:
        return await respond(scope, receive)
    except HttpRejection as rejection:
        return jsonrpc_error_response(rejection.status, rejection.error, rejection.headers)


async def accept_all(_: Scope) -> None:
    """Authenticate no request."""


class JsonRpcEndpoint:
    """The endpoint of one path."""

    def __init__(
        self, handler: Handler, authenticate: Authenticate = accept_all, *, max_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self.handler = handler
        self.authenticate = authenticate
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._response(scope, receive)
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive) -> Response:
        if scope["method"] != "POST":
            return _answer_other_verb(scope)
        try:
            require_json(HeaderFields.of(scope), MEDIA_TYPES)
            await self.authenticate(scope)
            reply = await self.handler(await read_request_body(scope, receive, max_bytes=self._max_bytes))
        except HttpRejection as rejection:
            return jsonrpc_error_response(rejection.status, rejection.error, rejection.headers)
        except WalletError as error:  # from the authenticator; the dispatcher handles its own errors
            headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
            return jsonrpc_error_response(error.status, error, headers)
        return Response(status_code=204) if reply.text is None else JsonResponse(reply.text, reply.status)


def _answer_other_verb(scope: Scope) -> Response:
    is_root = scope["path"] == "/"
    allow = {"allow": "GET, HEAD, POST, OPTIONS" if is_root else "POST, OPTIONS"}
    if is_root and scope["method"] in {"GET", "HEAD"}:
        return PlainTextResponse(_GREETING, headers={"vary": "accept"})  # `dev` has a page for browsers
    if scope["method"] == "OPTIONS":
        return Response(status_code=204, headers=allow)
    return jsonrpc_error_response(405, InvalidRequest("verb: expected POST", reason="method_not_allowed"), allow)


class JsonRpcPaths:
    """The endpoints by path; a path is a template such as `/v2/{key}`, and may have a final slash."""

    def __init__(self, endpoints: Mapping[str, JsonRpcEndpoint]) -> None:
        spelled = {each: one for path, one in endpoints.items() for each in slash_spellings(path)}
        self._exact = {path: one for path, one in spelled.items() if "{" not in path}
        self._templates = [(compile_path(path)[0], one) for path, one in spelled.items() if "{" in path]

    def find(self, scope: Scope) -> JsonRpcEndpoint | None:
        """Return the endpoint of a request, whose scope gets the path's parameters; None for another path."""
        path = scope["path"]
        endpoint = self._exact.get(path)
        if endpoint is not None:
            return endpoint
        for pattern, one in self._templates:
            match = pattern.match(path)
            if match is not None:
                scope["path_params"] = match.groupdict()
                return one
        return None


def slash_spellings(path: str) -> tuple[str, ...]:
    """Return a path without and with a final slash; a redirect between them would cost a request, or fail."""
    return (path,) if path.endswith("/") else (path, f"{path}/")
