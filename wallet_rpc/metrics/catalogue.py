"""Every metric of wallet-rpc: its name, type, labels and meaning, from which the page specs/metrics.md has its table.

The metrics of a process are counted by each process, and may be added up. Shared facts are the same for all replicas
on one Redis, so only the process that holds the lease exports them, and they must never be added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias

Merge: TypeAlias = Literal["livesum", "livemin", "livemostrecent"]
"""The way in which the gauges of several worker processes become one."""


class Kind(StrEnum):
    """Types of metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Definition of one metric."""

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()
    meaning: str
    is_shared: bool = False
    """True for a shared fact."""
    merge: Merge = "livesum"
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, in seconds."""


_SLOW = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def _counter(name: str, meaning: str, *labels: str) -> Definition:
    return Definition(name=f"wallet_rpc_{name}", kind=Kind.COUNTER, labels=labels, meaning=meaning)


def _histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> Definition:
    return Definition(name=f"wallet_rpc_{name}", kind=Kind.HISTOGRAM, labels=labels, meaning=meaning, buckets=buckets)


def _gauge(name: str, meaning: str, *labels: str, merge: Merge = "livesum") -> Definition:
    return Definition(name=f"wallet_rpc_{name}", kind=Kind.GAUGE, labels=labels, meaning=meaning, merge=merge)


def _fact(name: str, meaning: str, *labels: str) -> Definition:
    return Definition(name=f"wallet_rpc_{name}", kind=Kind.GAUGE, labels=labels, meaning=meaning, is_shared=True)


REQUESTS: Final = _counter(
    "requests_total",
    "Requests that ended; each entry of a batch counts. Outcome: ok, rejected (by a check of the request), failed (by "
    "the server or a dependency), cut (the client left). Code: of the error, else empty.",
    "method",
    "route",
    "outcome",
    "code",
)
REQUEST_SECONDS: Final = _histogram(
    "request_duration_seconds",
    "Duration of HTTP requests, from their head to the end of the response; a batch counts once, as (batch).",
    "method",
    buckets=_SLOW,
)
UPSTREAM_REQUESTS: Final = _counter(
    "upstream_requests_total",
    "POSTs to a node, bundler or paymaster service, by the number of its URL in the setting. Outcome: answered (also "
    "with a JSON-RPC error), not_sent, no_answer, overloaded (429), http_error (401 or above), too_large, canceled.",
    "upstream",
    "chain",
    "url",
    "outcome",
)
UPSTREAM_SECONDS: Final = _histogram(
    "upstream_request_duration_seconds",
    "Duration of those POSTs, whatever their outcome.",
    "upstream",
    "chain",
    "url",
    buckets=_SLOW,
)
DEPENDENCY_UP: Final = _gauge(
    "dependency_up",
    "1 while a dependency is used, 0 while its probes mark it down; 0 if any worker process does.",
    "dependency",
    "chain",
    "url",
    merge="livemin",
)
REDIS_SECONDS: Final = _histogram(
    "redis_request_duration_seconds",
    "Duration of requests to Redis that got a reply, with their repetitions after a lost connection.",
    buckets=_FAST,
)
REDIS_FAILURES: Final = _counter(
    "redis_request_failures_total", "Requests to Redis that got no reply in time, or were not sent while it is down."
)
REDIS_WAITING: Final = _gauge(
    "redis_waiting_commands", "Commands without a reply on the connections to Redis that all requests share."
)
REDIS_CONNECTIONS: Final = _gauge(
    "redis_connections_in_use", "Further connections to Redis in use, for writes that wait for replicas."
)
LOOP_LAG: Final = _histogram(
    "event_loop_lag_seconds", "Delay of a timer of the event loop, measured twice a second.", buckets=_FAST
)
LOG_ERRORS: Final = _counter(
    "log_errors_total", "Lines of the log at level error, by event; an incident is a bug of the server.", "event"
)
FOLLOWERS: Final = _gauge(
    "event_followers_open",
    "Open streams of events, and subscriptions to events over WebSockets. Kind: stream, subscription.",
    "kind",
)
EVENTS_SENT: Final = _counter("events_sent_total", "Events that were sent to them.", "kind")
LAGGING: Final = _counter(
    "event_followers_lagging_total", "Those that the server ended because too many events waited for them.", "kind"
)
WEBHOOKS: Final = _counter(
    "webhook_attempts_total",
    "Attempts to deliver an event to a webhook. Outcome: delivered, failed (it is sent again), dead (a dead letter, by "
    "too many failures or a trimmed log).",
    "outcome",
)
CLOCK_SKEW: Final = _gauge("clock_skew_seconds", "This machine's clock minus that of Redis.", merge="livemostrecent")
LEASEHOLDER: Final = _gauge(
    "facts_leaseholder", "1 on the server that reads the shared facts, else 0; the sum over all replicas is 1."
)
BUILD_INFO: Final = _gauge("build_info", "1, with the versions of wallet-rpc and Python.", "version", "python")

FACTS_TIME: Final = _fact("facts_timestamp_seconds", "Time at which the shared facts were read, since 1970.")
CALLS: Final = _fact(
    "calls",
    "Calls in the outbox by state: all that are not final, and final ones until their last check after ten minutes.",
    "chain",
    "state",
)
OLDEST_CALL: Final = _fact(
    "oldest_call_age_seconds", "Time since the oldest of those calls was accepted; 0 without one.", "chain", "state"
)
SCHEDULED: Final = _fact("outbox_scheduled_calls", "Calls that wait for a worker, now or later.", "shard")
READY_CALLS: Final = _fact("outbox_ready_calls", "Calls whose time has come and that no worker was given yet.", "shard")
IN_STREAM: Final = _fact("outbox_stream_entries", "Calls that a worker was given and has not finished.", "shard")
POLICY_WEI: Final = _fact("policy_budget_left_wei", "Wei left of a sponsorship policy's total_wei.", "policy")
POLICY_OPERATIONS: Final = _fact(
    "policy_operations_left", "Operations left of a sponsorship policy's total_operations.", "policy"
)
POLICY_RATIO: Final = _fact(
    "policy_budget_left_ratio", "Smaller of the two as a share of its limit, from 0 to 1.", "policy"
)
RELAYER_WEI: Final = _fact("relayer_budget_left_wei", "Wei left of the relayer's budget of today (UTC).", "chain")
RELAYER_RATIO: Final = _fact("relayer_budget_left_ratio", "The same as a share of the limit, from 0 to 1.", "chain")
RELAYER_BALANCE: Final = _fact("relayer_balance_wei", "Balance of the relayer's account.", "chain")
PAYMASTER_DEPOSIT: Final = _fact(
    "paymaster_deposit_wei", "Deposit of the operator's paymaster contract in EntryPoint.", "chain"
)
REDIS_MEMORY: Final = _fact("redis_memory_used_bytes", "Memory that a Redis master uses.", "master")
REDIS_MEMORY_LIMIT: Final = _fact(
    "redis_memory_limit_bytes", "Its maxmemory, else the memory of its machine.", "master"
)

ALL: Final = tuple(value for value in list(globals().values()) if isinstance(value, Definition))
"""All definitions, in the order of this file."""
PROCESS_METRICS: Final = {
    "process_cpu_seconds_total": "CPU time.",
    "process_max_fds": "Maximum number of open files.",
    "process_open_fds": "Number of open files.",
    "process_resident_memory_bytes": "Resident memory.",
    "process_start_time_seconds": "Start of the process, since 1970.",
    "process_virtual_memory_bytes": "Virtual memory.",
}
"""The metrics of each worker process that the library reads from the operating system (Linux only)."""


_SHARED = {False: "", True: "yes"}


def metrics_table() -> str:
    """Format all metrics as the page's Markdown table."""
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(each.labels)} | {_SHARED[each.is_shared]} | {each.meaning} |"
        for each in ALL
    ]
    rows += [
        f"| `{name}` | {'counter' if name.endswith('_total') else 'gauge'} | worker | | {meaning} |"
        for name, meaning in PROCESS_METRICS.items()
    ]
    return "\n".join(["| metric | type | labels | shared | meaning |", "| --- | --- | --- | --- | --- |", *rows])
