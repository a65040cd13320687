"""Rows of the table: the same work on wallet-rpc and on what a user would write or install instead."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.bench.load import Rate
from tests.bench.parts import Parts
from tests.bench.processes import OTHER_CORE, SERVER_CORE, Served


class Measure(StrEnum):
    """What is compared."""

    RATE = "requests a second"
    LATENCY = "median latency"


@dataclass
class Subject:
    """One server doing a row's work: `run` measures one round, whose size `part` scales (1: full)."""

    name: str
    served: Served
    run: Callable[[float], Awaitable[Rate]]
    rates: list[Rate] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    """CPU time of the server's process for each request of a round, with the work that it does after the response."""

    partner_cpu_seconds: list[float] = field(default_factory=list)
    """CPU time of the partners: the embedded chain, anvil, Alto behind `serve`."""

    async def measure(self, part: float) -> None:
        """Measure one round with the server alone on its core."""
        self.served.pin(SERVER_CORE)
        before, partners_before = self.served.cpu_seconds(), self.served.partner_cpu_seconds()
        rate = await self.run(part)
        self.rates.append(rate)
        self.cpu_seconds.append((self.served.cpu_seconds() - before) / rate.count)
        self.partner_cpu_seconds.append((self.served.partner_cpu_seconds() - partners_before) / rate.count)
        self.served.pin(OTHER_CORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Work that is compared; `subjects` prepares it and returns wallet-rpc first, then the peer if there is one."""

    key: str
    work: str
    subjects: Callable[[Parts], Awaitable[Sequence[Subject]]]
    measure: Measure = Measure.RATE
    target: float | None = None
    """The ratio to the peer: at least for rates, at most for latencies. None: reported without a target."""
    most_milliseconds: float | None = None
    """The greatest median latency, whatever the peer's is."""
    quick: bool = False
    """True if the quick run has it too."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def compute_ratios(row: Row, ours: Subject, peer: Subject) -> Spread:
    """Compare round by round: both were measured one after the other."""
    pairs = zip(ours.rates, peer.rates, strict=True)
    if row.measure is Measure.RATE:
        return Spread.of([one.per_second / other.per_second for one, other in pairs])
    return Spread.of([one.percentile(0.5) / other.percentile(0.5) for one, other in pairs])
