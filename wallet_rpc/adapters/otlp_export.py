"""Export of this process's traces to an OpenTelemetry collector, if OpenTelemetry's variables name one.

`OTEL_EXPORTER_OTLP_ENDPOINT` turns it on. OpenTelemetry is an optional package, imported only then; its SDK reads its
other variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from wallet_rpc import tracing
from wallet_rpc.config.settings import SettingError
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.domain.web_url import WEB_URL, is_web_url

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SAMPLER = re.compile(r"(?:parentbased_)?(?:always_on|always_off|traceidratio)", re.IGNORECASE)
_HEADER = r"[ \t]*[!#-'*+.0-9A-Z^-z|~-]+[ \t]*=[ !#-+\--:<-\[\]-~]*"
_HEADERS = re.compile(rf"{_HEADER}(?:,{_HEADER})*,?", re.IGNORECASE)


def _matches(form: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: form.fullmatch(text) is not None


_COUNT = _matches(re.compile(r"[1-9][0-9]{0,8}", re.ASCII)), "a whole number from 1"
_FILE = os.path.isfile, "the path of a file"
_OF_EXPORTER: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "HEADERS": (_matches(_HEADERS), "name=value, comma-separated, URL-encoded"),
    "TIMEOUT": (_matches(re.compile(r"[0-9]{1,6}(?:\.[0-9]+)?", re.ASCII)), "a number of seconds"),
    "COMPRESSION": (_matches(re.compile(r"none|gzip|deflate", re.IGNORECASE)), "none, gzip or deflate"),
    "CERTIFICATE": _FILE,
    "CLIENT_KEY": _FILE,
    "CLIENT_CERTIFICATE": _FILE,
}
_CHECKS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    **{f"OTEL_EXPORTER_OTLP_{name}": check for name, check in _OF_EXPORTER.items()},
    **{f"OTEL_EXPORTER_OTLP_TRACES_{name}": check for name, check in _OF_EXPORTER.items()},
    **{f"OTEL_BSP_{name}": _COUNT for name in ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE")},
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": _COUNT,
    "OTEL_TRACES_SAMPLER": (_matches(_SAMPLER), "always_on, always_off or traceidratio, also after parentbased_"),
    "OTEL_TRACES_SAMPLER_ARG": (_matches(re.compile(r"0?\.[0-9]+|[01](?:\.0*)?", re.ASCII)), "a number from 0 to 1"),
}
"""Checks and expected forms of variables. For a wrong value the SDK would log the value and use its default."""


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
    for each, (is_valid, form) in _CHECKS.items():
        if environ.get(each, "") != "" and not is_valid(environ[each]):
            raise SettingError(f"{each}: expected {form}")
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
    try:
        export = SpanExport(collector=mask_credentials(environ[name]))
    except ValueError as error:  # of the SDK, for sizes that do not fit together
        text = "expected at most OTEL_BSP_MAX_QUEUE_SIZE, which is 2048 by default"
        raise SettingError(f"OTEL_BSP_MAX_EXPORT_BATCH_SIZE: {text}") from error
    try:
        with tracing.install_tracer(export.tracer):
            yield
    finally:
        await export.end()
