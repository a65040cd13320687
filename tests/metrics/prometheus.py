"""Prometheus and promtool, which `make setup` unpacks where the machine has none; and reading of a scrape."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.stack.parts import free_port
from tests.support.constants import LONGEST_SECONDS
from tests.support.processes import end_process

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Values by name and sorted labels."""
_UNPACKED = Path(sys.prefix, "prometheus/usr/bin")


def find_tool(name: str) -> str:
    """Return the path of `prometheus` or `promtool`."""
    found = shutil.which(name) or shutil.which(name, path=_UNPACKED)
    assert found is not None, f"{name} is missing: run make setup"
    return found


def run_promtool(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool with `given` as its standard input."""
    return subprocess.run(  # noqa: S603  # arguments of the tests
        [find_tool("promtool"), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def scrape(url: str) -> str:
    """Return the metrics of a server as text."""
    response = httpx2.get(url, timeout=LONGEST_SECONDS)
    assert response.status_code == 200, response.text
    return response.text


def read_samples(text: str) -> Samples:
    """Parse the text of a scrape."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def values_of(samples: Samples, name: str, **labels: str) -> list[float]:
    """Return the values of a metric's series that have these labels."""
    return [
        value for (found, given), value in samples.items() if found == name and labels.items() <= dict(given).items()
    ]


class Prometheus:
    """Running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression now. Raises: AssertionError with Prometheus's message."""
        response = httpx2.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=LONGEST_SECONDS)
        answer = response.json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def query_range(self, expression: str, *, start: float, end: float, step: float) -> list[tuple[float, float]]:
        """Return the values over time of an expression with at most one series."""
        params: dict[str, Any] = {"query": expression, "start": start, "end": end, "step": step}
        answer = httpx2.get(f"{self.url}/api/v1/query_range", params=params, timeout=LONGEST_SECONDS).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        found = answer["data"]["result"]
        assert len(found) <= 1, found
        return [(float(when), float(value)) for series in found for when, value in series["values"]]

    def rules(self) -> list[dict[str, Any]]:
        """Return the alert rules with their health."""
        answer = httpx2.get(f"{self.url}/api/v1/rules", timeout=LONGEST_SECONDS).json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]


@contextmanager
def run_prometheus(targets: Sequence[str], rules: Path, folder: Path) -> Iterator[Prometheus]:
    """Run Prometheus on a free port, which scrapes the targets and evaluates the rules every second."""
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules.absolute())],
        "scrape_configs": [{"job_name": "wallet-rpc", "static_configs": [{"targets": list(targets)}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    address = f"127.0.0.1:{free_port()}"
    log = folder / "prometheus.log"
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603  # constant arguments
            [
                find_tool("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address={address}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not _is_ready(f"http://{address}/-/ready"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Prometheus(f"http://{address}")
    finally:
        end_process(process, seconds=10)


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=LONGEST_SECONDS).status_code == 200
    except httpx2.HTTPError:
        return False
