"""The instruments of one process: counters, gauges and histograms of the library, built from the catalogue.

In one of several worker processes their values are in files of a folder that the workers share, one file for each
worker and type. The library's multiprocess mode adds them up. A worker's files have its number, so the next worker
with this number goes on with the counters.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, values

from wallet_rpc.metrics.catalogue import Definition


def use_worker_files(folder: Path, worker: int) -> None:
    """Keep the values of all instruments of this process in files; call it before the first one is built."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]  # of the library


class Instruments:
    """The instruments of one process by definition, in a registry."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # of the library; the series that it would add are of no use
        self.registry = CollectorRegistry()

    def counter(self, definition: Definition) -> Counter:
        """Build a counter."""
        return Counter(definition.name, definition.meaning, definition.labels, registry=self.registry)

    def gauge(self, definition: Definition) -> Gauge:
        """Build a gauge."""
        name, meaning, labels = definition.name, definition.meaning, definition.labels
        return Gauge(name, meaning, labels, registry=self.registry, multiprocess_mode=definition.merge)

    def histogram(self, definition: Definition) -> Histogram:
        """Build a histogram."""
        options: dict[str, Any] = {"buckets": definition.buckets, "registry": self.registry}
        return Histogram(definition.name, definition.meaning, definition.labels, **options)
