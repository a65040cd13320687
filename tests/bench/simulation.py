"""Simulation of one server process under random arrivals: an event loop on one core, and waits for its dependencies.

A request is a sequence of CPU slices with a wait after each but the last. The loop runs ready slices in their order.
A process gets a share of the arrivals of a whole deployment, chosen at random for each operation.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_BURST_FACTOR = 4.0
"""Arrivals in a burst, compared with the calm between bursts."""
_CALM_SECONDS = 45.0
_BURST_SECONDS = 5.0
_BATCH_EXPONENT = 1.5
_BATCH_LIMIT = 200
_SIGNING_SECONDS = 0.5
"""Mean time from the prepared to the signed operation."""
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Log-normal time that a dependency takes, in seconds."""

    half: float
    slow: float
    """The 99th percentile."""

    def draw(self, source: random.Random) -> float:
        spread = math.log(max(1.01, self.slow / self.half)) / 2.326  # the normal 99th percentile
        return self.half * math.exp(source.gauss(0, spread))


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of request: CPU seconds in all, and the dependencies' times, in order."""

    cpu: float
    waits: Sequence[Wait]


@dataclass(frozen=True, slots=True)
class Mix:
    """Requests of one operation: prepared, sent, and its status read `polls` times; `sessions` created for each."""

    prepare: Work
    send: Work
    status: Work
    session: Work
    polls: int
    sessions: float

    @property
    def cpu(self) -> float:
        """CPU seconds of an operation."""
        return self.prepare.cpu + self.send.cpu + self.polls * self.status.cpu + self.sessions * self.session.cpu


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Operations of a deployment with `processes`, each loaded to a part of its core."""

    processes: int
    is_bursty: bool

    def times(self, per_second: float, seconds: float, source: random.Random) -> Iterator[float]:
        """Yield the times at which operations of one process begin; `per_second` is the mean of each process."""
        if not self.is_bursty:
            at = source.expovariate(per_second)
            while at < seconds:
                yield at
                at += source.expovariate(per_second)
            return
        cycle = _CALM_SECONDS + _BURST_SECONDS
        calm_operations = per_second * cycle / (_CALM_SECONDS + _BURST_FACTOR * _BURST_SECONDS)
        sizes = _shares_of_batches(self.processes)
        calm_rate = calm_operations / math.fsum(size * part for size, part in sizes.items())
        at, is_burst, ends = 0.0, False, source.expovariate(1 / _CALM_SECONDS)
        for size in _draw_all(sizes, source):
            at += source.expovariate(calm_rate * (_BURST_FACTOR if is_burst else 1))
            while at > ends:  # the time to the next batch begins anew, as it has no memory
                at, is_burst = ends, not is_burst
                ends += source.expovariate(1 / (_BURST_SECONDS if is_burst else _CALM_SECONDS))
                at += source.expovariate(calm_rate * (_BURST_FACTOR if is_burst else 1))
            if at >= seconds:
                return
            yield from itertools.repeat(at, size)


def _shares_of_batches(processes: int) -> dict[int, float]:
    """Return how likely one process gets 1, 2, … operations of a batch, among the batches of which it gets any.

    A client begins at least k operations at once with probability k ** -exponent, up to the limit. Each goes to a
    random process.
    """
    shares: defaultdict[int, float] = defaultdict(float)
    part = 1 / processes
    for size in range(1, _BATCH_LIMIT + 1):
        more = math.pow(size + 1, -_BATCH_EXPONENT) if size < _BATCH_LIMIT else 0.0
        exactly = math.pow(size, -_BATCH_EXPONENT) - more
        for number in range(1, size + 1):
            shares[number] += exactly * math.comb(size, number) * part**number * (1 - part) ** (size - number)
    total = math.fsum(shares.values())
    return {number: share / total for number, share in shares.items()}


def _draw_all(shares: Mapping[int, float], source: random.Random) -> Iterator[int]:
    """Yield random numbers with these probabilities without end."""
    while True:
        yield from source.choices(list(shares), list(shares.values()), k=1_000)


@dataclass(slots=True)
class _Running:
    """A request that runs: its next slice, and the rest."""

    arrived: float
    kind: str
    work: Work
    done: int = 0


def simulate(mix: Mix, arrivals: Arrivals, *, load: float, seconds: float, seed: int = 1) -> dict[str, list[float]]:
    """Return the latencies of each kind of request, in seconds, for a process that is busy `load` of the time."""
    source = random.Random(seed)  # noqa: S311  # the same arrivals for the same seed; no secret
    numbers = itertools.count()
    ready: list[tuple[float, int, _Running]] = []
    for at in arrivals.times(load / mix.cpu, seconds, source):
        for kind, work, starts in _requests(mix, at, source):
            heapq.heappush(ready, (starts, next(numbers), _Running(starts, kind, work)))
    free_at = 0.0
    latencies: dict[str, list[float]] = {"prepare": [], "send": [], "status": [], "session": []}
    while ready:
        at, _, running = heapq.heappop(ready)
        free_at = max(free_at, at) + running.work.cpu / (len(running.work.waits) + 1)
        if running.done < len(running.work.waits):
            wait = running.work.waits[running.done].draw(source)
            running.done += 1
            heapq.heappush(ready, (free_at + wait, next(numbers), running))
        else:
            latencies[running.kind].append(free_at - running.arrived)
    return latencies


def _requests(mix: Mix, at: float, source: random.Random) -> Iterator[tuple[str, Work, float]]:
    if source.random() < mix.sessions:
        yield "session", mix.session, at
    yield "prepare", mix.prepare, at
    sent_at = at + source.expovariate(1 / _SIGNING_SECONDS)
    yield "send", mix.send, sent_at
    for number in range(1, mix.polls + 1):
        yield "status", mix.status, sent_at + number * _POLL_SECONDS


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
