"""Incidents: stored records of bugs, each with the number that its caller got, without values of the request."""

from __future__ import annotations

import hashlib
import re
import traceback

from wallet_rpc.domain.secret_text import mask_credentials, mask_line
from wallet_rpc.wire import shape

INCIDENT_VERSION = 1
"""Format version of the records that this code writes."""
KEPT_INCIDENTS = 200
"""The number of incidents that are kept; the oldest ones go first."""
KEPT_ALIKE = 20
"""The number of those that are the same bug, so that a frequent one does not displace the others."""
LONGEST_TRACEBACK = 8_000
"""The maximum length of a stored traceback, of which the end is kept."""
_FRAME = re.compile(r'([ |]*)File ".+", line \d+')
_MARKERS = re.compile(r"[ |]*[~^]+")


@shape
class Incident:
    """A bug, or the unexpected end of a worker: where and when it occurred."""

    version: int = INCIDENT_VERSION
    id: str
    """The number in the caller's error and in the log."""
    at_milliseconds: int
    """Time since 1970."""
    kind: str
    """The class of the exception, or `WorkerEnded`."""
    method: str | None = None
    """The method or operation; a word in parentheses for work of no request."""
    request_id: str | None = None
    entry: int | None = None
    """The position of the entry in a batch."""
    trace_id: str | None = None
    server: str = ""
    """Version, host and process of the server."""
    traceback: str = ""
    """The traceback; messages of exceptions without quoted text, long words and credentials."""

    @property
    def bug(self) -> str:
        """A digest that is the same for all incidents of one bug, in 16 hex digits."""
        return hashlib.sha256(f"{self.kind} {self.method} {self.traceback}".encode()).hexdigest()[:16]


def format_traceback(raised: BaseException) -> str:
    """Format the traceback of an exception, with those of its causes, without values that its messages quote.

    Lines of code are kept. All other lines may be parts of a message.
    """
    kept: list[str] = []
    code_indent: int | None = None
    for line in "".join(traceback.format_exception(raised)).splitlines():
        frame = _FRAME.match(line)
        is_code = code_indent is not None and len(line) - len(line.lstrip(" |")) == code_indent
        is_code = is_code or (code_indent is None and _MARKERS.fullmatch(line) is not None)
        kept.append(mask_credentials(line) if frame or is_code else mask_line(line))
        code_indent = None if frame is None else len(frame[1]) + 2
    text = "\n".join(kept).encode("utf-8", "backslashreplace").decode()  # a message may quote a lone surrogate
    return text if len(text) <= LONGEST_TRACEBACK else f"…{text[-LONGEST_TRACEBACK:]}"
