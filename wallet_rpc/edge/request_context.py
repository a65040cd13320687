"""Request context: the state of one HTTP request, which the steps that serve it read and fill in."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

from wallet_rpc.domain.access import Caller
from wallet_rpc.ports.storage import RateLimitResult

LOCAL_CALLER = Caller(name="local")
"""The caller outside of any request, and over a transport without addresses."""


@dataclass(slots=True)
class RequestContext:
    """The state of one HTTP request."""

    caller: Caller = LOCAL_CALLER
    id: str = ""
    """The id of the request in the log and in its response."""
    chain: str | None = None
    """The chain that the query string or the path selects, as text of the client."""
    rate_limit: RateLimitResult | None = None
    """The state of the caller's rate limit, once the request was counted."""
    batch_entries: int | None = None
    """The number of entries of a batch."""
    status: int | None = None
    """The HTTP status of the response, once it has begun."""
    results: list[tuple[str, int | None]] = field(default_factory=list)
    """The method of each entry that has ended, and its error code, or None for success."""

    def record_result(self, method: str, code: int | None) -> None:
        """Record the result of one entry: an error code, or None for success."""
        self.results.append((method, code))


_context: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def current_context() -> RequestContext:
    """Return the context of the current request; outside of any, a new one."""
    context = _context.get()
    return RequestContext() if context is None else context


def current_caller() -> Caller:
    """Return the caller of the current request."""
    return current_context().caller


def set_context(context: RequestContext) -> None:
    """Set the context of a request, for its task, which serves no other request, and the tasks that it starts."""
    _context.set(context)
