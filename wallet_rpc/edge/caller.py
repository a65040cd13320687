"""Who asks, while one request is served: found once at the door, read where ports are made for the request."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet_rpc.domain.access import Caller
from wallet_rpc.ports.storage import RateLimitResult

LOCAL_CALLER = Caller(name="local")
"""The caller outside of any request, and over a transport that has no addresses."""


@dataclass(slots=True)
class RequestContext:
    """What one HTTP request turned out to be, for who may do what; filled in as it is served."""

    caller: Caller = LOCAL_CALLER
    rate_limit: RateLimitResult | None = None
    """What is left to the caller, once that was counted."""


_context: ContextVar[RequestContext | None] = ContextVar("visit", default=None)


def current_caller() -> Caller:
    """The caller of the request that is being served."""
    return current_context().caller


def current_context() -> RequestContext:
    """The request that is being served."""
    found = _context.get()
    return RequestContext() if found is None else found


class RequestContextMiddleware:
    """Middleware that opens a visit, by the address that connects, and tells the client what is left to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        client = scope.get("client")
        opened = RequestContext(LOCAL_CALLER if client is None else Caller(name=client[0]))

        async def send_with_rate_limit(message: Message) -> None:
            if message["type"] == "http.response.start" and opened.rate_limit is not None:
                _set_rate_limit_headers(opened.rate_limit, MutableHeaders(scope=message))
            await send(message)

        token = _context.set(opened)
        try:
            await self._app(scope, receive, send_with_rate_limit)
        finally:
            _context.reset(token)


def _set_rate_limit_headers(allowance: RateLimitResult, headers: MutableHeaders) -> None:
    headers["x-ratelimit-limit"] = str(allowance.limit)
    headers["x-ratelimit-remaining"] = str(allowance.remaining)
    if allowance.retry_after_seconds is not None:
        headers["retry-after"] = str(allowance.retry_after_seconds)
