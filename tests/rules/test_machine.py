"""A bounded part of the schedules of `make check-rules`, over a real Redis."""

from __future__ import annotations

from tests.rules.__main__ import run_schedules
from wallet_rpc.adapters.redis_server import RedisServer

SCHEDULES = 80


def test_no_schedule_exceeds_a_budget_or_leaks_a_reservation(redis_server: RedisServer) -> None:
    schedules, steps = run_schedules(redis_server.url, SCHEDULES)
    assert schedules >= SCHEDULES
    assert steps >= SCHEDULES / 4  # about two a schedule in the mean, but runs differ widely
