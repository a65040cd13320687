"""The HTTP side of the doors: which path leads where, and what HTTP itself may refuse.

The rule: what JSON-RPC answers, errors too, has status 200 (204 when there is nothing to say); another status means
that no operation was run. Neither the query string nor the key that may stand in
the path chooses a route: they are the chain's (`chain_choice`) and the caller's matter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from wallet_rpc.edge.guard import BODY_BYTES, BODY_SECONDS, BodyLimit, LastResort, json_response, refusal
from wallet_rpc.edge.observe import Observed
from wallet_rpc.errors import InvalidRequest
from wallet_rpc.primitives import shown

Answerer: TypeAlias = Callable[[bytes], Awaitable[bytes | None]]
"""What answers a body: `Door.answer`, or a closure that finds one."""

WALLET_PATHS = ("/", "/v2", "/v2/{key}")
"""Where the official clients post."""
MEDIA_TYPES = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})
"""What a body may be called; JSON-RPC over HTTP names all three."""
PREFLIGHT_SECONDS = 86_400
"""How long a browser may remember that it may call us; browsers cap it themselves."""

_GREETING = "wallet-rpc: POST JSON-RPC 2.0 here; GET /openrpc.json says what it can do\n"


def application(
    answerers: Mapping[str, Answerer],
    *,
    routes: Sequence[BaseRoute] = (),
    lifespan: Callable[[Any], Any] | None = None,
    body_bytes: int = BODY_BYTES,
    body_seconds: float = BODY_SECONDS,
) -> ASGIApp:
    """The whole HTTP server: each path (a route template, with or without a slash at its end) posts to its answerer.

    `routes` are tried first.
    """
    posts = [Route(each, Post(answerer)) for path, answerer in answerers.items() for each in _with_slash(path)]
    app: ASGIApp = Router([*routes, *posts], redirect_slashes=False, default=_no_such_path, lifespan=lifespan)
    app = LastResort(BodyLimit(app, most_bytes=body_bytes, seconds=body_seconds))
    return Observed(with_cors(app))


def _with_slash(path: str) -> tuple[str, ...]:
    """Both spellings of a path: a redirect from one to the other would cost clients a request, or a failure."""
    return (path,) if path.endswith("/") else (path, f"{path}/")


def wallet(answerer: Answerer) -> dict[str, Answerer]:
    """The paths of the wallet's door, for `application`."""
    return dict.fromkeys(WALLET_PATHS, answerer)


def with_cors(app: ASGIApp) -> ASGIApp:
    """`app` for web pages of any origin: there are no cookies here, so every header a client likes is granted."""
    return CORSMiddleware(
        app,
        allow_origins=["*"],
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["x-request-id"],
        max_age=PREFLIGHT_SECONDS,
    )


class Post:
    """The endpoint that hands a posted body to an answerer."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        response = _refused(request)
        if response is None:
            answer = await self._answerer(await request.body())
            response = Response(status_code=204) if answer is None else json_response(answer)
        await response(scope, receive, send)


def _refused(request: Request) -> Response | None:
    """What HTTP alone answers; None when the body is for the door."""
    if request.method in {"GET", "HEAD"} and request.url.path == "/":
        return PlainTextResponse(_GREETING)
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"allow": _allowed(request)})
    if request.method != "POST":
        error = InvalidRequest("verb: expected POST", reason="method_not_allowed")
        return refusal(405, error, {"allow": _allowed(request)})
    return _wrong_media(request)


def _allowed(request: Request) -> str:
    return "GET, HEAD, POST, OPTIONS" if request.url.path == "/" else "POST, OPTIONS"


def _wrong_media(request: Request) -> Response | None:
    """A refusal of a body that is not plain JSON in UTF-8; a body without a type is taken for JSON."""
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed != "identity":
        error = InvalidRequest(f"content-encoding: expected none, got {shown(packed)}", reason="unsupported_media_type")
        return refusal(415, error, {"accept-encoding": "identity"})
    given = request.headers.get("content-type")
    if given is None or _is_json(given):
        return None
    text = f"content-type: expected application/json, got {shown(given)}"
    return refusal(415, InvalidRequest(text, reason="unsupported_media_type"), {"accept-post": "application/json"})


def _is_json(content_type: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [
        value.strip('" ') for name, _, value in (item.partition("=") for item in parameters) if name == "charset"
    ]
    return kind in MEDIA_TYPES and all(charset in {"utf-8", "utf8"} for charset in charsets)


async def _no_such_path(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":  # only a websocket comes here
        await send({"type": "websocket.close", "code": 1000})
        return
    error = InvalidRequest("path: expected one of this server's paths, such as /", reason="no_such_path")
    await refusal(404, error)(scope, receive, send)
