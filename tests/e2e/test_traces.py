"""OpenTelemetry traces of a real server with two workers, as a collector receives them over OTLP/HTTP."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx2
import pytest

from tests.e2e.process import Server, until
from tests.e2e.stacks import Stack
from tests.support.collector import CLIENT, SERVER, Collector, Span, serve_collector
from tests.support.constants import CHAINS, FRIEND
from tests.support.http_stub import Answer, open_stub
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION
from wallet_rpc.primitives import Hash32

CHAIN = CHAINS[0]
URL_KEY = "upstream-key-5f3759df"
PATH_KEY = "path-key-0451"


@dataclass
class Upstream:
    """Recording proxy in front of the embedded chain: the methods and the trace context of each POST."""

    home: str
    posts: list[tuple[list[str], str]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    """Methods whose next request fails."""

    def handle(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        parsed = json.loads(body)
        entries = parsed if isinstance(parsed, list) else [parsed]
        methods = [entry["method"] for entry in entries]
        self.posts.append((methods, handler.headers.get("traceparent", "")))
        if self.failing & set(methods):
            self.failing -= set(methods)
            return Answer(b"", 500)
        return Answer(httpx2.post(self.home, content=body, timeout=60).content)

    def of_trace(self, trace_id: str) -> list[tuple[list[str], str]]:
        return [(methods, header) for methods, header in self.posts if f"-{trace_id}-" in header]


@dataclass(frozen=True)
class Traced:
    """A server that exports its traces, with what it calls."""

    server: Server
    collector: Collector
    upstream: Upstream
    upstream_url: str
    redis: str

    def log(self) -> list[dict[str, Any]]:
        lines = [line for line in self.server.output().splitlines(keepends=True) if line.startswith("{")]
        return [json.loads(line) for line in lines if line.endswith("\n")]


@pytest.fixture(scope="module")
def traced(dev_stack: Stack, own_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    folder = tmp_path_factory.mktemp("traced")
    upstream = Upstream(dev_stack.nodes[CHAIN])
    with serve_collector() as collector, open_stub(upstream.handle) as url:
        chains = f"{CHAIN}={url}/{URL_KEY},{url}/{URL_KEY},{url}/{URL_KEY}"
        settings = {"CHAINS": chains, "REDIS_URL": own_redis.url, "OPEN": "yes", "WORKERS": "2", "LOG_LEVEL": "debug"}
        with pytest.MonkeyPatch.context() as environ:
            environ.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
            environ.setenv("OTEL_SERVICE_NAME", "shop-wallet")
            environ.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
            starting = Server("serve", folder=folder, **settings)
        with starting as server:
            yield Traced(server, collector, upstream, url, own_redis.url)


@contextmanager
def open_client(traced: Traced, path: str = "") -> Iterator[tuple[Client, str, str]]:
    """Yield a client whose requests belong to a new trace, with the ids of the trace and of the client's span."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    http = httpx2.Client(timeout=60, headers={"traceparent": f"00-{trace_id}-{span_id}-01"})
    with http:
        yield Client(traced.server.url + path, traced.upstream.home, http=http), trace_id, span_id


def children(spans: list[Span], parent: Span) -> list[Span]:
    return [span for span in spans if span.parent == parent.id]


def test_nodes_and_bundlers_get_the_header_of_the_call_that_they_serve(traced: Traced) -> None:
    with open_client(traced) as (client, trace_id, _):
        Wallet(client).fund(tokens=0).prepare({"to": FRIEND})
    collector, upstream = traced.collector, traced.upstream
    collector.wait_for(
        lambda: any(span.name == "wallet_prepareCalls" for span in collector.of_trace(trace_id)), "request"
    )

    calls = {span.id: span.name for span in collector.of_trace(trace_id) if span.kind == CLIENT}
    posts = upstream.of_trace(trace_id)
    assert {"eth_call", "eth_estimateUserOperationGas"} <= {method for methods, _ in posts for method in methods}
    for methods, header in posts:
        assert calls[header.split("-")[2]] in methods


def test_requests_that_run_at_once_stay_in_their_own_traces(traced: Traced) -> None:
    def request(_number: int) -> str:
        with open_client(traced) as (client, trace_id, _):
            for _ in range(5):
                client.rpc("eth_getBalance", FRIEND, "latest")
            return trace_id

    with ThreadPoolExecutor(8) as pool:
        traces = list(pool.map(request, range(8)))

    for trace_id in traces:
        assert sum(methods.count("eth_getBalance") for methods, _ in traced.upstream.of_trace(trace_id)) == 5


def test_a_span_has_the_outcome_of_its_request_and_no_secret(traced: Traced) -> None:
    with open_client(traced, f"/v2/{PATH_KEY}") as (client, trace_id, _):
        entries = [
            {"jsonrpc": "2.0", "id": 1, "method": "wallet_requestAccount", "params": [{"signerAddress": "hunter2"}]},
            {"jsonrpc": "2.0", "id": 2, "method": "eth_chainId"},
            {"jsonrpc": "2.0", "id": 3, "method": "hunter3"},
        ]
        client.post(entries)
        client.post({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": FRIEND}, "hunter4"]})
    collector = traced.collector
    collector.wait_for(lambda: any(span.name == "batch" for span in collector.of_trace(trace_id)), "batch")
    collector.wait_for(lambda: any(span.name == "eth_call" for span in collector.of_trace(trace_id)), "eth_call")

    (batch,) = [span for span in collector.of_trace(trace_id) if span.name == "batch"]
    found = {span.attributes["wallet_rpc.entry"]: span for span in children(collector.of_trace(trace_id), batch)}
    assert [found[number].name for number in range(3)] == ["wallet_requestAccount", "eth_chainId", "(chain)"]
    assert [found[number].is_error for number in range(3)] == [True, False, True]
    assert found[0].attributes["error.type"] == "invalid_params"
    assert found[0].attributes["rpc.response.status_code"] == "-32602"
    assert (batch.is_error, batch.attributes["http.response.status_code"]) == (True, 200)
    assert batch.attributes["url.path"] == "/v2/…"
    exported = b" ".join(body for _, body in collector.requests)
    assert FRIEND.encode() not in exported
    for secret in (URL_KEY, PATH_KEY, "hunter"):
        assert secret.encode() not in exported


def test_each_worker_exports_its_own_spans_under_the_services_name(traced: Traced) -> None:
    collector = traced.collector

    def workers() -> set[str]:
        httpx2.get(f"{traced.server.url}/health", timeout=60)
        return {span.process["service.instance.id"] for span in list(collector.spans)}

    until(lambda: len(workers()) == 2, "spans of two workers")

    assert {path for path, _ in collector.requests} == {"/v1/traces"}
    assert {span.process["service.name"] for span in collector.spans} == {"shop-wallet"}


def test_a_request_without_a_trace_begins_one_which_its_line_in_the_log_names(traced: Traced) -> None:
    malformed = {"traceparent": "00-not-a-trace-01", "x-request-id": "begins-one"}
    httpx2.get(f"{traced.server.url}/health", headers=malformed, timeout=60)
    collector = traced.collector

    def find() -> list[Span]:
        return [span for span in list(collector.spans) if span.attributes.get("wallet_rpc.request_id") == "begins-one"]

    collector.wait_for(lambda: find() != [], "request")
    (span,) = find()
    until(lambda: "begins-one" in traced.server.output(), "logged")
    (line,) = [line for line in traced.log() if line.get("request_id") == "begins-one"]
    assert (span.parent, span.name, span.is_error) == ("", "GET", False)
    assert line["trace_id"] == span.trace_id


async def test_one_trace_covers_a_call_from_its_request_to_its_delivery(traced: Traced) -> None:
    with open_client(traced) as (client, trace_id, span_id):
        client.http.headers["x-request-id"] = f"all-{trace_id}"
        wallet = Wallet(client).fund(tokens=0)
        prepared = wallet.prepare({"to": FRIEND})
        traced.upstream.failing.add("eth_sendUserOperation")
        call_id = wallet.send(prepared, wallet.owner)
    async with RedisStore.open(traced.redis) as store:  # a worker looks at the call now, not in two seconds
        await store.outbox.add(OPEN_ORGANIZATION, CHAIN, Hash32.parse("0x" + call_id[-64:]), at=0)
    collector = traced.collector

    def deliveries() -> list[Span]:
        """Return the spans of sending the operation, once by the request and once by a worker."""
        return [span for span in collector.of_trace(trace_id) if span.name == "eth_sendUserOperation"]

    collector.wait_for(lambda: len(deliveries()) == 2, "second attempt")
    collector.wait_for(
        lambda: {each.parent for each in deliveries()} <= {each.id for each in collector.of_trace(trace_id)}, "parents"
    )
    spans = collector.of_trace(trace_id)
    requests = {span.name: span for span in spans if span.kind == SERVER}
    assert {span.parent for span in requests.values()} == {span_id}
    sending = [span for span in children(spans, requests["wallet_sendPreparedCalls"]) if span.kind == CLIENT]
    assert {span.attributes["wallet_rpc.part"] for span in sending} == {"redis", "node", "bundler"}
    (sent,) = [span for span in sending if span.name == "eth_sendUserOperation"]
    assert (sent.attributes["rpc.system"], sent.attributes["error.type"]) == ("jsonrpc", "outcome_unknown")
    assert traced.upstream_url == f"http://{sent.attributes['server.address']}:{sent.attributes['server.port']}"
    redis = [span for span in sending if span.attributes["wallet_rpc.part"] == "redis"]
    assert {span.attributes["db.system.name"] for span in redis} == {"redis"}
    assert "EVALSHA" in {span.attributes["db.operation.name"] for span in redis}
    (repeated,) = [span for span in deliveries() if not span.is_error]
    (delivery,) = [span for span in spans if span.id == repeated.parent]
    assert (delivery.name, delivery.parent) == ("deliver call", requests["wallet_sendPreparedCalls"].id)
    assert delivery.attributes["wallet_rpc.call_id"] == call_id
    until(lambda: len(sends_logged(traced, trace_id)) == 2, "both attempts logged")
    assert {line["trace_id"] for line in sends_logged(traced, trace_id)} == {trace_id}


def sends_logged(traced: Traced, trace_id: str) -> list[dict[str, Any]]:
    """Return the lines about sending the operation under the id of the request."""
    lines = [line for line in traced.log() if line.get("request_id") == f"all-{trace_id}"]
    return [line for line in lines if line.get("method") == "eth_sendUserOperation"]
