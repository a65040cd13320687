"""Rows that compare a server that serves metrics with one that does not; `make bench` measures them by name only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.bench.light_rows import repeat
from tests.bench.load import Rate, send_all
from tests.bench.parts import Parts
from tests.bench.processes import Served
from tests.bench.requests import encode_request, session_requests
from tests.bench.rows import Row, Subject

_CONNECTIONS = 16
_LEAST = 0.97
"""The least ratio of the rates: metrics cost at most 3 %."""


async def _servers(parts: Parts) -> list[tuple[str, Served]]:
    return [("with metrics", await parts.dev(has_metrics=True)), ("without", await parts.dev())]


async def _repeat(parts: Parts, *, method: str, expected: bytes) -> Sequence[Subject]:
    body = encode_request(method)
    return [repeat(name, served, [body], 8_000, expected=expected) for name, served in await _servers(parts)]


async def _create_sessions(parts: Parts) -> Sequence[Subject]:
    def build_subject(name: str, served: Served) -> Subject:
        async def run(part: float) -> Rate:
            bodies = session_requests("root", int(2_500 * part))
            return await send_all(f"{served.url}/v2/{parts.api_key}", bodies, connections=_CONNECTIONS)

        return Subject(name, served, run)

    return [build_subject(*server) for server in await _servers(parts)]


METRICS_ROWS = (
    Row(
        key="metrics-unknown-method",
        work="metrics on and off: an unknown method",
        subjects=partial(_repeat, method="wallet_unknownMethod", expected=b"-32601"),
        target=_LEAST,
    ),
    Row(
        key="metrics-chain-id",
        work="metrics on and off: `eth_chainId`",
        subjects=partial(_repeat, method="eth_chainId", expected=b'"result":'),
        target=_LEAST,
    ),
    Row(
        key="metrics-create-session",
        work="metrics on and off: `wallet_createSession`, root",
        subjects=_create_sessions,
        target=_LEAST,
    ),
)
"""Rows whose ratio of CPU seconds is the cost of metrics."""
