"""Export of traces: the variables that turn it on, collectors that fail, and a server without OpenTelemetry."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler

import pytest
from opentelemetry.util.re import parse_env_headers
from structlog.testing import capture_logs

from tests.contract.waiting import until
from tests.support.collector import serve_collector
from tests.support.constants import LONGEST_SECONDS
from tests.support.http_stub import Answer, open_stub
from wallet_rpc import tracing
from wallet_rpc.adapters import otlp_spans
from wallet_rpc.adapters.otlp_export import export_traces, find_endpoint
from wallet_rpc.config.settings import SettingError

HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
ENDPOINT, TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
URL = "https://user:hunter2@collector.example:4318/key"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send spans at once; the SDK reads the variable."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")


def record_request() -> str:
    """Record the span of a request, and return the `traceparent` for its calls."""
    assert tracing.tracer is not None
    span = tracing.tracer.start_request("POST", {})
    header = tracing.current_traceparent()
    span.end({"event": "request", "verb": "POST", "path": "/", "status": 200})
    assert header is not None
    return header


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({}, None),
        ({ENDPOINT: ""}, None),
        ({ENDPOINT: URL}, ENDPOINT),
        ({TRACES_ENDPOINT: URL, ENDPOINT: "ftp://"}, TRACES_ENDPOINT),
        ({ENDPOINT: URL, "OTEL_TRACES_EXPORTER": "otlp"}, ENDPOINT),
        ({ENDPOINT: URL, "OTEL_TRACES_EXPORTER": "none"}, None),
        ({ENDPOINT: URL, "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, None),
    ],
)
def test_the_variables_of_opentelemetry_turn_traces_on(environ: dict[str, str], variable: str | None) -> None:
    assert find_endpoint(environ) == variable


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({ENDPOINT: "collector:4318"}, f"{ENDPOINT}: expected a URL starting with http:// or https://"),
        ({ENDPOINT: URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf"),
        ({ENDPOINT: URL, "OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER: expected otlp, or none"),
        ({ENDPOINT: URL, HEADERS: "authorization Bearer hunter2"}, f"{HEADERS}: expected name=value"),
        ({ENDPOINT: URL, HEADERS: "a=1,authorization: hunter2"}, f"{HEADERS}: expected name=value"),
        ({ENDPOINT: URL, "OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "OTEL_EXPORTER_OTLP_TIMEOUT: expected a number"),
        ({ENDPOINT: URL, "OTEL_EXPORTER_OTLP_COMPRESSION": "br"}, "OTEL_EXPORTER_OTLP_COMPRESSION: expected none"),
        ({ENDPOINT: URL, "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "/no/such/file"}, "OTEL_EXPORTER_OTLP_TRACES_CERT"),
        ({ENDPOINT: URL, "OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "OTEL_BSP_MAX_QUEUE_SIZE: expected a whole number from 1"),
        ({ENDPOINT: URL, "OTEL_TRACES_SAMPLER": "sometimes"}, "OTEL_TRACES_SAMPLER: expected always_on"),
        ({ENDPOINT: URL, "OTEL_TRACES_SAMPLER_ARG": "10%"}, "OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1"),
    ],
)
async def test_a_value_that_is_not_supported_stops_the_start(environ: dict[str, str], error: str) -> None:
    with pytest.raises(SettingError) as raised:
        await export_traces(environ).__aenter__()

    assert str(raised.value).startswith(error)
    assert "hunter2" not in str(raised.value)


async def test_sizes_that_do_not_fit_together_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096")  # the SDK reads it

    with pytest.raises(SettingError, match="OTEL_BSP_MAX_EXPORT_BATCH_SIZE: expected at most OTEL_BSP_MAX_QUEUE_SIZE"):
        await export_traces({ENDPOINT: URL}).__aenter__()


@pytest.mark.parametrize(
    "value", ["authorization=Bearer%20abc", "authorization=Bearer abc==", "a=1, x-key = b/c:d ,c=", "a=1,"]
)
async def test_headers_that_the_sdk_accepts_are_accepted(value: str) -> None:
    assert find_endpoint({ENDPOINT: URL, HEADERS: value}) == ENDPOINT
    assert list(parse_env_headers(value, liberal=True)) == [
        each.split("=")[0].strip() for each in value.split(",")[:3] if each
    ]


async def test_no_line_of_the_sdk_repeats_a_value(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "token hunter2")
    logging.getLogger("opentelemetry").setLevel(logging.NOTSET)

    async with export_traces({ENDPOINT: URL}):
        pass

    assert "hunter2" not in caplog.text


async def test_without_opentelemetry_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wallet_rpc.adapters.otlp_spans", None)  # its import then fails

    with pytest.raises(SettingError) as raised:
        await export_traces({ENDPOINT: URL}).__aenter__()

    assert str(raised.value).startswith(f"{ENDPOINT}: set, but OpenTelemetry is not installed")
    assert "run pip install 'wallet-rpc[otel]'" in str(raised.value)


def test_a_server_without_traces_does_not_import_the_exporter() -> None:
    modules = {"wallet_rpc.adapters.otlp_spans", "opentelemetry.exporter"}  # redis-py imports the API where it is there
    code = f"import sys, wallet_rpc.cli.serve, wallet_rpc.dev_server; print(sys.modules.keys() & {modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)  # noqa: S603  # a constant

    assert run.stdout == "set()\n"


async def test_an_unavailable_collector_is_logged_once_and_so_is_its_return(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_collector() as collector:
        monkeypatch.setenv(ENDPOINT, collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(LONGEST_SECONDS))  # it gives a batch up after 10 s else
        collector.rejections = 2
        with capture_logs() as logs:
            async with export_traces({ENDPOINT: f"{collector.url}/?key=hunter2"}):
                headers = [record_request(), record_request()]
                await until(lambda: _has_line(logs, "traces_sent_again"))
                headers.append(record_request())

    lines = [line for line in logs if line["event"].startswith("traces_")]
    assert [line["event"] for line in lines] == ["traces_not_sent", "traces_sent_again"]
    assert {line["collector"] for line in lines} == {f"{collector.url}/…"}
    assert lines[0]["log_level"] == "warning"
    sent = [collector.of_trace(header.split("-")[1]) for header in headers]  # servers of other tests send theirs too
    assert [len(spans) for spans in sent] == [1, 1, 1]


async def _has_line(logs: Sequence[Mapping[str, object]], event: str) -> bool:
    return any(line["event"] == event for line in logs)


async def test_a_collector_that_is_silent_delays_the_end_of_the_server_no_longer_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(otlp_spans, "FLUSH_SECONDS", 0.05)
    begun, goes_on = threading.Event(), threading.Event()

    def wait(_: BaseHTTPRequestHandler, __: bytes) -> Answer:
        begun.set()
        goes_on.wait(60)
        return Answer(b"")

    with open_stub(wait) as url:
        monkeypatch.setenv(ENDPOINT, url)
        try:
            async with export_traces({ENDPOINT: url}):
                record_request()
                assert await _is_set(begun)
            assert "traces" in {thread.name for thread in threading.enumerate()}  # it still waits for the collector
        finally:
            goes_on.set()


async def _is_set(event: threading.Event) -> bool:
    async def check() -> bool:
        return event.is_set()

    await until(check)
    return True


async def test_the_sampler_of_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with serve_collector() as collector:
        monkeypatch.setenv(ENDPOINT, collector.url)
        async with export_traces({ENDPOINT: collector.url}):
            header = record_request()

    assert int(header.rpartition("-")[2], 16) & 1 == 0  # passed on, as not sampled
    assert collector.requests == []


async def test_without_a_tracer_there_is_no_header() -> None:
    assert tracing.tracer is None
    assert tracing.trace_headers() == {}
