"""The HTTP application: its paths, CORS, and what every request has: a context, an id, a log line.

Neither the query string nor the API key in the path selects a route. The query string selects the chain
(`chain_choice`), and the key identifies the caller (`authentication`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet_rpc import tracing
from wallet_rpc.domain.access import Caller
from wallet_rpc.edge.chain_choice import select_chain
from wallet_rpc.edge.dev_page import DevPage
from wallet_rpc.edge.guard import MAX_BODY_BYTES, REJECTION, ErrorMiddleware
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.observe import choose_request_id, log_request, start_span
from wallet_rpc.edge.request_context import LOCAL_CALLER, RequestContext, set_context
from wallet_rpc.edge.request_sources import LOCAL_ORIGIN, Origins, Sources
from wallet_rpc.edge.rpc_endpoint import (
    Authenticate,
    Handler,
    JsonRpcEndpoint,
    JsonRpcPaths,
    accept_all,
    jsonrpc_error_response,
)
from wallet_rpc.errors import InvalidRequest

WebSockets: TypeAlias = Callable[[JsonRpcPaths], ASGIApp]
"""Builds the application of WebSockets at the paths of JSON-RPC."""
WALLET_PATHS = ("/", "/v2", "/v2/{key}")
"""The paths to which the official clients post."""
CHAIN_PATH = "/chain/{id}"
"""The path of each chain's own methods."""
PREFLIGHT_SECONDS = 86_400
"""The time that a browser may cache a CORS preflight; browsers have a lower limit of their own."""
ALL_ORIGINS = Origins()
ANY_SOURCE = Sources(are_checked=False, origins=ALL_ORIGINS)


def build_app(
    handlers: Mapping[str, Handler],
    *,
    routes: Sequence[BaseRoute] = (),
    authenticate: Authenticate = accept_all,
    mounts: Mapping[str, ASGIApp] | None = None,
    sources: Sources = ANY_SOURCE,
    max_bytes: Mapping[str, int] = MappingProxyType({}),
) -> HttpApp:
    """Build the HTTP application: each path of `handlers`, a route template, accepts POST, also with a final slash.

    Without `authenticate`, requests are not authenticated. `routes` are the other paths. `mounts` serve all requests at
    and below their path. `sources` are those whose requests are accepted. `max_bytes` has the sizes of the largest
    bodies of paths that accept more than the others.
    """
    sizes = {path: max_bytes.get(path, MAX_BODY_BYTES) for path in handlers}
    endpoints = {path: JsonRpcEndpoint(handlers[path], authenticate, max_bytes=size) for path, size in sizes.items()}
    return HttpApp(JsonRpcPaths(endpoints), routes, mounts or {}, sources, authenticate)


def wallet_handlers(handler: Handler) -> dict[str, Handler]:
    """Map the wallet's paths to their handler, for `build_app`."""
    return dict.fromkeys(WALLET_PATHS, handler)


class HttpApp:
    """The application that `build_app` builds."""

    def __init__(
        self,
        paths: JsonRpcPaths,
        routes: Sequence[BaseRoute],
        mounts: Mapping[str, ASGIApp],
        sources: Sources,
        authenticate: Authenticate,
    ) -> None:
        self.paths = paths
        self.authenticate = authenticate
        self._router = Router(routes, redirect_slashes=False, default=_not_found)
        self._rpc = ErrorMiddleware(self._route, jsonrpc_error_response)
        self._rpc_with_cors = with_cors(self._rpc, sources.origins)
        self.websockets: ASGIApp | None = None
        """The application of WebSockets at the same paths; None closes each of them."""
        self.page: DevPage | None = None
        """The page for browsers at `/`; None: every client gets a line of text."""
        self.draw_bytes: Callable[[int], bytes] = secrets.token_bytes
        """The source of request ids."""
        self._mounts = sorted(mounts.items(), key=lambda mount: len(mount[0]), reverse=True)
        self._sources = sources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await (self._close_websocket if self.websockets is None else self.websockets)(scope, receive, send)
            return
        started = time.perf_counter()
        path = scope["path"]
        fields = HeaderFields.of(scope)
        client = scope.get("client")
        caller = LOCAL_CALLER if client is None else Caller(name=client[0])
        request_id = choose_request_id(fields, path, self.draw_bytes)
        context = RequestContext(caller, request_id, select_chain(scope.get("query_string", b"")))
        set_context(context)
        span = None if tracing.tracer is None else start_span(scope["method"], fields)

        async def send_with_context(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_context_headers(context)]
            await send(message)

        if REJECTION not in scope:
            rejection = self._sources.find_rejection(path, fields)
            if rejection is not None:
                scope[REJECTION] = rejection
        try:
            await self._choose(scope, fields)(scope, receive, send_with_context)
        finally:
            seconds = time.perf_counter() - started
            log_request(context, span, verb=scope["method"], path=path, status=context.status, seconds=seconds)

    def _choose(self, scope: Scope, fields: HeaderFields) -> ASGIApp:
        """Return the application of a request: the page, the mount with the longest prefix of its path, or JSON-RPC."""
        if self.page is not None and self.page.serves(scope):
            return self.page
        requested = f"{scope['path']}/"
        for path, app in self._mounts:
            if requested.startswith(f"{path}/"):
                return app
        # the responses to POST are never cached, so they need no `vary` for CORS
        return self._rpc if scope["method"] == "POST" and b"origin" not in fields else self._rpc_with_cors

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self.paths.find(scope)
        await (self._router if endpoint is None else endpoint)(scope, receive, send)

    async def _close_websocket(self, scope: Scope, _: Receive, send: Send) -> None:
        rejection = self._sources.find_rejection(scope["path"], HeaderFields.of(scope))
        refusal = {} if rejection is None else {"reason": rejection.error.reason}
        await send({"type": "websocket.close", "code": 1000 if rejection is None else 1008, **refusal})


def _context_headers(context: RequestContext) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", context.id.encode())]
    result = context.rate_limit
    if result is not None:
        headers.append((b"x-ratelimit-limit", b"%d" % result.limit))
        headers.append((b"x-ratelimit-remaining", b"%d" % result.remaining))
        if result.retry_after_seconds is not None:
            headers.append((b"retry-after", b"%d" % result.retry_after_seconds))
    return headers


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


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    error = InvalidRequest("path: expected one of this server's paths, such as /", reason="no_such_path")
    await jsonrpc_error_response(404, error)(scope, receive, send)
