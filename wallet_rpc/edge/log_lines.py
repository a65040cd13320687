"""Form of the log: one line for each event on standard error, as JSON or as plain text, without credentials.

A thread writes the lines, in groups: a slow reader of the log then delays no request. The lines of the last
`GROUP_SECONDS` are lost if the process is killed.
"""

from __future__ import annotations

import atexit
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, TextIO

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, Processor

from wallet_rpc import tracing
from wallet_rpc.domain.incident import format_traceback
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.edge.request_context import current_context

GROUP_SECONDS = 0.05
"""The time for which lines are collected before they are written together."""
MAX_PENDING_LINES = 100_000
"""The maximum number of lines that wait for a slow reader of the log; further ones are dropped and counted."""


class LineWriter:
    """Writes lines to a stream, in a thread that starts with the first line, or without a thread at once."""

    def __init__(self, stream: TextIO, *, has_thread: bool = True) -> None:
        self._stream = stream
        self._has_thread = has_thread
        self._start()
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        """Begin without a thread and without lines, also in a process that was forked."""
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._thread: threading.Thread | None = None
        self._has_lines = threading.Event()
        self._writing = threading.Lock()

    def msg(self, line: str) -> None:
        """Write a line, soon."""
        if len(self._lines) < MAX_PENDING_LINES:
            self._lines.append(line)
        else:
            self._dropped += 1
        if not self._has_thread:
            self.flush()
        elif not self._has_lines.is_set():
            self._has_lines.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    debug = info = warning = error = critical = exception = msg

    def flush(self) -> None:
        """Write the pending lines now."""
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self._dropped:
                lines.append(f"log_lines_dropped: {self._dropped}")
                self._dropped = 0
            for group in _group_lines(lines):
                self._stream.write(group)
                self._stream.flush()

    def _run(self) -> None:
        while True:
            self._has_lines.wait()
            time.sleep(GROUP_SECONDS)
            self._has_lines.clear()
            with suppress(OSError, ValueError):  # the log is closed or full, which must end no server
                self.flush()


def _group_lines(lines: list[str]) -> list[str]:
    """Join lines to texts that a pipe takes as a whole, so that lines of several processes do not mix."""
    groups: list[str] = []
    size = select.PIPE_BUF
    for line in lines:
        size += len(line) + 1  # the lines are mostly ASCII
        if size > select.PIPE_BUF:
            groups.append("")
            size = len(line) + 1
        groups[-1] += f"{line}\n"
    return groups


_writer: LineWriter | None = None
_level = logging.INFO


def flush() -> None:
    """Write the pending lines of the log now."""
    if _writer is not None:
        _writer.flush()


def _flush_at_exit() -> None:
    with suppress(OSError, ValueError):  # the log is closed or full
        flush()


atexit.register(_flush_at_exit)


def log_info(event: EventDict) -> None:
    """Log an event with its fields, as the method `info` of a logger, whose binding of fields takes twice the time."""
    if _level > logging.INFO:
        return
    line: Any = event
    try:
        for processor in structlog.get_config()["processors"]:
            line = processor(_writer, "info", line)
    except structlog.DropEvent:
        return
    if _writer is not None:
        _writer.msg(line)


def _add_facts(_logger: Any, level: str, event: EventDict) -> EventDict:
    """Add the ids of the request, of its entry in a batch and of its trace, the level and the time."""
    context = current_context()
    if context.id:
        event["request_id"] = context.id
    if context.entry is not None:
        event["entry"] = context.entry
    if tracing.tracer is not None and (trace_id := tracing.tracer.trace_id()):
        event["trace_id"] = trace_id
    event["level"] = level
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    event["timestamp"] = f"{_format_second(seconds)}.{microseconds:06}Z"
    return event


@lru_cache(maxsize=1)
def _format_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]


_add_exception = structlog.processors.ExceptionRenderer(lambda raised: format_traceback(raised[1]))
"""Adds a traceback without values that messages quote, as incidents are stored."""


def _mask(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Mask credentials in text from other code, such as a line of a library."""
    if isinstance(event.get("event"), str):
        event["event"] = mask_credentials(event["event"])
    return event


def _render_json(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
    return to_json(event, fallback=repr).decode()


def _render_plain(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
    """Render an event as text: time, level, event and its fields in alphabetical order, then an exception."""
    start = f"{event.pop('timestamp')} [{event.pop('level'):<9}] {event.pop('event'):<30}"
    exception = event.pop("exception", None)
    fields = " ".join(f"{name}={_format_plain(value)}" for name, value in sorted(event.items()))
    return f"{start} {fields}".rstrip() + ("" if exception is None else f"\n{exception}")


def _format_plain(value: Any) -> str:
    text = str(value)
    return text if isinstance(value, int | float) or text.isidentifier() else repr(value)


def _add_worker(worker: int, _logger: Any, _name: str, event: EventDict) -> EventDict:
    event["worker"] = worker
    return event


def configure(*, json: bool, level: str = "info", worker: int | None = None, has_thread: bool = True) -> None:
    """Log to standard error, as JSON or as plain lines; the warnings of libraries go there too.

    Lines below `level` are dropped. `worker` is the number of this worker process, for its lines. Without a thread
    lines are written at once, in a process that forks others.
    """
    global _writer, _level  # noqa: PLW0603  # the log of the process
    writer = _writer = LineWriter(sys.stderr, has_thread=has_thread)
    _level = logging.getLevelNamesMapping()[level.upper()]
    render: Processor = _render_json if json else _render_plain
    number: list[Processor] = [] if worker is None else [partial(_add_worker, worker)]
    own: list[Processor] = [*number, _add_facts, _add_exception, _mask]
    structlog.configure(
        processors=[*own, render],
        wrapper_class=structlog.make_filtering_bound_logger(_level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )
    least = max(logging.WARNING, _level)  # libraries may log requests at lower levels
    logging.basicConfig(handlers=[_LibraryHandler(writer, own, render)], level=least, force=True)


class _LibraryHandler(logging.Handler):
    """Writes the log of libraries in the same form."""

    def __init__(self, writer: LineWriter, own: list[Processor], render: Processor) -> None:
        super().__init__()
        meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        self.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=own, processors=[meta, render]))
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self._writer.msg(self.format(record))
        except (OSError, ValueError):
            self.handleError(record)
