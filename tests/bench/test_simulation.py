"""Tests of the simulation against results of queueing theory."""

from __future__ import annotations

import statistics

import pytest

from tests.bench.simulation import Arrivals, Mix, Wait, Work, percentile, simulate

NOTHING = Work(0.0, [])
SECONDS = 300.0


def mix_of(prepare: Work) -> Mix:
    return Mix(prepare, send=NOTHING, status=NOTHING, session=NOTHING, polls=0, sessions=0.0)


@pytest.mark.parametrize("load", [0.3, 0.5, 0.8])
def test_random_arrivals_wait_as_in_an_m_d_1_queue(load: float) -> None:
    service = 0.01
    latencies = simulate(mix_of(Work(service, [])), Arrivals(1, is_bursty=False), load=load, seconds=SECONDS)
    expected = service * (1 + load / (2 * (1 - load)))  # Pollaczek and Khinchine, constant service time
    assert statistics.fmean(latencies["prepare"]) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("processes", [1, 5])
def test_bursts_do_not_change_the_average_load(processes: int) -> None:
    service, load, seconds = 0.1, 0.4, 5_000.0
    latencies = simulate(mix_of(Work(service, [])), Arrivals(processes, is_bursty=True), load=load, seconds=seconds)
    assert len(latencies["prepare"]) * service / seconds == pytest.approx(load, rel=0.1)


def test_a_wait_has_its_median_and_99th_percentile_and_leaves_the_core_to_others() -> None:
    wait = Wait(half=0.1, slow=0.4)
    latencies = simulate(mix_of(Work(0.001, [wait])), Arrivals(1, is_bursty=False), load=0.2, seconds=SECONDS)
    assert percentile(latencies["prepare"], 0.5) == pytest.approx(0.101, rel=0.05)
    assert percentile(latencies["prepare"], 0.99) == pytest.approx(0.401, rel=0.05)
