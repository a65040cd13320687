"""`specs/scale.md` and its plot, written from the model and the simulation."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench import scale
from tests.bench.page import PAGE, format_table, wrap_text
from tests.bench.plot import Line, draw_plot
from tests.bench.record import Record
from tests.bench.scale import Need, build_mix, choose_load, compute_need, count_processes, simulate_loads
from tests.bench.simulation import Mix

_PAGE = PAGE.with_name("scale.md")
_PLOT = PAGE.with_name("scale.svg")
_RATES = (10_000, 1_000_000)
_TYPICAL_LOAD = 0.25
"""The load that decides over how many processes a simulated deployment spreads its arrivals."""

_HEAD = """\
# Scale

This page computes what `serve` needs for 10⁴ and 10⁶ operations a minute. `make bench ARGS=scale` writes it from the
unit costs of [performance.md](performance.md). Nothing here was run at these rates: unit costs are measured, the rest
is arithmetic and a simulation. Code: `tests/bench/scale.py`, `tests/bench/simulation.py`.

## Measured: costs of one operation

Measured on {date}: {machine}. The load average before the run was {busy:.1f}; above about 0.5, other programs ran, and
CPU times are too high.

"""

_ASSUMPTIONS = """
An operation consumes {gas:,} gas by the bundler's receipt. Bytes of Redis are those of the keys that remain when the
call is final, with 80 bytes a key for Redis's own tables.

## Assumed

- An operation is prepared and sent once, and its status is read {polls} times, once a second. A session is created for
  every {of_session} operations, is a root session, and is kept {session_days} days.
- The record of a call is kept {call_days} days after its last change ([state.md](state.md)). The audit log, which is
  kept forever, is not counted: these calls had no API key.
- A Redis process uses {redis_load:.0%} of its core on average. A shard holds {shard:.0f} GB, and its machine has twice
  that for the copy while the append-only file is rewritten. Each shard has one replica. Disk syncs are not modelled:
  with `appendfsync always` the disk syncs once for each round of commands.
- A month costs $ {core:.0f} for a core with 2 GB, and $ {gigabyte:.0f} for a GB of further memory. Disks, traffic,
  nodes and the gas itself are not counted.
- A chain executes {chain:,} gas a second. Costs grow in proportion to operations, and a larger Redis is as fast as
  a small one. Reading a status costs as much as that of a final call, which needs no request to a node.

## Result

"""

_SIMULATION = """
## Arrivals

A process is one event loop on one core. The simulation runs the requests' CPU slices in order of readiness, with
log-normal waits for Redis, node and bundler, whose median and 99th percentile were measured. Arrivals are either
random (Poisson) or bursty: 5 seconds of four times the calm rate every 50 seconds on average, and clients that begin
1 to 200 operations at once, with a Pareto tail (exponent 1.5). Each operation goes to a random process.

![The 99th percentile of wallet_prepareCalls by average load of a process](scale.svg)

The dashed line is {limit:.1f} s, the limit that chooses the load above: {loads}.
With purely random arrivals the limit would allow {poisson:.0%}. Bursts decide: the queue of those seconds is what the
99th percentile shows. Batches of single clients matter where few processes share them. A full process rejects nothing
in this model, so its latency grows instead.
"""

_BREAKS = """
## What breaks first

Operations a minute at which one part is full, the smallest first:

"""

_ADVICE = """
- Memory for call records grows with their {call_days} days, not with the rate alone. A shorter retention, or final
  records outside Redis, is the first change that a larger deployment needs.
- Without a cluster all keys are on one Redis. The outbox has eight shards, so at most eight masters share it; all other
  keys spread over any number.
- One organisation's audit log is one chain of hashes. Processes that append at the same time retry, so an organisation
  with most of the traffic limits itself before the cluster does. Where that is was not measured.
- Bundlers and chain are outside wallet-rpc. Operations must be spread over several chains before Redis or processes
  become the limit.
"""


def write_scale_page(record: Record) -> None:
    """Simulate, and write the page and the plot."""
    mix = build_mix(record)
    random = simulate_loads(mix, processes=1, is_bursty=False)
    bursty = {
        rate: simulate_loads(mix, processes=count_processes(mix, rate, _TYPICAL_LOAD), is_bursty=True)
        for rate in _RATES
    }
    needs = [compute_need(record, mix, rate, choose_load(points)) for rate, points in bursty.items()]
    lines = [Line("random arrivals", _in_milliseconds(random))]
    lines += [Line(f"bursty, {rate:,} a minute", _in_milliseconds(points)) for rate, points in bursty.items()]
    _PLOT.write_text(
        draw_plot(
            lines,
            across="average load of a process",
            up="99th percentile of wallet_prepareCalls, ms",
            limit=scale.LIMIT_SECONDS * 1000,
        )
    )
    loads = ", ".join(f"{need.load:.0%} at {need.per_minute:,} operations a minute" for need in needs)
    assumptions = _ASSUMPTIONS.format(
        gas=record.operation_gas,
        polls=scale.POLLS,
        of_session=scale.OPERATIONS_OF_A_SESSION,
        session_days=scale.SESSION_DAYS,
        call_days=scale.CALL_DAYS,
        redis_load=scale.REDIS_LOAD,
        shard=scale.SHARD_GIGABYTES,
        core=scale.CORE_DOLLARS,
        gigabyte=scale.GIGABYTE_DOLLARS,
        chain=scale.CHAIN_GAS,
    )
    text = _HEAD.format(date=record.date, busy=record.load_average, machine=record.machine)
    text += _cost_table(record, mix) + assumptions + _need_table(needs)
    text += _SIMULATION.format(limit=scale.LIMIT_SECONDS, loads=loads, poisson=choose_load(random))
    text += _BREAKS + _break_table(record, mix, needs[0]) + _ADVICE.format(call_days=scale.CALL_DAYS)
    _PAGE.write_text(wrap_text(text))


def _in_milliseconds(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(load, seconds * 1000) for load, seconds in points]


def _cost_table(record: Record, mix: Mix) -> str:
    rows = []
    for name, unit, work in (
        ("`wallet_createSession`, root", "session", mix.session),
        ("`wallet_prepareCalls`", "prepare", mix.prepare),
        ("`wallet_sendPreparedCalls`, until final", "send", mix.send),
    ):
        cost = record.units[unit]
        stored = f"{sum(cost.redis_memory.values()):,.0f}"
        if cost.redis_memory:
            stored += f" ({', '.join(f'{kind} {size:,.0f}' for kind, size in cost.redis_memory.items())})"
        rows.append(
            (
                name,
                f"{1000 * work.cpu:.2f}",
                f"{cost.redis_cpu / 1000:.2f}",
                stored,
                f"{max(0.0, cost.redis_disk):,.0f}",
                f"{cost.node_requests:.1f} ({cost.node_calls:.1f})",
                f"{abs(cost.bundler_requests):.1f}",
            )
        )
    rows.append(("`wallet_getCallsStatus` of a final call", f"{1000 * mix.status.cpu:.2f}", "–", "–", "–", "–", "–"))
    head = (
        "work",
        "server CPU, ms",
        "Redis CPU, ms",
        "bytes in Redis",
        "bytes to disk",
        "node requests (calls)",
        "bundler requests",
    )
    return format_table(head, rows)


def _need_table(needs: Sequence[Need]) -> str:
    def row(name: str, *cells: str) -> tuple[str, ...]:
        return (name, *cells)

    rows = [
        row("average load of a process", *(f"{each.load:.0%}" for each in needs)),
        row("processes, one core each", *(f"{each.processes:,}" for each in needs)),
        row("Redis CPU, cores", *(f"{each.redis_cores:,.1f}" for each in needs)),
        row("Redis memory, GB", *(f"{each.redis_gigabytes:,.0f}" for each in needs)),
        row("… of it records of calls", *(f"{each.call_gigabytes:,.0f}" for each in needs)),
        row("Cluster shards (masters)", *(f"{each.shards:,}" for each in needs)),
        row("append-only file, MB/s", *(f"{each.disk_megabytes:,.1f}" for each in needs)),
        row("requests to nodes, a second", *(f"{each.node_requests:,.0f}" for each in needs)),
        row("calls in them, a second", *(f"{each.node_calls:,.0f}" for each in needs)),
        row("requests to bundlers, a second", *(f"{each.bundler_requests:,.0f}" for each in needs)),
        row("CPU of Alto, cores", *(f"{each.bundler_cores:,.1f}" for each in needs)),
        row("gas, million a second", *(f"{each.gas / 1e6:,.0f}" for each in needs)),
        row("processes and Redis, $ a month", *(f"{each.dollars:,.0f}" for each in needs)),
        row("bundlers' machines, $ a month", *(f"{each.bundler_dollars:,.0f}" for each in needs)),
    ]
    return format_table(("", *(f"{each.per_minute:,} operations a minute" for each in needs)), rows)


def _break_table(record: Record, mix: Mix, need: Need) -> str:
    """Divide each limit by the need for one operation a minute."""
    rate = need.per_minute
    limits = [
        (f"records of calls of {scale.CALL_DAYS} days fill one Redis of {scale.SHARD_GIGABYTES:.0f} GB",
         rate * scale.SHARD_GIGABYTES / need.redis_gigabytes),
        (f"one process, at a load of {need.load:.0%}", 60 * need.load / mix.cpu),
        (f"one Redis, at {scale.REDIS_LOAD:.0%} of its core", rate * scale.REDIS_LOAD / need.redis_cores),
        ("one Alto, at all of its core", rate / need.bundler_cores),
        (f"one chain of {scale.CHAIN_GAS:,} gas a second", 60 * scale.CHAIN_GAS / record.operation_gas),
    ]  # fmt: skip
    rows = [(name, f"{most:,.0f}") for name, most in sorted(limits, key=lambda each: each[1])]
    return format_table(("part", "operations a minute"), rows)
