"""Measure what a Sentinel failover loses of acknowledged writes, with and without WAIT.

`python -m tests.bench.failover [ROUNDS]`: each round starts a master with two replicas and three Sentinels, lets 16
writers write for a second, kills the master, and looks for the acknowledged records in the promoted replica.
"""

from __future__ import annotations

import asyncio
import statistics
import sys

from tests.contract.redis_processes import SentinelProcesses, run_sentinels, wait_until
from tests.contract.store_load import Writers
from wallet_rpc.adapters.redis_binary import find_binary
from wallet_rpc.adapters.redis_link import Link

WRITERS = 16
SECONDS = 1.0
"""Time of the writers before and after the failover."""


async def _run_round(processes: SentinelProcesses, replicas: int) -> tuple[int, int, float]:
    """Return the numbers of acknowledged and of lost records, and the longest pause in seconds."""
    link = Link.open(processes.url, prefix="bench", deadline_seconds=2, connections=32, replicas=replicas)
    writers = Writers(link)
    async with writers.running(WRITERS):
        await asyncio.sleep(SECONDS)
        old = processes.master
        old.kill()
        await asyncio.to_thread(wait_until, lambda: processes.is_promoted(old))
        await asyncio.sleep(2 * SECONDS)
    lost = await writers.lost()
    await link.close()
    return len(writers.acknowledged), len(lost), writers.longest_pause()


def _measure(replicas: int, rounds: int) -> None:
    results = []
    for _ in range(rounds):
        with run_sentinels(replicas=2) as processes:
            results.append(asyncio.run(_run_round(processes, replicas)))
    acknowledged, lost, pauses = zip(*results, strict=True)
    print(
        f"WAIT {replicas}: {rounds} failovers, {sum(acknowledged)} writes acknowledged, {sum(lost)} lost "
        f"(in {sum(each > 0 for each in lost)} failovers, at most {max(lost)}); "
        f"writes paused {statistics.median(pauses):.1f} s (median)"
    )


if __name__ == "__main__":
    print(f"redis-server {'.'.join(map(str, find_binary().version))}")
    for wait in (0, 1):
        _measure(wait, int(sys.argv[1]) if len(sys.argv) > 1 else 10)
