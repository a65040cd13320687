"""HTTP routing of the JSON-RPC endpoints and the REST mounts, with CORS and rejections at the HTTP level.

A JSON-RPC response, also an error, has status 200, or 204 without a response object. Any other status means that no
operation was run. Neither the query string nor the API key in the path selects a route. The query string selects the
chain (`chain_choice`), and the key identifies the caller (`authentication`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from wallet_rpc.edge.envelope import Reply, encode_response, error_response
from wallet_rpc.edge.guard import (
    BODY_SECONDS,
    REJECTION,
    ErrorMiddleware,
    HttpRejection,
    json_response,
    read_request_body,
    require_json,
)
from wallet_rpc.edge.observe import AccessLogMiddleware
from wallet_rpc.edge.request_sources import LOCAL_ORIGIN, Origins
from wallet_rpc.errors import InvalidRequest, WalletError

Handler: TypeAlias = Callable[[bytes], Awaitable[Reply]]
"""Handles a body and returns the reply, such as `JsonRpcDispatcher.dispatch`."""
Authenticate: TypeAlias = Callable[[Request], Awaitable[object]]
"""Authenticates a request: `Authenticator.authenticate`. Raises: WalletError when it fails."""

WALLET_PATHS = ("/", "/v2", "/v2/{key}")
"""The paths to which the official clients post."""
MEDIA_TYPES = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})
"""The accepted content types. Source: JSON-RPC over HTTP."""
PREFLIGHT_SECONDS = 86_400
"""The time that a browser may cache a CORS preflight; browsers have a lower limit of their own."""
ALL_ORIGINS = Origins()

_GREETING = "wallet-rpc: POST JSON-RPC 2.0 here; GET /openrpc.json lists the methods\n"


def build_app(
    handlers: Mapping[str, Handler],
    *,
    routes: Sequence[BaseRoute] = (),
    authenticate: Authenticate | None = None,
    mounts: Mapping[str, ASGIApp] | None = None,
    origins: Origins = ALL_ORIGINS,
    body_seconds: float = BODY_SECONDS,
) -> ASGIApp:
    """Build the HTTP application: each path of `handlers`, a route template, accepts POST, also with a final slash.

    `routes` are tried first. Without `authenticate`, requests are not authenticated. `mounts` serve all requests at and
    below their path. `origins` are the web origins whose pages may call the handlers and routes.
    """
    posts = [
        Route(each, JsonRpcEndpoint(handler, authenticate, body_seconds=body_seconds))
        for path, handler in handlers.items()
        for each in slash_spellings(path)
    ]
    router = Router([*routes, *posts], redirect_slashes=False, default=_not_found)
    fallback = with_cors(ErrorMiddleware(router, jsonrpc_error_response), origins)
    return AccessLogMiddleware(_Mounts(mounts or {}, fallback=fallback))


class _Mounts:
    """Routes a request to the mount with the longest prefix of its path, else to the fallback."""

    def __init__(self, mounts: Mapping[str, ASGIApp], *, fallback: ASGIApp) -> None:
        self._mounts = sorted(mounts.items(), key=lambda mount: len(mount[0]), reverse=True)
        self._fallback = fallback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        requested = f"{scope['path']}/" if scope["type"] == "http" else ""
        app = next((app for path, app in self._mounts if requested.startswith(f"{path}/")), self._fallback)
        await app(scope, receive, send)


def slash_spellings(path: str) -> tuple[str, ...]:
    """Return a path without and with a final slash; a redirect between them would cost a request, or fail."""
    return (path,) if path.endswith("/") else (path, f"{path}/")


def wallet_handlers(handler: Handler) -> dict[str, Handler]:
    """Map the wallet's paths to their handler, for `build_app`."""
    return dict.fromkeys(WALLET_PATHS, handler)


def with_cors(
    app: ASGIApp, origins: Origins = ALL_ORIGINS, *, methods: Sequence[str] = ("GET", "POST", "DELETE")
) -> ASGIApp:
    """Add CORS for these origins to `app`; every request header is allowed, since the server uses no cookies."""
    return _Cors(app, origins, methods)


class _Cors(CORSMiddleware):
    """Starlette's middleware, which grants private network access only to origins that the operator names.

    Without this permission a browser blocks requests from a public page to a private network or its own machine.
    """

    def __init__(self, app: ASGIApp, origins: Origins, methods: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=list(origins.allowed),
            allow_origin_regex=LOCAL_ORIGIN if origins.has_local else None,
            allow_methods=methods,
            allow_headers=["*"],
            expose_headers=["x-request-id", "x-ratelimit-limit", "x-ratelimit-remaining", "retry-after"],
            max_age=PREFLIGHT_SECONDS,
            allow_private_network=True,
        )
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a request that is already rejected gets no preflight response."""
        if REJECTION in scope:
            await self.simple_response(scope, receive, send, request_headers=Headers(scope=scope))
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Build the response to a preflight."""
        response = super().preflight_response(request_headers)
        if not self._origins.is_named(request_headers["origin"]):
            del response.headers["access-control-allow-private-network"]
        return response


def jsonrpc_error_response(status: int, error: WalletError, headers: Mapping[str, str] | None = None) -> Response:
    """Build the response of an HTTP rejection: a JSON-RPC error with id null, which clients can display."""
    return json_response(encode_response(error_response(error, None)), status, headers)


class JsonRpcEndpoint:
    """An endpoint that passes a posted body to a handler."""

    def __init__(
        self, handler: Handler, authenticate: Authenticate | None = None, *, body_seconds: float = BODY_SECONDS
    ) -> None:
        self._handler = handler
        self._authenticate = authenticate
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._response(Request(scope, receive))
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        if request.method in {"GET", "HEAD"} and request.url.path == "/":
            return PlainTextResponse(_GREETING)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": _allowed_methods(request)})
        try:
            reply = await self._reply(request)
        except HttpRejection as rejection:
            return jsonrpc_error_response(rejection.status, rejection.error, rejection.headers)
        except WalletError as error:  # from the authenticator; the dispatcher handles its own errors
            headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
            return jsonrpc_error_response(error.status, error, headers)
        return Response(status_code=204) if reply.text is None else json_response(reply.text, reply.status)

    async def _reply(self, request: Request) -> Reply:
        if request.method != "POST":
            error = InvalidRequest("verb: expected POST", reason="method_not_allowed")
            raise HttpRejection(405, error, {"allow": _allowed_methods(request)})
        require_json(request, MEDIA_TYPES)
        if self._authenticate is not None:
            await self._authenticate(request)
        return await self._handler(await read_request_body(request, seconds=self._body_seconds))


def _allowed_methods(request: Request) -> str:
    return "GET, HEAD, POST, OPTIONS" if request.url.path == "/" else "POST, OPTIONS"


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":  # a WebSocket
        await send({"type": "websocket.close", "code": 1000})
        return
    error = InvalidRequest("path: expected one of this server's paths, such as /", reason="no_such_path")
    await jsonrpc_error_response(404, error)(scope, receive, send)
