"""Model of larger deployments from the unit costs of a recorded run: processes, Redis, nodes, bundlers, machines."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.bench.record import Record, RowRecord, SubjectRecord
from tests.bench.simulation import Arrivals, Mix, Wait, Work, percentile, simulate

POLLS = 4
"""Status requests for one operation."""
OPERATIONS_OF_A_SESSION = 20
SESSION_DAYS = 7
"""Lifetime of a session's record."""
CALL_DAYS = 30
"""Time for which the record of a call is kept after its last change (specs/state.md)."""
LIMIT_SECONDS = 0.5
"""The 99th percentile of wallet_prepareCalls, of which the load of a process is chosen."""
REDIS_LOAD = 0.5
"""The part of its core that a shard's Redis may use on average."""
SHARD_GIGABYTES = 50.0
"""Memory of one shard; twice as much is installed, for the copy while the append-only file is rewritten."""
CORE_DOLLARS = 25.0
"""Price of a core for a month, with 2 GB of memory."""
GIGABYTE_DOLLARS = 3.0
"""Price of a gigabyte of memory for a month."""
CHAIN_GAS = 15_000_000
"""Gas that one chain executes in a second."""
CONCURRENT_AUDIT = 100
"""Entries that one command appends to an audit log (`adapters/redis_audit.py`)."""

LOADS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.65, 0.8)
"""Average loads of a process that are simulated."""
SECONDS = 600.0
"""Simulated time."""


@dataclass(frozen=True, slots=True)
class Need:
    """Needs of a deployment with this many operations a minute."""

    per_minute: int
    load: float
    """The part of its core that a process may use on average."""
    processes: int
    redis_cores: float
    redis_gigabytes: float
    call_gigabytes: float
    shards: int
    disk_megabytes: float
    """Written in a second."""
    node_requests: float
    """In a second, like the next two."""
    node_calls: float
    bundler_requests: float
    bundler_cores: float
    gas: float
    """In a second."""

    @property
    def dollars(self) -> float:
        """Price of processes and Redis for a month, replicas of Redis included."""
        redis = 2 * (self.shards * CORE_DOLLARS + 2 * self.redis_gigabytes * GIGABYTE_DOLLARS)
        return self.processes * CORE_DOLLARS + redis

    @property
    def bundler_dollars(self) -> float:
        return math.ceil(self.bundler_cores / REDIS_LOAD) * CORE_DOLLARS


def build_mix(record: Record) -> Mix:
    """Take CPU times and the dependencies' times from the record."""
    node, bundler = _wait(record.rows["node-method"]), _wait(record.rows["prepare-serve"])

    def work(row: str, unit: str | None) -> Work:
        cpu = _ours(record, row).cpu.median / 1e6
        if unit is None:
            return Work(cpu, [node])
        costs = record.units[unit]
        trips = [node] * (round(costs.node_requests) + 2)  # two trips to Redis, as fast as a node's method
        return Work(cpu, trips + ([bundler] if unit == "prepare" else []))

    return Mix(
        prepare=work("prepare-serve-8", "prepare"),
        send=work("send-serve", "send"),
        status=work("calls-status", None),
        session=work("create-session-serve", "session"),
        polls=POLLS,
        sessions=1 / OPERATIONS_OF_A_SESSION,
    )


def _ours(record: Record, row: str) -> SubjectRecord:
    return record.rows[row].subjects[0]


def _wait(row: RowRecord) -> Wait:
    """Return the time of the row's other server."""
    other = row.subjects[1]
    return Wait(other.half.median / 1000, other.slow.median / 1000)


def simulate_loads(mix: Mix, *, processes: int, is_bursty: bool) -> list[tuple[float, float]]:
    """Return the 99th percentile of wallet_prepareCalls in seconds for each load of a process."""
    arrivals = Arrivals(processes, is_bursty)
    points = []
    for load in LOADS:
        latencies = simulate(mix, arrivals, load=load, seconds=SECONDS)
        points.append((load, percentile(latencies["prepare"], 0.99)))
    return points


def choose_load(points: list[tuple[float, float]]) -> float:
    """Return the greatest load up to which the limit holds, or the least load."""
    chosen = points[0][0]
    for load, slow in points:
        if slow > LIMIT_SECONDS:
            break
        chosen = load
    return chosen


def count_processes(mix: Mix, per_minute: int, load: float) -> int:
    return math.ceil(per_minute / 60 * mix.cpu / load)


def compute_need(record: Record, mix: Mix, per_minute: int, load: float) -> Need:
    """Scale the unit costs to a number of operations a minute."""
    rate = per_minute / 60
    units = record.units
    prepare, send, session = units["prepare"], units["send"], units["session"]
    sessions = 1 / OPERATIONS_OF_A_SESSION

    def total(name: str) -> float:
        per_operation: float = getattr(prepare, name) + getattr(send, name) + sessions * getattr(session, name)
        return rate * max(0.0, per_operation)

    call_bytes = rate * 86_400 * CALL_DAYS * (send.redis_memory["call"] + send.redis_memory["nonce"])
    session_bytes = rate * sessions * 86_400 * SESSION_DAYS * sum(session.redis_memory.values())
    redis_cores = total("redis_cpu") / 1e6
    gigabytes = (call_bytes + session_bytes) / 1e9
    alto = record.rows["prepare-serve-8"].subjects[1].cpu.median + record.rows["send"].subjects[1].cpu.median
    return Need(
        per_minute=per_minute,
        load=load,
        processes=count_processes(mix, per_minute, load),
        redis_cores=redis_cores,
        redis_gigabytes=gigabytes,
        call_gigabytes=call_bytes / 1e9,
        shards=max(1, math.ceil(redis_cores / REDIS_LOAD), math.ceil(gigabytes / SHARD_GIGABYTES)),
        disk_megabytes=total("redis_disk") / 1e6,
        node_requests=total("node_requests"),
        node_calls=total("node_calls"),
        bundler_requests=total("bundler_requests"),
        bundler_cores=rate * alto / 1e6,
        gas=rate * record.operation_gas,
    )
