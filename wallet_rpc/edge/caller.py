"""Request context: the caller and its rate limit, set by the authenticator and read when ports are built."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet_rpc.domain.access import Caller
from wallet_rpc.ports.storage import RateLimitResult

LOCAL_CALLER = Caller(name="local")
"""The caller outside of any request, and over a transport without addresses."""


@dataclass(slots=True)
class RequestContext:
    """The caller and rate limit of one HTTP request, filled in while it is served."""

    caller: Caller = LOCAL_CALLER
    rate_limit: RateLimitResult | None = None
    """The state of the caller's rate limit, once the request was counted."""


_context: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def current_caller() -> Caller:
    """Return the caller of the current request."""
    return current_context().caller


def current_context() -> RequestContext:
    """Return the context of the current request."""
    context = _context.get()
    return RequestContext() if context is None else context


class RequestContextMiddleware:
    """Middleware that opens a request context with the client's address and adds rate limit headers to the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        client = scope.get("client")
        context = RequestContext(LOCAL_CALLER if client is None else Caller(name=client[0]))

        async def send_with_rate_limit(message: Message) -> None:
            if message["type"] == "http.response.start" and context.rate_limit is not None:
                _set_rate_limit_headers(context.rate_limit, MutableHeaders(scope=message))
            await send(message)

        token = _context.set(context)
        try:
            await self._app(scope, receive, send_with_rate_limit)
        finally:
            _context.reset(token)


def _set_rate_limit_headers(result: RateLimitResult, headers: MutableHeaders) -> None:
    headers["x-ratelimit-limit"] = str(result.limit)
    headers["x-ratelimit-remaining"] = str(result.remaining)
    if result.retry_after_seconds is not None:
        headers["retry-after"] = str(result.retry_after_seconds)
