"""Start of the metrics: their settings, and a server without them."""

from __future__ import annotations

import builtins
import multiprocessing
import socket
import tempfile
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest, values

from tests.e2e import prefork
from tests.metrics.prometheus import read_samples, values_of
from wallet_rpc.config.settings import SettingError, load
from wallet_rpc.metrics.catalogue import FACTS_TIME, LEASEHOLDER, REDIS_FAILURES
from wallet_rpc.metrics.exposition import FactsCollector, WorkerFacts, add_worker, build_registry, remove_worker
from wallet_rpc.metrics.instruments import Instruments, use_worker_files
from wallet_rpc.metrics.opening import open_metrics
from wallet_rpc.metrics.server_metrics import MetricsPlace, ServerMetrics


def refusal(**settings: str) -> str:
    """Return the error of opening the metrics of these settings."""
    chosen = load({f"WALLET_RPC_{name}": text for name, text in settings.items()})
    with pytest.raises(SettingError) as caught, open_metrics(chosen):
        pass
    return str(caught.value)


def test_a_port_in_use_and_an_address_of_another_machine_are_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        expected = f"WALLET_RPC_METRICS_PORT: cannot listen on 127.0.0.1 port {port}: Address already in use"
        assert refusal(METRICS_PORT=str(port)) == expected
    refused = refusal(METRICS_PORT="0", METRICS_HOST="192.0.2.1")
    assert refused == 'WALLET_RPC_METRICS_HOST: expected an address of this machine, got "192.0.2.1"'


def test_the_port_of_the_wallet_is_refused() -> None:
    expected = "WALLET_RPC_METRICS_PORT: expected a port other than that of WALLET_RPC_PORT, got 4337"
    assert refusal(METRICS_PORT="4337") == expected
    with open_metrics(load({"WALLET_RPC_METRICS_PORT": "0", "WALLET_RPC_PORT": "0"})) as metrics:
        assert metrics.url.startswith("http://127.0.0.1:")


def test_several_workers_without_a_folder_for_temporary_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    expected = "WALLET_RPC_METRICS_PORT: the metrics of several workers need a folder for temporary files"
    assert refusal(METRICS_PORT="0", WORKERS="2").startswith(expected)


def test_a_folder_in_the_environment_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.get_value_class())  # type: ignore[no-untyped-call]  # of the library
    with socket.socket() as listener:
        metrics = ServerMetrics(MetricsPlace(listener=listener))
        assert b"wallet_rpc_log_errors_total" in generate_latest(metrics._registry)
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_metrics_does_not_import_their_library() -> None:
    assert prefork.__name__  # its import has the fork server load the modules of every command
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        loaded = pool.apply(builtins.eval, ("sorted(__import__('sys').modules)",))
    assert {"wallet_rpc.cli.serve", "wallet_rpc.dev_server", "wallet_rpc.metrics.facts"} <= set(loaded)
    assert [name for name in loaded if name.startswith("prometheus_client")] == []


def test_a_worker_that_has_ended_leaves_its_counts_and_no_gauge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)  # restored after the test
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    registry = build_registry(CollectorRegistry(), FactsCollector(), tmp_path)
    for worker in (1, 2):
        use_worker_files(tmp_path, worker)
        add_worker(tmp_path, worker)
        instruments = Instruments()
        instruments.gauge(LEASEHOLDER).set(worker == 2)
        instruments.tally(REDIS_FAILURES).add()
        instruments.flush()
        WorkerFacts(tmp_path, worker).publish([(FACTS_TIME, (), 5.0)] if worker == 2 else [])

    def read(*names: str) -> list[list[float]]:
        samples = read_samples(generate_latest(registry).decode())
        return [values_of(samples, name) for name in names]

    names = LEASEHOLDER.name, REDIS_FAILURES.name, FACTS_TIME.name, "process_start_time_seconds"
    *counted, started = read(*names)
    assert (counted, len(started)) == ([[1.0], [2.0], [5.0]], 2)
    remove_worker(tmp_path, 2)
    *counted, started = read(*names)
    assert (counted, len(started)) == ([[0.0], [2.0], []], 1)
