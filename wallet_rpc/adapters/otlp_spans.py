"""Spans of OpenTelemetry's SDK, sent over OTLP/HTTP; the only module that imports OpenTelemetry.

Names and attributes are those of its semantic conventions for HTTP, RPC and databases. No attribute is a free text of
the caller: paths are masked, and methods are named only if they are known.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import Token
from types import TracebackType
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wallet_rpc import __version__
from wallet_rpc.errors import WalletError
from wallet_rpc.tracing import Peer, RequestSpan

FLUSH_SECONDS = 3.0
"""Maximum time to send the last spans when the server ends."""
_SERVICE = "wallet-rpc"
"""The service's name, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` has another."""
_UNNAMED = "unknown_service"
"""The beginning of the SDK's default name of a service."""
_W3C = TraceContextTextMapPropagator()
_NOTHING = nullcontext()

_log = structlog.get_logger("wallet_rpc")


class SpanExport:
    """The SDK with its exporter, which a thread runs: a slow or missing collector delays no request."""

    def __init__(self, *, collector: str) -> None:
        """Start the export; `collector` is the collector's URL in the log, without credentials.

        Raises: ValueError for variables that the SDK rejects.
        """
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # its lines repeat values, and each attempt
        resource = Resource({"service.version": __version__, "service.instance.id": str(uuid.uuid4())})
        resource = resource.merge(Resource.create())
        if str(resource.attributes.get("service.name")).startswith(_UNNAMED):
            resource = resource.merge(Resource({"service.name": _SERVICE}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = _LoggedExporter(OTLPSpanExporter(), collector)
        try:
            processor = BatchSpanProcessor(exporter)
        except ValueError:
            exporter.shutdown()
            raise
        self._provider.add_span_processor(processor)
        self.tracer = SpanTracer(self._provider.get_tracer(_SERVICE, __version__))

    async def end(self) -> None:
        """Send the last spans, as far as the collector takes them in time."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is closed, since the time has passed
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=end, name="traces", daemon=True).start()  # the SDK's own limit is 30 s
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), FLUSH_SECONDS)


class _LoggedExporter(SpanExporter):
    """An exporter that logs when the collector takes no spans, and when it takes them again; each change once."""

    def __init__(self, exporter: OTLPSpanExporter, collector: str) -> None:
        self._exporter = exporter
        self._collector = collector
        self._is_failing = False
        self._attempts = logging.getLogger(type(exporter).__module__)
        self._attempts.setLevel(logging.WARNING)
        self._attempts.addFilter(self._note_failure)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS and self._is_failing:
            self._is_failing = False
            _log.warning("traces_sent_again", collector=self._collector)
        return result

    def shutdown(self) -> None:
        """Let no further attempt begin."""
        self._attempts.removeFilter(self._note_failure)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # OpenTelemetry

    def _note_failure(self, record: logging.LogRecord) -> bool:
        """Log the first of the exporter's own lines about failed attempts, which contain parts of the URL."""
        if not self._is_failing:
            self._is_failing = True
            arguments = record.args if isinstance(record.args, tuple) else ()
            status = next((each for each in arguments if isinstance(each, int)), None)
            _log.warning("traces_not_sent", collector=self._collector, status=status)
        return False


class SpanTracer:
    """`tracing.Tracer` on OpenTelemetry."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def start_request(self, verb: str, parent: Mapping[str, str]) -> RequestSpan:
        """Start the span of a request, within the trace of the caller's headers if they are valid."""
        attributes = {"http.request.method": verb, "url.scheme": "http"}
        context = _W3C.extract(parent, Context())
        return _RequestSpan(self._tracer.start_span(verb, context, SpanKind.SERVER, attributes))

    def start_entry(self) -> RequestSpan:
        """Start the span of an entry of a batch."""
        return _RequestSpan(self._tracer.start_span("entry"))

    def resume(self, traceparent: str | None, name: str, facts: Mapping[str, str]) -> AbstractContextManager[object]:
        """Return the block of later work for a request."""
        context = _W3C.extract({} if traceparent is None else {"traceparent": traceparent}, Context())
        return _Block(self._tracer.start_span(name, context, SpanKind.CONSUMER, dict(facts)))

    def watch_call(self, peer: Peer, method: str, script: str) -> AbstractContextManager[object]:
        """Return the block of a call to another server; a call of no request, such as a probe, has no span."""
        if not trace.get_current_span().get_span_context().is_valid:
            return _NOTHING
        attributes: dict[str, str | int] = {"wallet_rpc.part": peer.part}
        if peer.part == "redis":
            attributes |= {"db.system.name": "redis", "db.operation.name": method}
            if script != "":
                attributes["db.stored_procedure.name"] = script
        else:
            attributes |= {"rpc.system": "jsonrpc", "rpc.system.name": "jsonrpc", "rpc.method": method}
        if peer.host != "":
            attributes["server.address"] = peer.host
        if peer.port is not None:
            attributes["server.port"] = peer.port
        return _Block(self._tracer.start_span(method, None, SpanKind.CLIENT, attributes))

    def headers(self) -> Mapping[str, str]:
        """Return the headers that pass the current span on."""
        headers: dict[str, str] = {}
        _W3C.inject(headers)
        return headers

    def trace_id(self) -> str:
        """Return the id of the current trace."""
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else ""


class _Block:
    """A span that is current in a block, whose exception is its outcome."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> None:
        self._token: Token[Context] = attach(trace.set_span_in_context(self._span))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_of_error: TracebackType | None
    ) -> None:
        detach(self._token)
        if error is not None:
            kind_of_error = error.reason if isinstance(error, WalletError) else type(error).__name__
            self._span.set_attribute("error.type", kind_of_error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class _RequestSpan:
    """The span of a request, or of an entry of a batch."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token: Token[Context] = attach(trace.set_span_in_context(span))

    def end(self, facts: Mapping[str, Any]) -> None:
        """End the span with the facts of its line in the log."""
        detach(self._token)
        if self._span.is_recording():
            self._describe(facts)
        self._span.end()

    def _describe(self, facts: Mapping[str, Any]) -> None:
        span, method, status = self._span, facts.get("method"), facts.get("status")
        code, reason = facts.get("code"), facts.get("reason")
        attributes = {
            "url.path": facts.get("path"),
            "http.response.status_code": status,
            "wallet_rpc.request_id": facts.get("id"),
            "wallet_rpc.batch_entries": facts.get("batch"),
            "wallet_rpc.entry": facts.get("entry"),
            "rpc.response.status_code": None if code is None else str(code),
            "error.type": reason,
        }
        if method is not None:
            span.update_name(method)
            attributes |= {"rpc.system": "jsonrpc", "rpc.system.name": "jsonrpc", "rpc.method": method}
        elif "batch" in facts:
            span.update_name("batch")
        span.set_attributes({name: value for name, value in attributes.items() if value is not None})
        if code is not None or (status is not None and status >= 500):
            span.set_status(StatusCode.ERROR, reason)
