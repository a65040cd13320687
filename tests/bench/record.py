"""Measurements of a run as a file, from which the pages are written and to which a quick run is compared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from tests.bench.machine import describe_machine, list_versions
from tests.bench.parts import Parts
from tests.bench.rows import Measure, Row, Spread, Subject, compute_ratios

FILE = Path(__file__).parent / "recorded.json"
"""The last full run."""


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """Medians and ranges of one server's rounds; times in milliseconds and CPU microseconds a request."""

    name: str
    per_second: Spread
    half: Spread
    slow: Spread
    cpu: Spread
    partner_cpu: Spread
    load_share: float
    requests: int
    """The number of a round."""


@dataclass(frozen=True, slots=True)
class RowRecord:
    """One row's measurements, wallet-rpc's first."""

    subjects: Sequence[SubjectRecord]
    ratio: Spread
    cpu_ratio: float
    """The other's CPU time for a request divided by wallet-rpc's."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident memory of a server under a steady load."""

    minutes: float
    requests: int
    first: float
    """In megabytes, after the warm-up."""
    last: float
    slope: float
    """Megabytes in ten minutes, by least squares over the second half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs of one session, preparation, or sent operation until it is final, besides CPU time of the server."""

    redis_cpu: float
    """In microseconds."""
    redis_memory: dict[str, float]
    """In bytes, by the first word of the key's hash tag."""
    redis_disk: float
    """In bytes of the append-only file."""
    node_requests: float
    """HTTP requests to the node."""
    node_calls: float
    """JSON-RPC calls in them."""
    bundler_requests: float


@dataclass(frozen=True, slots=True)
class Record:
    """One full run, with the last measurement of memory."""

    date: str
    rounds: int
    machine: str
    load_average: float
    """Of the minute before the run: work of other programs."""
    versions: dict[str, str]
    rows: dict[str, RowRecord]
    resident: dict[str, float]
    """Megabytes of each server after the run."""
    growth: dict[str, Growth] = field(default_factory=dict)
    units: dict[str, Costs] = field(default_factory=dict)
    """Of `session`, `prepare` and `send`."""
    operation_gas: int = 0
    """Gas of one operation, by the bundler's receipt."""


_RECORD = TypeAdapter(Record)


def summarize_row(row: Row, subjects: Sequence[Subject]) -> RowRecord:
    """Reduce a measured row to medians and ranges."""
    ours, other = (summarize_subject(subject) for subject in subjects)
    return RowRecord((ours, other), compute_ratios(row, *subjects), other.cpu.median / ours.cpu.median)


def summarize_subject(subject: Subject) -> SubjectRecord:
    """Reduce a server's rounds to medians and ranges."""
    rates = subject.rates
    return SubjectRecord(
        name=subject.name,
        per_second=Spread.of([each.per_second for each in rates]),
        half=Spread.of([each.percentile(0.5) for each in rates]),
        slow=Spread.of([each.percentile(0.99) for each in rates]),
        cpu=Spread.of([1e6 * each for each in subject.cpu_seconds]),
        partner_cpu=Spread.of([1e6 * each for each in subject.partner_cpu_seconds]),
        load_share=max(each.load_share for each in rates),
        requests=rates[-1].count,
    )


async def build_record(
    parts: Parts, rows: dict[str, RowRecord], units: tuple[dict[str, Costs], int], *, rounds: int, load_average: float
) -> Record:
    """Add the machine, versions and resident memory to the rows; the memory's growth is that of the last record."""
    previous = read_record()
    return Record(
        date=time.strftime("%-d %B %Y", time.gmtime()),
        rounds=rounds,
        machine=describe_machine(),
        load_average=load_average,
        versions=list_versions(await parts.redis_version()),
        rows=rows,
        resident={name: served.resident_bytes() / 1e6 for name, served in parts.servers().items()},
        growth={} if previous is None else previous.growth,
        units=units[0],
        operation_gas=units[1],
    )


def read_record() -> Record | None:
    """Return the last full run; None before the first."""
    return _RECORD.validate_json(FILE.read_bytes()) if FILE.is_file() else None


def write_record(record: Record) -> None:
    FILE.write_bytes(_RECORD.dump_json(record, indent=1) + b"\n")


def write_growth(growth: dict[str, Growth]) -> Record:
    """Replace the memory's growth in the record. Raises: RuntimeError before the first full run."""
    record = read_record()
    if record is None:
        raise RuntimeError("there is no record: run `make bench` first")
    changed = replace(record, growth=growth)
    write_record(changed)
    return changed


def is_met(row: Row, measured: RowRecord) -> bool:
    """Return True when the medians reach the row's targets."""
    if row.most_milliseconds is not None and measured.subjects[0].half.median > row.most_milliseconds:
        return False
    if row.target is None:
        return True
    ratio = measured.ratio.median
    return ratio >= row.target if row.measure is Measure.RATE else ratio <= row.target
