"""Clock and random number generator of the operating system."""

from __future__ import annotations

import time

from wallet_rpc.adapters.system import SystemClock, SystemEntropy


def test_the_clock_returns_whole_seconds() -> None:
    clock = SystemClock()

    began = int(time.time())
    assert began <= clock.now() <= time.time()
    assert type(clock.now()) is int


def test_random_bytes_have_the_requested_length_and_differ() -> None:
    samples = {SystemEntropy().random_bytes(16) for _ in range(1000)}

    assert len(samples) == 1000
    assert {len(sample) for sample in samples} == {16}
