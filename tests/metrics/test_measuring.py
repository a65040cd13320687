"""Measuring of upstream requests, requests to Redis, error codes and lines of the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from tests.metrics.prometheus import Samples, read_samples, values_of
from tests.stack.parts import free_port
from tests.support.flaky_upstream import serve_upstream
from tests.support.http_stub import Answer
from wallet_rpc.adapters.http_post import HttpClient, PostFailed
from wallet_rpc.adapters.measured_post import MeasuredPostClient, PostOutcome
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.edge.observe import OTHER, log
from wallet_rpc.edge.request_context import RequestContext, Result
from wallet_rpc.errors import Unavailable
from wallet_rpc.metrics.catalogue import REQUEST_SECONDS
from wallet_rpc.metrics.instruments import Instruments
from wallet_rpc.metrics.requests import RequestMetrics
from wallet_rpc.metrics.server_metrics import _count_errors


def answer_with(status: int, body: bytes = b"{}") -> Callable[[bytes], Answer]:
    return lambda _: Answer(body, status)


async def measure(url: str, *, seconds: float = 60.0) -> tuple[PostOutcome, float]:
    """Send one POST within some seconds, and return what the observer of its URL received."""
    seen: list[tuple[PostOutcome, float]] = []
    async with HttpClient() as http:
        client = MeasuredPostClient(http, {url: lambda *found: seen.append(found)})
        try:
            async with asyncio.timeout(seconds):
                await client.post(url, b'{"method": "eth_call"}', connect_seconds=60, max_bytes=100)
        except (PostFailed, TimeoutError):
            pass
    (found,) = seen
    return found


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"error": {}}', PostOutcome.ANSWERED),
        (400, b"{}", PostOutcome.ANSWERED),
        (401, b"{}", PostOutcome.HTTP_ERROR),
        (404, b"{}", PostOutcome.HTTP_ERROR),
        (429, b"{}", PostOutcome.OVERLOADED),
        (500, b"{}", PostOutcome.HTTP_ERROR),
        (503, b"{}", PostOutcome.HTTP_ERROR),
        (200, b" " * 101, PostOutcome.TOO_LARGE),
    ],
)
async def test_a_response_counts_by_its_status_and_size(status: int, body: bytes, outcome: PostOutcome) -> None:
    with serve_upstream(answer_with(status, body)) as upstream:
        assert (await measure(upstream.url))[0] is outcome


async def test_a_post_without_a_response_counts_by_what_the_server_can_have_received() -> None:
    assert (await measure(f"http://127.0.0.1:{free_port()}"))[0] is PostOutcome.NOT_SENT
    with serve_upstream(answer_with(200)) as upstream:
        upstream.resets = True
        assert (await measure(upstream.url))[0] is PostOutcome.NO_ANSWER
        upstream.recover()
        upstream.delay_seconds = 0.2
        outcome, seconds = await measure(upstream.url)
        assert outcome is PostOutcome.ANSWERED
        assert seconds >= 0.2
        upstream.frozen = frozenset()
        assert (await measure(upstream.url, seconds=0.1))[0] is PostOutcome.CANCELED


async def test_requests_to_redis_are_timed_and_its_silence_is_counted() -> None:
    seen: list[float | None] = []
    async with RedisServer(None) as redis, RedisStore.open(redis.url, deadline_seconds=0.5) as store:
        store.observe(seen.append)
        before = time.perf_counter()
        await store.directory.organizations()
        assert len(seen) >= 1
        assert all(one is not None and 0 < one < time.perf_counter() - before for one in seen)
        await redis.stop()
        seen.clear()
        with pytest.raises(Unavailable):
            await store.for_organization(OrganizationId("org_one")).audit.verify()
    assert seen == [None]


async def test_commands_without_a_reply_are_counted(store: RedisStore) -> None:
    assert store.waiting_commands == 0
    await store._link.command_on_masters("CLIENT PAUSE", 300)
    pending = [asyncio.ensure_future(store.read_time()) for _ in range(5)]
    while store.waiting_commands < 5:  # noqa: ASYNC110  # a fact of the connection
        await asyncio.sleep(0.01)
    await asyncio.gather(*pending)
    assert (store.waiting_commands, store.connections_in_use) == (0, 0)


class Counted:
    """Requests with given results, and their metrics."""

    def __init__(self) -> None:
        self.instruments = Instruments()
        self.metrics = RequestMetrics(self.instruments)

    def serve(self, *results: tuple[str, int | None], **fields: Any) -> None:
        """Record a request that has ended with these results."""
        self.metrics.record(RequestContext(results=[Result(*each) for each in results], **fields), 0.02)

    def samples(self) -> Samples:
        self.instruments.flush()
        return read_samples(generate_latest(self.instruments.registry).decode())

    def outcomes(self) -> dict[tuple[str, str, str], float]:
        """Return the number of requests by method, outcome and code."""
        return {
            (given["method"], given["outcome"], given["code"]): value
            for (name, labels), value in self.samples().items()
            if name == "wallet_rpc_requests_total" and (given := dict(labels))
        }


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (("wallet_sendPreparedCalls", None), ("wallet_sendPreparedCalls", "ok", "")),
        (("wallet_sendPreparedCalls", -32603), ("wallet_sendPreparedCalls", "failed", "-32603")),
        (("wallet_sendPreparedCalls", -32500), ("wallet_sendPreparedCalls", "rejected", "-32500")),
        (("wallet_sendPreparedCalls", 4100), ("wallet_sendPreparedCalls", "rejected", "4100")),
        (("createOrganizationSession", 400005), ("createOrganizationSession", "rejected", "400005")),
        (("createOrganizationSession", 503000), ("createOrganizationSession", "failed", "503000")),
        (("createToken", 503), ("createToken", "failed", "503")),
        (("createToken", 403), ("createToken", "rejected", "403")),
        (("eth_call", None), ("eth_call", "ok", "")),
        ((OTHER, 3), (OTHER, "rejected", "3")),
        ((OTHER, 7), (OTHER, "rejected", "(other)")),
        ((OTHER, -1234567), (OTHER, "rejected", "(other)")),
        (("of a caller", 10**30), (OTHER, "rejected", "(other)")),
    ],
)
def test_a_result_counts_by_method_outcome_and_code(
    result: tuple[str, int | None], expected: tuple[str, str, str]
) -> None:
    counted = Counted()
    for _ in range(3):
        counted.serve(result)
    assert counted.outcomes() == counted.outcomes() == {expected: 3.0}


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [(200, "ok", "200"), (404, "rejected", "404"), (503, "failed", "503"), (None, "cut", "")],
)
def test_a_request_without_an_operation_counts_by_its_status(status: int | None, outcome: str, code: str) -> None:
    counted = Counted()
    counted.serve(status=status)
    assert counted.outcomes() == {("(none)", outcome, code): 1.0}


@pytest.mark.parametrize(
    ("code", "outcome"), [(-32603, "failed"), (503, "failed"), (4100, "rejected"), (404, "rejected")]
)
def test_a_request_that_ends_before_its_operation_counts_by_its_error(code: int, outcome: str) -> None:
    counted = Counted()
    counted.serve(status=503, rejection=Result("", code))
    assert counted.outcomes() == {("(rejected)", outcome, str(code)): 1.0}
    assert values_of(counted.samples(), "wallet_rpc_request_duration_seconds_count", method="(rejected)") == [1.0]


def test_the_time_for_which_a_client_follows_events_is_no_duration() -> None:
    counted = Counted()
    counted.serve(("streamEvents", None), status=200)
    counted.serve(status=101)
    counted.serve(("eth_call", None), status=200)
    assert counted.outcomes().keys() >= {("streamEvents", "ok", ""), ("(none)", "ok", "101")}
    assert values_of(counted.samples(), "wallet_rpc_request_duration_seconds_count") == [1.0]


def test_no_number_of_methods_and_codes_adds_series_or_memory() -> None:
    counted = Counted()
    for number in range(1000):
        counted.serve((f"method {number}", number * 7919))
    assert sum(counted.outcomes().values()) == 1000
    assert len(counted.outcomes()) < 50
    assert len(counted.metrics._counts) + len(counted.metrics._times) < 50


def test_a_batch_counts_each_entry_and_one_duration() -> None:
    counted = Counted()
    counted.serve(("eth_call", None), ("eth_call", 3), (OTHER, -32603), batch_entries=3)
    assert sum(counted.outcomes().values()) == 3
    assert values_of(counted.samples(), "wallet_rpc_request_duration_seconds_count") == [1.0]
    assert values_of(counted.samples(), "wallet_rpc_request_duration_seconds_count", method="(batch)") == [1.0]


@given(st.lists(st.one_of(st.floats(0, 40), st.sampled_from(REQUEST_SECONDS.buckets)), max_size=50))
def test_a_tally_adds_up_to_what_the_library_observes(durations: list[float]) -> None:
    ours, theirs = Instruments(), CollectorRegistry()
    histogram = Histogram(REQUEST_SECONDS.name, "x", ["method"], buckets=REQUEST_SECONDS.buckets, registry=theirs)
    tally, child = ours.time_tally(REQUEST_SECONDS, "a"), histogram.labels("a")
    for number, seconds in enumerate(durations):
        tally.add(seconds)
        child.observe(seconds)
        if number % 7 == 0:
            ours.flush()
    ours.flush()
    found, expected = [read_samples(generate_latest(each).decode()) for each in (ours.registry, theirs)]
    assert found == pytest.approx(expected)


def test_errors_of_the_log_are_counted_by_event(capfd: pytest.CaptureFixture[str]) -> None:
    counted: list[str] = []
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=_count_errors(before, counted.append))
    try:
        log.info("request")
        log.warning("worker_ended")
        log.error("incident", number=1)
        try:
            raise ValueError  # noqa: TRY301  # an exception to log
        except ValueError:
            log.exception("worker_killed")
    finally:
        structlog.configure(wrapper_class=before)
    log.error("deep_reorganization")
    assert counted == ["incident", "worker_killed"]
