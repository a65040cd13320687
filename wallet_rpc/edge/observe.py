"""What the operator sees: one log line a request, and one for each incident with its traceback.

The rule: no body, no parameter, no signature and no key is ever written, not even a key that stands in the path.
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
"""Stands for a method that is not ours: its name is the caller's text."""
OTHER = "(chain)"
"""Stands for a method that was passed on to a chain."""
UNREADABLE = "(unreadable)"
"""Stands for what is not a JSON-RPC request."""
_WORDS = frozenset(
    {"", "v1", "v2", "chain", "health", "ready", "metrics", "openrpc.json", "openapi.json"}
    | {"api", "burner", "organizations", "sessions", "me"}
)
_CHAIN_ID = re.compile(r"[0-9]{1,10}", re.ASCII)
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"})

_IGNORE_LOG_ERRORS = contextlib.suppress(Exception)
"""A log that cannot be written (disk full, pipe closed) changes no answer."""

log = structlog.get_logger("wallet_rpc")


@dataclass(slots=True)
class AccessLogEntry:
    """What one HTTP request turned out to be; filled in as it is served."""

    entries: int | None = None
    methods: Counter[str] = field(default_factory=Counter)
    codes: list[int] = field(default_factory=list)
    """The code of each entry that failed."""

    def log_fields(self) -> dict[str, Any]:
        """The part of the log line that JSON-RPC knows; empty when no door was reached."""
        if self.entries is None and not self.methods:
            return {}
        outcome = {"outcome": self.codes[0] if self.codes else "ok"}
        if self.entries is None:
            return {"method": next(iter(self.methods)), **outcome}
        return {"batch": self.entries, "methods": dict(self.methods), **outcome, "failed": len(self.codes)}


_access_entry: ContextVar[AccessLogEntry | None] = ContextVar("exchange", default=None)
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def request_id() -> str:
    """The id of the request that is being served; empty outside of any."""
    return _request_id.get() or ""


def record_result(method: str, code: int | None) -> None:
    """For the log line: an entry for `method` ended, with an error code or (None) well."""
    exchange = _access_entry.get()
    if exchange is not None:
        exchange.methods[method] += 1
        if code is not None:
            exchange.codes.append(code)


def record_batch(entries: int) -> None:
    """For the log line: the body is a batch."""
    exchange = _access_entry.get()
    if exchange is not None:
        exchange.entries = entries


def log_incident(raised: BaseException, **facts: Any) -> InternalError:
    """Log a bug once, under a new number; the error that tells the caller that number and nothing else."""
    number = secrets.token_hex(8)
    with _IGNORE_LOG_ERRORS:
        log.error("incident", incident=number, exc_info=raised, **facts)
    return InternalError(number)


def mask_path(path: str) -> str:
    """The path as a log may have it: known words and chain ids stay, everything else is hidden."""
    parts = (part if part in _WORDS or _CHAIN_ID.fullmatch(part) else HIDDEN for part in path.split("/")[:8])
    return "/".join(parts)


class AccessLogMiddleware:
    """Outermost middleware: gives each request its id, and logs one line when it ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        number = _requested_id(Headers(scope=scope), scope["path"]) or f"req_{secrets.token_hex(8)}"
        exchange = AccessLogEntry()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = number
            await send(message)

        exchange_token, id_token = _access_entry.set(exchange), _request_id.set(number)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            verb = scope["method"] if scope["method"] in _METHODS else HIDDEN
            taken = round((time.perf_counter() - started) * 1000, 2)
            where = {"verb": verb, "path": mask_path(scope["path"]), "status": status}
            with _IGNORE_LOG_ERRORS:
                log.info("request", **where, **exchange.log_fields(), ms=taken)
            _access_entry.reset(exchange_token)
            _request_id.reset(id_token)


def _requested_id(headers: Headers, path: str) -> str | None:
    """The id that the caller gives, unless it could forge a line of the log, or is or may be a credential."""
    wished = headers.get("x-request-id", "")
    if not _SANE_ID.fullmatch(wished) or mask_credentials(wished) != wished:
        return None
    shown_elsewhere = (*headers.getlist("x-api-key"), *headers.getlist("authorization"), path)
    return None if any(wished in _WORD.findall(text) for text in shown_elsewhere) else wished


def _add_request_id(_logger: Any, _name: str, event: EventDict) -> EventDict:
    number = _request_id.get()
    if number is not None:
        event["request_id"] = number
    return event


def _mask(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Take credentials out of what others wrote, such as the message of an exception."""
    for key in ("event", "exception"):
        if isinstance(event.get(key), str):
            event[key] = mask_credentials(event[key])
    return event


def configure(*, json: bool, quiet: bool = False) -> None:
    """Log to standard error: JSON lines for machines, or plain lines for people. Libraries log there too.

    `quiet` leaves out what is not at least a warning.
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
