"""The machine's own clock and randomness."""

from __future__ import annotations

import time

from wallet_rpc.adapters.system import SystemClock, SystemEntropy


async def test_the_clock_tells_whole_seconds_and_lets_others_work() -> None:
    clock = SystemClock()
    before = time.monotonic()

    await clock.sleep(0.02)

    assert time.monotonic() - before >= 0.02
    assert abs(clock.now() - time.time()) < 2
    assert type(clock.now()) is int


def test_tokens_are_as_long_as_asked_and_never_the_same() -> None:
    tokens = {SystemEntropy().random_bytes(16) for _ in range(1000)}

    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {16}
