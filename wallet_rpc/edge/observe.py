"""Logging: one line for each request, and one for each incident with its traceback.

No body, parameter, signature or key is ever logged, not even a key in the path.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import structlog

from wallet_rpc import __version__, tracing
from wallet_rpc.domain.incident import Incident, format_traceback
from wallet_rpc.domain.secret_text import HIDDEN, mask_credentials, mask_values
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.log_lines import log_info
from wallet_rpc.edge.request_context import RequestContext, Result, current_context, set_context
from wallet_rpc.errors import InternalError
from wallet_rpc.tracing import RequestSpan

UNKNOWN = "(unknown)"
"""The log's name for an unknown method, since the real name is a text of the caller."""
OTHER = "(chain)"
"""The log's name for a method of a chain that is not one of the known ones."""
UNREADABLE = "(unreadable)"
"""The log's name for a body that is not a JSON-RPC request."""
MAX_LOGGED_FAILURES = 10
"""The maximum number of failed entries of a batch whose errors are logged; all are counted."""
_WORDS = frozenset(
    {"", "v1", "v2", "chain", "health", "ready", "metrics", "openrpc.json", "openapi.json", "page", "rpc", "facts.json"}
    | {"api", "burner", "organizations", "sessions", "me", "events"}
)
_CHAIN_ID = re.compile(r"[0-9]{1,10}", re.ASCII)
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE", "WS"})

RequestObserver: TypeAlias = Callable[[RequestContext, float], None]
"""Receives the context of a request that has ended, and its duration in seconds."""
_request_observer: RequestObserver | None = None

_IGNORE_LOG_ERRORS = contextlib.suppress(Exception)
"""Suppresses errors of the log itself (disk full, pipe closed), so that they change no response."""

log = structlog.get_logger("wallet_rpc")


MAX_PENDING_INCIDENTS = 50
"""The maximum number of incidents that wait to be stored; newer ones displace older ones."""
pending_incidents: deque[Incident] = deque(maxlen=MAX_PENDING_INCIDENTS)
"""The incidents of a process that stores none yet; a forked process has those of its parent."""
_watchers: list[Callable[[Incident], object]] = []


@contextmanager
def watch_incidents(watcher: Callable[[Incident], object]) -> Iterator[None]:
    """Call `watcher` with each incident while the block runs, and at once with the pending ones."""
    _watchers.append(watcher)
    while pending_incidents:
        watcher(pending_incidents.popleft())
    try:
        yield
    finally:
        _watchers.remove(watcher)


def log_incident(raised: BaseException, *, method: str | None = None, event: str = "incident") -> InternalError:
    """Log a bug under a new incident number and return the error that reveals only that number to the caller."""
    number = secrets.token_hex(8)
    with _IGNORE_LOG_ERRORS:
        facts = {} if method is None else {"method": method}
        log.error(event, incident=number, exc_info=raised, **facts)
    with _IGNORE_LOG_ERRORS:
        keep_incident(number, type(raised).__name__, format_traceback(raised), method=method)
    return InternalError(number)


def keep_incident(number: str, kind: str, text: str, *, method: str | None) -> None:
    """Hand an incident to those that store it, or keep it for them."""
    context = current_context()
    incident = Incident(
        id=number,
        at_milliseconds=time.time_ns() // 1_000_000,
        kind=kind,
        method=method,
        request_id=context.id or None,
        entry=context.entry,
        trace_id=tracing.current_trace_id() or None,
        server=f"{__version__} on {socket.gethostname()}, process {os.getpid()}",
        traceback=text,
    )
    for watcher in _watchers or [pending_incidents.append]:
        watcher(incident)


def mask_path(path: str) -> str:
    """Mask a path for the log: known words and chain ids stay, everything else is hidden."""
    parts = (part if part in _WORDS or _CHAIN_ID.fullmatch(part) else HIDDEN for part in path.split("/")[:8])
    return "/".join(parts)


def start_span(verb: str, fields: HeaderFields) -> RequestSpan | None:
    """Start the span of a request, within the caller's trace if its headers name one; None without a tracer."""
    if tracing.tracer is None:
        return None
    parent = {name: fields.get(name.encode()) for name in ("traceparent", "tracestate")}
    return tracing.tracer.start_request(verb if verb in _METHODS else "_OTHER", parent)


@contextmanager
def observe_entry(position: int) -> Iterator[None]:
    """Give the entry of a batch that the block handles a context and a span of its own; its task handles no other."""
    request = current_context()
    entry = request.for_entry(position)
    set_context(entry)
    span = None if tracing.tracer is None else tracing.tracer.start_entry()
    try:
        yield
    finally:
        request.results += entry.results
        if span is not None:
            span.end({"entry": position, **_result_fields(entry)})


def record_response(method: str, response: Mapping[str, Any] | None) -> None:
    """Record the result of an entry that another server answered."""
    error = None if response is None else response.get("error")
    if error is None:
        current_context().record_success(method)
        return
    data = error.get("data")
    reason = data.get("reason") if isinstance(data, dict) else None
    reason = reason if isinstance(reason, str) else None
    current_context().record_failure(method, error["code"], reason, error["message"])


def report_requests_to(observer: RequestObserver | None) -> None:
    """Report the requests of this process to an observer from now on, or to none."""
    global _request_observer  # noqa: PLW0603  # one for the process, as its log
    _request_observer = observer


def log_request(
    context: RequestContext,
    span: RequestSpan | None = None,
    *,
    verb: str,
    path: str,
    status: int | None,
    seconds: float,
) -> None:
    """Log the line of a request that has ended, report it, and end its span."""
    if _request_observer is not None:
        _request_observer(context, seconds)
    with _IGNORE_LOG_ERRORS:
        event = {
            "event": "request",
            "verb": verb if verb in _METHODS else HIDDEN,
            "path": mask_path(path),
            "status": status,
            **_result_fields(context),
            "ms": round(seconds * 1000, 2),
        }
        if span is None:
            log_info(event)
            return
        log_info({**event})
        span.end({"id": context.id, **event})


def _result_fields(context: RequestContext) -> dict[str, Any]:
    """Return the log fields about methods and results, and about the error of a request that reached no handler."""
    results = context.results
    failures = [result for result in results if result.code is not None]
    if context.batch_entries is not None:
        failures.sort(key=_position_of)  # they are in the order in which they ended
        methods = dict(Counter(result.method for result in results))
        outcome = failures[0].code if failures else "ok"
        fields = {"batch": context.batch_entries, "methods": methods, "outcome": outcome, "failed": len(failures)}
        first = failures[:MAX_LOGGED_FAILURES]
        listed = [{"entry": each.entry, "method": each.method, **_error_fields(each)} for each in first]
        return fields | _error_fields(failures[0]) | {"failures": listed} if failures else fields
    if not results:
        return {} if context.rejection is None else _error_fields(context.rejection)
    result = results[0]
    if result.code is None:
        return {"method": result.method, "outcome": "ok"}
    return {"method": result.method, "outcome": result.code, **_error_fields(result)}


def _position_of(result: Result) -> int:
    return result.entry or 0


def _error_fields(result: Result) -> dict[str, Any]:
    """Return code, reason and message of an error; the message without values of the request."""
    message = None if result.message is None else mask_values(result.message)
    fields = {"code": result.code, "reason": result.reason, "message": message}
    return {name: value for name, value in fields.items() if value is not None}


def choose_request_id(fields: HeaderFields, path: str, draw_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return the request id that the caller sets, or a new one if it could forge a log line or may be a credential."""
    requested = fields.get(b"x-request-id")
    if requested == "" or not _SANE_ID.fullmatch(requested) or mask_credentials(requested) != requested:
        return f"req_{draw_bytes(8).hex()}"
    credentials = (*fields.values_of(b"x-api-key"), *fields.values_of(b"authorization"), path)
    is_repeated = any(requested in _WORD.findall(text) for text in credentials)
    return f"req_{draw_bytes(8).hex()}" if is_repeated else requested
