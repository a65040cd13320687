"""Logging: one line for each request, and one for each incident with its traceback.

No body, parameter, signature or key is ever logged, not even a key in the path.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import sys
import time
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor

from wallet_rpc.domain.secret_text import HIDDEN, mask_credentials
from wallet_rpc.errors import InternalError

UNKNOWN = "(unknown)"
"""The log's name for an unknown method, since the real name is a text of the caller."""
OTHER = "(chain)"
"""The log's name for a method that was forwarded to a chain."""
UNREADABLE = "(unreadable)"
"""The log's name for a body that is not a JSON-RPC request."""
_WORDS = frozenset(
    {"", "v1", "v2", "chain", "health", "ready", "metrics", "openrpc.json", "openapi.json"}
    | {"api", "burner", "organizations", "sessions", "me"}
)
_CHAIN_ID = re.compile(r"[0-9]{1,10}", re.ASCII)
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"})

_IGNORE_LOG_ERRORS = contextlib.suppress(Exception)
"""Suppresses errors of the log itself (disk full, pipe closed), so that they change no response."""

log = structlog.get_logger("wallet_rpc")


@dataclass(slots=True)
class AccessLogEntry:
    """The log fields of one HTTP request, filled in while it is served."""

    entries: int | None = None
    methods: Counter[str] = field(default_factory=Counter)
    codes: list[int] = field(default_factory=list)
    """The code of each entry that failed."""

    def log_fields(self) -> dict[str, Any]:
        """Return the fields about methods and results; empty if no handler was reached."""
        if self.entries is None and not self.methods:
            return {}
        outcome = {"outcome": self.codes[0] if self.codes else "ok"}
        if self.entries is None:
            return {"method": next(iter(self.methods)), **outcome}
        return {"batch": self.entries, "methods": dict(self.methods), **outcome, "failed": len(self.codes)}


_access_entry: ContextVar[AccessLogEntry | None] = ContextVar("access_log_entry", default=None)
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def request_id() -> str:
    """Return the id of the current request; empty outside of any."""
    return _request_id.get() or ""


def record_result(method: str, code: int | None) -> None:
    """Record the result of one entry for the log line: an error code, or None for success."""
    entry = _access_entry.get()
    if entry is not None:
        entry.methods[method] += 1
        if code is not None:
            entry.codes.append(code)


def record_batch(entries: int) -> None:
    """Record for the log line that the body is a batch."""
    entry = _access_entry.get()
    if entry is not None:
        entry.entries = entries


def log_incident(raised: BaseException, **facts: Any) -> InternalError:
    """Log a bug under a new incident number and return the error that reveals only that number to the caller."""
    number = secrets.token_hex(8)
    with _IGNORE_LOG_ERRORS:
        log.error("incident", incident=number, exc_info=raised, **facts)
    return InternalError(number)


def mask_path(path: str) -> str:
    """Mask a path for the log: known words and chain ids stay, everything else is hidden."""
    parts = (part if part in _WORDS or _CHAIN_ID.fullmatch(part) else HIDDEN for part in path.split("/")[:8])
    return "/".join(parts)


class AccessLogMiddleware:
    """The outermost middleware: assigns the request id and logs one line when the request ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        id_of_request = _requested_id(Headers(scope=scope), scope["path"]) or f"req_{secrets.token_hex(8)}"
        entry = AccessLogEntry()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = id_of_request
            await send(message)

        entry_token = _access_entry.set(entry)
        id_token = _request_id.set(id_of_request)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            verb = scope["method"] if scope["method"] in _METHODS else HIDDEN
            milliseconds = round((time.perf_counter() - started) * 1000, 2)
            http_fields = {"verb": verb, "path": mask_path(scope["path"]), "status": status}
            with _IGNORE_LOG_ERRORS:
                log.info("request", **http_fields, **entry.log_fields(), ms=milliseconds)
            _access_entry.reset(entry_token)
            _request_id.reset(id_token)


def _requested_id(headers: Headers, path: str) -> str | None:
    """Return the request id that the caller sets, unless the id could forge a log line or may be a credential."""
    requested = headers.get("x-request-id", "")
    if not _SANE_ID.fullmatch(requested) or mask_credentials(requested) != requested:
        return None
    credentials = (*headers.getlist("x-api-key"), *headers.getlist("authorization"), path)
    return None if any(requested in _WORD.findall(text) for text in credentials) else requested


def _add_request_id(_logger: Any, _name: str, event: EventDict) -> EventDict:
    current = _request_id.get()
    if current is not None:
        event["request_id"] = current
    return event


def _mask(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Mask credentials in text from other code, such as the message of an exception."""
    for key in ("event", "exception"):
        if isinstance(event.get(key), str):
            event[key] = mask_credentials(event[key])
    return event


def configure(*, json: bool, quiet: bool = False) -> None:
    """Log to standard error, as JSON or as plain lines; the logs of libraries go there too.

    `quiet` drops events below warnings.
    """
    shared: list[Processor] = [
        _add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    render: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if json else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[meta, render]))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
