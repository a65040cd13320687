"""Who asks: the name by which the server knows a client while it serves one request.

There are no keys yet, so it is the address the request came from. It bounds what strangers can use up; it never grants.
"""

from __future__ import annotations

from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

NOBODY = "local"
"""The caller outside of any request, and over a transport that has no addresses."""

_caller: ContextVar[str] = ContextVar("caller", default=NOBODY)


def current() -> str:
    """The caller of the request that is being served."""
    return _caller.get()


class Identified:
    """Middleware that notes who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        client = scope.get("client")
        token = _caller.set(NOBODY if client is None else client[0])
        try:
            await self._app(scope, receive, send)
        finally:
            _caller.reset(token)
