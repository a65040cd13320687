"""OpenTelemetry collector: it receives spans over OTLP/HTTP, as protobuf, and keeps them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.support.constants import LONGEST_SECONDS
from tests.support.http_stub import Answer, open_stub

CLIENT, SERVER = SpanMessage.SPAN_KIND_CLIENT, SpanMessage.SPAN_KIND_SERVER


@dataclass(frozen=True)
class Span:
    """Received span, and the process that sent it."""

    trace_id: str
    id: str
    parent: str
    """Id of the parent; empty for the first span of a trace."""
    kind: int
    name: str
    is_error: bool
    attributes: dict[str, Any]
    process: dict[str, Any]
    """Attributes of the process: its service's name, version and id."""


@dataclass
class Collector:
    """Collector with the spans that it has received; it rejects the first `rejections` requests with 503."""

    url: str = ""
    rejections: int = 0
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    """Path and body of each request."""
    spans: list[Span] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        with self._lock:
            self.requests.append((handler.path, body))
            if len(self.requests) <= self.rejections:
                return Answer(b"", 503)
            self.spans += _read_spans(body)
        return Answer(b"")

    def of_trace(self, trace_id: str) -> list[Span]:
        return [span for span in list(self.spans) if span.trace_id == trace_id]

    def wait_for(self, find: Callable[[], bool], description: str) -> None:
        """Wait for spans. Raises: AssertionError with the description after `LONGEST_SECONDS`."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not find():
            assert time.monotonic() < deadline, f"no {description} among {sorted({span.name for span in self.spans})}"
            time.sleep(0.02)


def _read_spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        process = {each.key: _read_value(each.value) for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    trace_id=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    kind=span.kind,
                    name=span.name,
                    is_error=span.status.code == Status.STATUS_CODE_ERROR,
                    attributes={each.key: _read_value(each.value) for each in span.attributes},
                    process=process,
                )


def _read_value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)


@contextmanager
def serve_collector() -> Iterator[Collector]:
    """Serve a collector on a free port until the block ends."""
    collector = Collector()
    with open_stub(collector.handle) as url:
        collector.url = url
        yield collector
