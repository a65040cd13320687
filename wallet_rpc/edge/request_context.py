"""Request context: the state of one HTTP request, which the steps that serve it read and fill in."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from wallet_rpc.domain.access import Caller
from wallet_rpc.edge.chain_feed import ConnectionSubscriber
from wallet_rpc.errors import WalletError
from wallet_rpc.ports.limits import RateLimitResult

LOCAL_CALLER = Caller(name="local")
"""The caller outside of any request, and over a transport without addresses."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a request or of an entry: the method's name in the log and, of a failure, the error."""

    method: str
    code: int | None = None
    """The code of the error; None for success."""
    reason: str | None = None
    message: str | None = None
    """The message that the caller gets, with values of the request."""
    entry: int | None = None
    """The position of the entry in its batch."""


@dataclass(slots=True)
class RequestContext:
    """The state of one HTTP request, or of one entry of a batch."""

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
    entry: int | None = None
    """The position of an entry in its batch, from 0."""
    results: list[Result] = field(default_factory=list)
    """The results of the entries that have ended."""
    rejection: Result | None = None
    """The error of a request that reached no handler."""

    subscriber: ConnectionSubscriber | None = None
    """The connection of the request, if it can receive notifications."""

    def record_success(self, method: str) -> None:
        """Record that one entry has succeeded."""
        self.results.append(Result(method, entry=self.entry))

    def record_failure(self, method: str, code: int, reason: str | None, message: str) -> None:
        """Record the error of one entry."""
        self.results.append(Result(method, code, reason, message, self.entry))

    def record_error(self, method: str, error: WalletError, code: int | None = None) -> None:
        """Record the error of one entry, under its own code or that of another error format."""
        self.results.append(_result_of(method, error, error.code if code is None else code, self.entry))

    def record_rejection(self, code: int, error: WalletError) -> None:
        """Record the error of a request that reaches no handler."""
        self.rejection = _result_of("", error, code)

    def for_entry(self, position: int) -> RequestContext:
        """Return a context for an entry of the batch, without results."""
        return replace(self, entry=position, batch_entries=None, results=[])


def _result_of(method: str, error: WalletError, code: int, entry: int | None = None) -> Result:
    """Return the result of an error; the name of an unknown member is a text of the caller, which is left out."""
    message = error.text if error.reason == "unknown_member" else error.message
    return Result(method, code, error.reason, message, entry)


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
