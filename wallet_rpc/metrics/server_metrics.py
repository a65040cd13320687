"""Metrics of a server: what the server reports to while it runs, and the endpoint from which they are read."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from wallet_rpc.adapters.health import ServerHealth
from wallet_rpc.adapters.http_post import PostClient
from wallet_rpc.adapters.measured_post import MeasuredPostClient, PostObserver, PostOutcome
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.edge.connections import ConnectionLimits
from wallet_rpc.edge.listener import serve_in_background
from wallet_rpc.edge.observe import report_requests_to
from wallet_rpc.metrics import catalogue
from wallet_rpc.metrics.events import EventMetrics
from wallet_rpc.metrics.exposition import FactsCollector, WorkerFacts, add_worker, build_registry
from wallet_rpc.metrics.facts import FactSources
from wallet_rpc.metrics.instruments import Instruments, use_memory, use_worker_files
from wallet_rpc.metrics.requests import RequestMetrics
from wallet_rpc.metrics.sharing import FactSharing
from wallet_rpc.services.event_counts import report_events_to
from wallet_rpc.worker_threads import compute

METRICS_PATH = "/metrics"
SAMPLE_SECONDS = 0.5
"""Interval at which the event loop's lag, the marks of dependencies and the depth of queues are read."""
_SCRAPERS = 16
"""The maximum number of connections to the endpoint."""
_EVENTS = ("incident", "delivery_worker_failed", "event_delivery_failed", "metrics_failed", "deep_reorganization")
"""Events whose counters start at 0: an increase from no value to 1 would be none for Prometheus."""
_MAX_EVENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPlace:
    """The listening socket of the endpoint, and the place of this process among several workers."""

    listener: socket.socket
    folder: Path | None = None
    """Folder that several workers share; None for the only process."""
    worker: int = 1


class ServerMetrics:
    """The metrics of one server process."""

    def __init__(self, place: MetricsPlace) -> None:
        self._place = place
        if place.folder is None:
            use_memory()
        else:
            use_worker_files(place.folder, place.worker)
            add_worker(place.folder, place.worker)
        self._instruments = own = Instruments()
        self._requests = RequestMetrics(own)
        self._followers = EventMetrics(own)
        self._events = {event: own.tally(catalogue.LOG_ERRORS, event) for event in _EVENTS}
        self._facts = FactsCollector() if place.folder is None else WorkerFacts(place.folder, place.worker)
        self._registry = build_registry(own.registry, self._facts, place.folder)

    def observe_log(self) -> None:
        """Count the errors of the log, which must be configured already."""
        kind = structlog.get_config()["wrapper_class"]
        structlog.configure(wrapper_class=_count_errors(kind, self._count_error))

    def observe_store(self, store: RedisStore) -> None:
        """Measure the requests to Redis of a store that was just opened."""
        add_time = self._instruments.time_tally(catalogue.REDIS_SECONDS).add
        add_failure = self._instruments.tally(catalogue.REDIS_FAILURES).add

        def observe(seconds: float | None) -> None:
            if seconds is None:
                add_failure()
            else:
                add_time(seconds)

        store.observe(observe)

    def observe_pools(self, setting: ChainSetting, pools: Mapping[str, PostClient]) -> Mapping[str, PostClient]:
        """Return the HTTP clients of a chain by kind of upstream, those for requests with observers of their URLs."""
        urls = {
            "node": setting.node_urls,
            "bundler": setting.bundler_urls,
            "paymaster": () if setting.paymaster_url is None else (setting.paymaster_url,),
        }
        measured = {
            kind: MeasuredPostClient(
                pools[kind],
                {url: self._post_observer(kind, setting.chain_id, number) for number, url in enumerate(of_kind, 1)},
            )
            for kind, of_kind in urls.items()
        }
        return {**pools, **measured}

    def _post_observer(self, upstream: str, chain_id: int, number: int) -> PostObserver:
        labels = upstream, str(chain_id), str(number)
        add_time = self._instruments.time_tally(catalogue.UPSTREAM_SECONDS, *labels).add
        tallies = {
            outcome: self._instruments.tally(catalogue.UPSTREAM_REQUESTS, *labels, outcome.value)
            for outcome in PostOutcome
        }

        def record(outcome: PostOutcome, seconds: float) -> None:
            tallies[outcome].add()
            add_time(seconds)

        return record

    @asynccontextmanager
    async def measure_server(self, sources: FactSources) -> AsyncIterator[None]:
        """Measure the server of this process while the block runs, and serve its metrics."""
        sharing = FactSharing(sources, self._facts, self._instruments)
        sampling = asyncio.create_task(self._sample(sources.store, _healths_of(sources)))
        endpoint = build_endpoint(self._registry, self._instruments.flush)
        report_requests_to(self._requests.record)
        report_events_to(self._followers)
        limits = ConnectionLimits(connections=_SCRAPERS)
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(sharing.run())
                await stack.enter_async_context(serve_in_background(endpoint, self._place.listener, limits=limits))
                yield
        finally:
            sampling.cancel()
            with suppress(asyncio.CancelledError):
                await sampling
            report_requests_to(None)
            report_events_to(None)
            self._instruments.flush()

    async def _sample(self, store: RedisStore, healths: Mapping[tuple[str, str, str], ServerHealth]) -> None:
        own = self._instruments
        lag = own.time_tally(catalogue.LOOP_LAG)
        marks = [(own.gauge(catalogue.DEPENDENCY_UP, *labels), health) for labels, health in healths.items()]
        waiting, in_use = own.gauge(catalogue.REDIS_WAITING), own.gauge(catalogue.REDIS_CONNECTIONS)
        while True:
            for gauge, health in marks:
                gauge.set(health.is_usable)
            waiting.set(store.waiting_commands)
            in_use.set(store.connections_in_use)
            own.flush()
            planned = (
                time.perf_counter() + SAMPLE_SECONDS
            )  # the loop's own clock does not advance while a callback runs
            await asyncio.sleep(SAMPLE_SECONDS)
            lag.add(max(time.perf_counter() - planned, 0.0))

    def _count_error(self, event: str) -> None:
        if event not in self._events and len(self._events) < _MAX_EVENTS:
            self._events[event] = self._instruments.tally(catalogue.LOG_ERRORS, event)
        if event in self._events:
            self._events[event].add()


def _count_errors(kind: type[Any], count: Callable[[str], None]) -> type[Any]:
    """Return a class of loggers that also counts the lines at level error, by event."""

    class CountingLogger(kind):  # type: ignore[misc]  # the class of the log's level, which structlog makes
        def error(self, event: str, *args: Any, **fields: Any) -> Any:
            count(event)
            return super().error(event, *args, **fields)

    return CountingLogger


def _healths_of(sources: FactSources) -> dict[tuple[str, str, str], ServerHealth]:
    """Return the health marks by the labels of their dependency."""
    found = {("redis", "", "1"): sources.store.health}
    for each in sources.chain_clients:
        for kind, rpc in each.rpcs.items():
            for number, server in enumerate(rpc.servers, 1):
                found[kind, str(each.ports.chain_id), str(number)] = server.health
    return found


def build_endpoint(registry: CollectorRegistry, flush: Callable[[], None]) -> ASGIApp:
    """Build the application that serves a registry at `/metrics`, in the format that the client accepts."""

    async def answer(request: Request) -> Response:
        flush()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await compute(partial(encode, registry)), headers={"content-type": content_type})

    return Starlette(routes=[Route(METRICS_PATH, answer, methods=["GET"])])
