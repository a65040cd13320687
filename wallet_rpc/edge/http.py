"""The HTTP side of the doors: which path leads where, and what HTTP itself may refuse.

The rule of the JSON-RPC door: what it answers, errors too, has status 200 (204 when there is nothing to say); another
status means that no operation was run. Neither the query string nor the key that may stand in the path chooses a route:
they are the chain's (`chain_choice`) and the caller's (`gate`) matter.
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
"""What answers a body: `Door.reply`, or a closure that finds one."""
Authenticate: TypeAlias = Callable[[Request], Awaitable[object]]
"""Lets a request in: `Gate.authenticate`. Raises: WalletError when it does not."""

WALLET_PATHS = ("/", "/v2", "/v2/{key}")
"""Where the official clients post."""
MEDIA_TYPES = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})
"""What a body may be called; JSON-RPC over HTTP names all three."""
PREFLIGHT_SECONDS = 86_400
"""How long a browser may remember that it may call us; browsers cap it themselves."""
ALL_ORIGINS = Origins()

_GREETING = "wallet-rpc: POST JSON-RPC 2.0 here; GET /openrpc.json says what it can do\n"


def build_app(
    handlers: Mapping[str, Handler],
    *,
    routes: Sequence[BaseRoute] = (),
    authenticate: Authenticate | None = None,
    mounts: Mapping[str, ASGIApp] | None = None,
    origins: Origins = ALL_ORIGINS,
    body_seconds: float = BODY_SECONDS,
) -> ASGIApp:
    """The whole HTTP server: each path (a route template, with or without a slash at its end) posts to its answerer.

    `routes` are tried first. Without `authenticate` everyone may post. `sides`: what has all that is at and below a
    path to itself. `origins`: whose web pages may call, the sides excepted.
    """
    posts = [
        Route(each, JsonRpcEndpoint(answerer, authenticate, body_seconds=body_seconds))
        for path, answerer in handlers.items()
        for each in slash_spellings(path)
    ]
    door = Router([*routes, *posts], redirect_slashes=False, default=_not_found)
    return AccessLogMiddleware(
        _Mounts(mounts or {}, fallback=with_cors(ErrorMiddleware(door, jsonrpc_error_response), origins))
    )


class _Mounts:
    """Hands a request to the side that has its path, the longest first."""

    def __init__(self, mounts: Mapping[str, ASGIApp], *, fallback: ASGIApp) -> None:
        self._mounts = sorted(mounts.items(), key=lambda side: len(side[0]), reverse=True)
        self._fallback = fallback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        at = f"{scope['path']}/" if scope["type"] == "http" else ""
        found = next((app for path, app in self._mounts if at.startswith(f"{path}/")), self._fallback)
        await found(scope, receive, send)


def slash_spellings(path: str) -> tuple[str, ...]:
    """Both spellings of a path: a redirect from one to the other would cost clients a request, or a failure."""
    return (path,) if path.endswith("/") else (path, f"{path}/")


def wallet_handlers(handler: Handler) -> dict[str, Handler]:
    """The paths of the wallet's door, for `build_app`."""
    return dict.fromkeys(WALLET_PATHS, handler)


def with_cors(
    app: ASGIApp, origins: Origins = ALL_ORIGINS, *, methods: Sequence[str] = ("GET", "POST", "DELETE")
) -> ASGIApp:
    """`app` for web pages of these origins: there are no cookies here, so every header a client likes is granted."""
    return _Cors(app, origins, methods)


class _Cors(CORSMiddleware):
    """Starlette's, with private networks for named origins alone.

    A browser lets a page of the public network call a private one, such as its own machine, only with this permission.
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
        """Serve one request; one that is refused already is no preflight that could be granted."""
        if REJECTION in scope:
            await self.simple_response(scope, receive, send, request_headers=Headers(scope=scope))
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a preflight."""
        response = super().preflight_response(request_headers)
        if not self._origins.is_named(request_headers["origin"]):
            del response.headers["access-control-allow-private-network"]
        return response


def jsonrpc_error_response(status: int, error: WalletError, headers: Mapping[str, str] | None = None) -> Response:
    """An HTTP refusal, told as a JSON-RPC error whose id is null, so that clients can show it."""
    return json_response(encode_response(error_response(error, None)), status, headers)


class JsonRpcEndpoint:
    """The endpoint that hands a posted body to an answerer."""

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
        except HttpRejection as refused:
            return jsonrpc_error_response(refused.status, refused.error, refused.headers)
        except WalletError as refused:  # by the gate: the door itself answers its own errors
            return jsonrpc_error_response(
                refused.status, refused, {"www-authenticate": "Bearer"} if refused.status == 401 else None
            )
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
    if scope["type"] != "http":  # only a websocket comes here
        await send({"type": "websocket.close", "code": 1000})
        return
    error = InvalidRequest("path: expected one of this server's paths, such as /", reason="no_such_path")
    await jsonrpc_error_response(404, error)(scope, receive, send)
