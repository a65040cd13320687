"""Hooks for traces and the log of calls: requests, their calls to Redis and to other servers, and deliveries.

Without an observer each hook costs one comparison. `adapters/otlp_spans.py` and `edge/call_log.py` have the observers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that this one calls: its part, as in errors, and its address, which contains no credentials."""

    part: str
    host: str = ""
    port: int | None = None

    @property
    def address(self) -> str:
        """The host, and the port if there is one."""
        return self.host if self.port is None else f"{self.host}:{self.port}"


class CallObserver(Protocol):
    """Observer of the calls to other servers."""

    def watch_call(self, peer: Peer, method: str, script: str) -> AbstractContextManager[object]:
        """Return the block of one call; `script` is the hash of the Lua script that a Redis command runs."""


class RequestSpan(Protocol):
    """Span of a request, or of one entry of a batch, which is the current one until its end."""

    def end(self, facts: Mapping[str, Any]) -> None:
        """End the span with the facts of the request's line in the log."""


class Tracer(CallObserver, Protocol):
    """Source of spans. The current span is that of the task, or of the task that started it."""

    def start_request(self, verb: str, parent: Mapping[str, str]) -> RequestSpan:
        """Start the span of a request; `parent` has the headers `traceparent` and `tracestate` of the caller."""

    def start_entry(self) -> RequestSpan:
        """Start the span of an entry of a batch."""

    def resume(self, traceparent: str | None, name: str, facts: Mapping[str, str]) -> AbstractContextManager[object]:
        """Return the block of later work for a request, whose trace it continues; None: a trace of its own."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers that pass the current span on; none outside of any."""

    def trace_id(self) -> str:
        """Return the id of the current trace, 32 hex digits; empty outside of any."""


tracer: Tracer | None = None
"""The tracer of this process; None: there are no traces."""
_observers: tuple[CallObserver, ...] = ()
_NOTHING = nullcontext()


@contextmanager
def watch_calls(observer: CallObserver) -> Iterator[None]:
    """Have an observer see all calls while the block runs."""
    global _observers  # noqa: PLW0603  # the observers of the process
    _observers = (*_observers, observer)
    try:
        yield
    finally:
        _observers = tuple(each for each in _observers if each is not observer)


@contextmanager
def install_tracer(installed: Tracer) -> Iterator[None]:
    """Trace requests and calls while the block runs."""
    global tracer  # noqa: PLW0603  # the tracer of the process
    with watch_calls(installed):
        tracer = installed
        try:
            yield
        finally:
            tracer = None


def are_calls_watched() -> bool:
    """Return True if an observer sees the calls to other servers."""
    return len(_observers) > 0


def watch_call(peer: Peer, method: str, script: str = "") -> AbstractContextManager[object]:
    """Return the block of a call to another server."""
    if not _observers:
        return _NOTHING
    if len(_observers) == 1:
        return _observers[0].watch_call(peer, method, script)
    blocks = ExitStack()
    for each in _observers:
        blocks.enter_context(each.watch_call(peer, method, script))
    return blocks


def peer_of_url(part: str, url: str) -> Peer:
    """Return the peer at a URL, of which only host and port are kept; without them for an invalid URL."""
    try:
        parts = urlsplit(url)
        return Peer(part, parts.hostname or "", parts.port)
    except ValueError:
        return Peer(part)


def trace_headers() -> Mapping[str, str]:
    """Return the headers that pass the current span on; none without a tracer."""
    return {} if tracer is None else tracer.headers()


def current_traceparent() -> str | None:
    """Return the `traceparent` of the current span, to resume its trace later; None outside of any."""
    return trace_headers().get("traceparent")


def current_trace_id() -> str:
    """Return the id of the current trace; empty outside of any."""
    return "" if tracer is None else tracer.trace_id()


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The trace of a request that is sent later, and the context for the task that sends it."""

    trace_id: str = ""
    context: Context | None = None
    """None, for the context of the sender, without a tracer."""


_UNTRACED = TraceContext()


def copy_trace_context() -> TraceContext:
    """Copy the current trace and context."""
    return _UNTRACED if tracer is None else TraceContext(tracer.trace_id(), copy_context())


def split_by_trace(items: Sequence[_T], trace: Callable[[_T], TraceContext], *, size: int) -> Iterator[Sequence[_T]]:
    """Split items into groups of one trace each, since a request can pass on one trace, and of `size` at most."""
    groups: dict[str, list[_T]] = {}
    for one in items:
        groups.setdefault(trace(one).trace_id, []).append(one)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]
