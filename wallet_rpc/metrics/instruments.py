"""The instruments of one process: counters, gauges and histograms of the library, built from the catalogue.

What happens for each request is added up here first, in numbers of Python, and goes to the library's instruments twice
a second: one update of these takes as long as ten additions.

In one of several worker processes their values are in files of a folder that the workers share, one file for each
worker and type. The library's multiprocess mode adds them up. A worker's files have its number, so the next worker
with this number goes on with the counters.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, values

from wallet_rpc.metrics.catalogue import Definition


def use_memory() -> None:
    """Keep the values of all instruments of this process in memory, also if its environment names a folder."""
    values.ValueClass = values.MutexValue


def use_worker_files(folder: Path, worker: int) -> None:
    """Keep the values of all instruments of this process in files; call it before the first one is built."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]  # of the library


class BulkHistogram(Histogram):
    """Histogram that takes many observations at once, which the library's own cannot."""

    def observe_all(self, counts: Sequence[int], total: float) -> None:
        """Add the number of observations in each bucket, the last one unbounded, and their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class Tally:
    """Events that the library's counter does not have yet."""

    __slots__ = ("_counter", "_pending")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._pending = 0

    def add(self) -> None:
        """Add one event."""
        self._pending += 1

    def flush(self) -> None:
        """Move the events to the counter."""
        if self._pending:
            self._counter.inc(self._pending)
            self._pending = 0


class TimeTally:
    """Durations that the library's histogram does not have yet."""

    __slots__ = ("_bounds", "_counts", "_histogram", "_total")

    def __init__(self, histogram: BulkHistogram, bounds: Sequence[float]) -> None:
        self._histogram = histogram
        self._bounds = bounds
        self._clear()

    def _clear(self) -> None:
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """Add one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._total += seconds

    def flush(self) -> None:
        """Move the durations to the histogram."""
        if any(self._counts):
            self._histogram.observe_all(self._counts, self._total)
            self._clear()


class Instruments:
    """The instruments of one process in a registry, each built once for its definition and labels."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # of the library; these series have no use
        self.registry = CollectorRegistry()
        self._families: dict[str, Any] = {}
        self._tallies: dict[tuple[str, ...], Tally | TimeTally] = {}

    def tally(self, definition: Definition, *labels: str) -> Tally:
        """Return the tally of a counter for these values of its labels."""
        key = definition.name, *labels
        found = self._tallies.get(key)
        if found is None:
            found = self._tallies[key] = Tally(self._child(Counter, definition, labels))
        assert isinstance(found, Tally)  # noqa: S101  # the definition's kind says so
        return found

    def time_tally(self, definition: Definition, *labels: str) -> TimeTally:
        """Return the tally of a histogram for these values of its labels."""
        key = definition.name, *labels
        found = self._tallies.get(key)
        if found is None:
            histogram = self._child(BulkHistogram, definition, labels, buckets=definition.buckets)
            found = self._tallies[key] = TimeTally(histogram, definition.buckets)
        assert isinstance(found, TimeTally)  # noqa: S101  # the definition's kind says so
        return found

    def gauge(self, definition: Definition, *labels: str) -> Gauge:
        """Return a gauge for these values of its labels."""
        gauge: Gauge = self._child(Gauge, definition, labels, multiprocess_mode=definition.merge)
        return gauge

    def flush(self) -> None:
        """Move all tallies to the library's instruments."""
        for tally in list(self._tallies.values()):
            tally.flush()

    def _child(self, kind: Any, definition: Definition, labels: tuple[str, ...], **options: Any) -> Any:
        family = self._families.get(definition.name)
        if family is None:
            names = definition.labels
            family = kind(definition.name, definition.meaning, names, registry=self.registry, **options)
            self._families[definition.name] = family
        return family.labels(*labels) if definition.labels else family
