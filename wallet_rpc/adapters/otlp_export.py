"""Export of this process's traces to an OpenTelemetry collector, if OpenTelemetry's variables name one.

`OTEL_EXPORTER_OTLP_ENDPOINT` turns it on. OpenTelemetry is an optional package, imported only then; its SDK reads its
other variables.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from wallet_rpc import tracing
from wallet_rpc.config.settings import SettingError
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.domain.web_url import WEB_URL, is_web_url

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def find_endpoint(environ: Mapping[str, str]) -> str | None:
    """Return the variable that names the collector; None if traces are off.

    Raises: SettingError for a variable of OpenTelemetry whose value is not supported.
    """
    exporter = environ.get(_EXPORTER, "")
    if exporter not in {"", "otlp", "none"}:
        raise SettingError(f"{_EXPORTER}: expected otlp, or none for no traces")
    name = next((each for each in _ENDPOINTS if environ.get(each, "") != ""), None)
    if name is None or exporter == "none" or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if not is_web_url(environ[name]):
        raise SettingError(f"{name}: expected {WEB_URL}")
    for each in _PROTOCOLS:
        if environ.get(each, "") not in {"", "http/protobuf"}:
            text = "expected http/protobuf, the protocol in which wallet-rpc sends traces"
            raise SettingError(f"{each}: {text}; {_EXPORTER}=none turns them off")
    return name


@asynccontextmanager
async def export_traces(environ: Mapping[str, str]) -> AsyncIterator[None]:
    """Trace and send the spans in the background while the block runs, if the environment names a collector.

    Raises: SettingError for a wrong value of a variable, or if OpenTelemetry is not installed.
    """
    name = find_endpoint(environ)
    if name is None:
        yield
        return
    try:
        from wallet_rpc.adapters.otlp_spans import SpanExport  # noqa: PLC0415  # imports the optional packages
    except ImportError:
        text = "set, but OpenTelemetry is not installed: run pip install 'wallet-rpc[otel]', or unset the variable"
        raise SettingError(f"{name}: {text}") from None
    export = SpanExport(collector=mask_credentials(environ[name]))
    try:
        with tracing.install_tracer(export.tracer):
            yield
    finally:
        await export.end()
