"""Collectors that a scrape reads: shared facts, build information, and the processes of a server.

Any of several worker processes answers a scrape for all: instruments and facts are in the folder that they share. The
facts are in the text format, in a file of the worker that holds the lease.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from wallet_rpc import __version__
from wallet_rpc.metrics.catalogue import BUILD_INFO
from wallet_rpc.metrics.facts import Fact

KEPT_SECONDS = 180.0
"""Age from which facts are no longer exported: their reader hangs, and another server may hold the lease."""
_FACTS, _PROCESS = "facts-{}.prom", "process-{}"
"""Names of a worker's files in the folder, by its number."""


class FactsCollector(Collector):
    """The facts that this process has read while it holds the lease; none otherwise."""

    def __init__(self) -> None:
        self._facts: Sequence[Fact] = ()
        self._read_at = 0.0

    def publish(self, facts: Sequence[Fact]) -> None:
        """Replace the facts; none withdraws them."""
        self._facts = facts
        self._read_at = time.monotonic()

    def collect(self) -> Iterable[Metric]:
        """Return the facts as metrics."""
        if time.monotonic() - self._read_at > KEPT_SECONDS:
            return ()
        families: dict[str, GaugeMetricFamily] = {}
        for definition, labels, value in self._facts:
            family = families.get(definition.name)
            if family is None:
                family = GaugeMetricFamily(definition.name, definition.meaning, labels=definition.labels)
                families[definition.name] = family
            family.add_metric(labels, value)
        return families.values()


class WorkerFacts(FactsCollector):
    """The same, written to the file of a worker."""

    def __init__(self, folder: Path, worker: int) -> None:
        super().__init__()
        self._path = folder / _FACTS.format(worker)
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def publish(self, facts: Sequence[Fact]) -> None:
        """Replace the facts; none withdraws them."""
        super().publish(facts)
        if facts:
            write_to_textfile(str(self._path), self._registry)
        else:
            self._path.unlink(missing_ok=True)


class _FolderFacts(Collector):
    """The facts in the files of the workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        for path in self._folder.glob(_FACTS.format("*")):
            try:
                age, text = time.time() - path.stat().st_mtime, path.read_text()
            except FileNotFoundError:  # withdrawn since
                continue
            if age <= KEPT_SECONDS:
                yield from text_string_to_metric_families(text)
                return


class _BuildInfo(Collector):
    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(BUILD_INFO.name, BUILD_INFO.meaning, labels=BUILD_INFO.labels)
        family.add_metric((__version__, platform.python_version()), 1)
        yield family


class _Processes(Collector):
    """The library's process metrics, of each worker."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for worker, process in sorted(self._find_processes().items()):
            for metric in ProcessCollector(registry=None, pid=partial(str, process)).collect():
                name = next(sample.name for sample in metric.samples)
                kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
                family = families.setdefault(name, kind(metric.name, metric.documentation, labels=("worker",)))
                family.add_sample(name, {"worker": worker}, metric.samples[0].value)
        return families.values()

    def _find_processes(self) -> dict[str, str]:
        if self._folder is None:
            return {"1": str(os.getpid())}
        found = {}
        for path in self._folder.glob(_PROCESS.format("*")):
            found[path.name.rpartition("-")[2]] = path.read_text()
        return found


def build_registry(own: CollectorRegistry, facts: FactsCollector, folder: Path | None) -> CollectorRegistry:
    """Build the registry of a server's scrapes: of the only process, or of all workers on a folder."""
    if folder is None:
        registry = own
        registry.register(facts)
    else:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # of the library
        registry.register(_FolderFacts(folder))
    registry.register(_BuildInfo())
    registry.register(_Processes(folder))
    return registry


def add_worker(folder: Path, worker: int) -> None:
    """Record this process as a worker."""
    (folder / _PROCESS.format(worker)).write_text(str(os.getpid()))


def remove_worker(folder: Path, worker: int) -> None:
    """Remove what a worker exported about itself, after its end; its counters remain."""
    for name in (_FACTS, _PROCESS):
        (folder / name.format(worker)).unlink(missing_ok=True)
    mark_process_dead(worker, str(folder))  # type: ignore[no-untyped-call]  # of the library
