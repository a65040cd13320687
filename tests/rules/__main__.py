"""Concurrent schedules of reservations over a real Redis: `python -m tests.rules --schedules 10000`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.rules.machine import Replicas, RulesMachine
from wallet_rpc.adapters.redis_server import RedisServer


def run_schedules(url: str, schedules: int, *, start: int | None = None) -> tuple[int, int]:
    """Run schedules over a Redis; return their number and that of their concurrent steps. Raises on a disagreement."""
    RulesMachine.replicas = Replicas(url)
    RulesMachine.schedules, RulesMachine.steps = 0, 0
    machine = RulesMachine if start is None else seed(start)(RulesMachine)
    chosen = settings(
        max_examples=schedules,
        stateful_step_count=8,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=chosen)
    finally:
        RulesMachine.replicas.close()
    return RulesMachine.schedules, RulesMachine.steps


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare reservations under rules with a plain model.")
    parser.add_argument("--schedules", type=int, default=10_000, help="concurrent schedules")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="random by default")
    options, _ = parser.parse_known_args()  # `make check-rules` has arguments of another comparison too
    print(f"{options.schedules} schedules, --seed {options.seed}", flush=True)
    server = RedisServer(None)
    asyncio.run(server.start())
    try:
        schedules, steps = run_schedules(server.url, options.schedules, start=options.seed)
    finally:
        asyncio.run(server.stop())
    print(f"{schedules} schedules with {steps} concurrent steps: no budget exceeded, no reservation leaked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
