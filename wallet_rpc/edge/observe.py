"""Logging: one line for each request, and one for each incident with its traceback.

No body, parameter, signature or key is ever logged, not even a key in the path.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog

from wallet_rpc.domain.secret_text import HIDDEN, mask_credentials
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.log_lines import log_info
from wallet_rpc.edge.request_context import RequestContext
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


def log_request(context: RequestContext, *, verb: str, path: str, status: int | None, seconds: float) -> None:
    """Log the line of a request that has ended."""
    with _IGNORE_LOG_ERRORS:
        event = {
            "event": "request",
            "verb": verb if verb in _METHODS else HIDDEN,
            "path": mask_path(path),
            "status": status,
            **_result_fields(context),
            "ms": round(seconds * 1000, 2),
        }
        log_info(event)


def _result_fields(context: RequestContext) -> dict[str, Any]:
    """Return the log fields about methods and results; empty if no handler was reached."""
    results = context.results
    if context.batch_entries is None:
        return {"method": results[0][0], "outcome": _outcome(results)} if results else {}
    methods = dict(Counter(method for method, _ in results))
    failed = sum(code is not None for _, code in results)
    return {"batch": context.batch_entries, "methods": methods, "outcome": _outcome(results), "failed": failed}


def _outcome(results: Sequence[tuple[str, int | None]]) -> int | str:
    return next((code for _, code in results if code is not None), "ok")


def choose_request_id(fields: HeaderFields, path: str) -> str:
    """Return the request id that the caller sets, or a new one if it could forge a log line or may be a credential."""
    requested = fields.get(b"x-request-id")
    if requested == "" or not _SANE_ID.fullmatch(requested) or mask_credentials(requested) != requested:
        return f"req_{secrets.token_hex(8)}"
    credentials = (*fields.values_of(b"x-api-key"), *fields.values_of(b"authorization"), path)
    is_repeated = any(requested in _WORD.findall(text) for text in credentials)
    return f"req_{secrets.token_hex(8)}" if is_repeated else requested
