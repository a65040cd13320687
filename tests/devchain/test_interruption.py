"""Interruption and suspension of runs, whatever their code does."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from tests.devchain.sample import RpcFailure
from wallet_rpc.devchain.node_errors import ExecutionTimeout
from wallet_rpc.devchain.run_limit import RunLimit


def spin() -> None:
    while True:
        pass


def swallow_exceptions() -> None:
    """Swallow exceptions, like a callback of the interpreter."""
    for _ in range(2):
        with contextlib.suppress(BaseException):
            spin()
    spin()


@pytest.mark.parametrize("action", [spin, swallow_exceptions])
def test_run_is_ended_even_when_it_swallows_exceptions(
    action: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet_rpc.devchain.run_limit._AGAIN_SECONDS", 0.05)
    with pytest.raises(ExecutionTimeout):
        RunLimit(0.05).run(action)


def spend(seconds: float) -> None:
    """Compute for some CPU time."""
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass


class Cycle:
    """An object that only the garbage collector frees."""

    def __init__(self) -> None:
        self.itself = self


class Destroyed(Cycle):
    """An object that computes in its destructor."""

    def __del__(self) -> None:
        spend(0.15)


def destroy() -> None:
    Destroyed()
    gc.collect(0)


def finalize() -> None:
    weakref.finalize(Cycle(), spend, 0.15)
    gc.collect(0)


def call_back() -> None:
    def callback(phase: str, _facts: dict[str, int]) -> None:
        if phase == "start":
            spend(0.15)
            gc.callbacks.remove(callback)

    gc.callbacks.append(callback)
    gc.collect(0)


@pytest.mark.parametrize("collect", [destroy, finalize, call_back])
def test_end_of_a_run_is_not_lost_while_the_interpreter_frees_memory(
    collect: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)

    def collect_and_spin() -> None:
        collect()
        spin()

    started = time.thread_time()
    with pytest.raises(ExecutionTimeout):
        RunLimit(0.05).run(collect_and_spin)
    assert time.thread_time() - started >= 0.15  # the limit was reached during the collection
    assert lost == []


def test_time_of_other_requests_does_not_count() -> None:
    limit = RunLimit(0.15)
    ticks: list[float] = []

    def spend_tick() -> None:
        ticks.append(time.thread_time())
        while time.thread_time() < ticks[-1] + 0.05:
            pass

    limit.on_tick = spend_tick
    started = time.thread_time()
    with pytest.raises(ExecutionTimeout):
        limit.run(spin)
    assert len(ticks) >= 2
    assert time.thread_time() - started >= 0.15 + 0.05 * len(ticks)


def test_no_tick_happens_while_a_run_is_shielded() -> None:
    limit = RunLimit(0.12)
    ticks: list[bool] = []
    limit.on_tick = lambda: ticks.append(True)

    def fetch() -> str:
        ends = time.thread_time() + 0.2
        while time.thread_time() < ends:
            pass
        return "whole"

    assert limit.run(lambda: limit.shield(fetch)) == "whole"
    assert ticks == []


def test_runs_outside_of_the_main_thread_are_not_bounded() -> None:
    done = []
    thread = threading.Thread(target=lambda: done.append(RunLimit(0.01).run(lambda: sum(range(10**6)))))
    thread.start()
    thread.join()
    assert done == [sum(range(10**6))]


def test_failure_of_a_run_is_its_own() -> None:
    limit = RunLimit(0.05)
    with pytest.raises(RpcFailure):
        limit.run(lambda: (_ for _ in ()).throw(RpcFailure({"code": 1, "message": "x"})))
    spun = time.thread_time() + 0.1
    while time.thread_time() < spun:  # outside of a run, so without a limit
        pass
