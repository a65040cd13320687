"""Resident memory of the servers under a steady load: `make bench ARGS=memory`, ten minutes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bench.holders import Holder
from tests.bench.load import Connection
from tests.bench.parts import Parts
from tests.bench.processes import SERVER_CORE, Served, children_of
from tests.bench.record import Growth
from tests.bench.requests import session_requests
from tests.bench.running import report

MINUTES = 10.0
_CLIENTS = 4
_SESSIONS = 5
"""Sessions that a client creates for each operation that it sends."""
_PAUSE_SECONDS = 0.1
"""Pause of a client before its next round: memory, not speed, is measured."""
_SAMPLE_SECONDS = 2.0
_EMPTY_BLOCKS = 32
"""Empty blocks between two samples: anvil suggests the tip of recent blocks, and Alto pays more than is suggested."""


@dataclass
class _Load:
    """Clients that create sessions and send operations until a time, and the number of their operations."""

    url: str
    ends: float
    operations: int = 0

    async def run(self, holder: Holder) -> None:
        connection = await Connection.open(self.url)
        while time.monotonic() < self.ends:
            for body in session_requests("root", _SESSIONS):
                await connection.post(body)
            await holder.act(connection)
            self.operations += 1
            await asyncio.sleep(_PAUSE_SECONDS)
        connection.close()


@dataclass
class _Samples:
    """Resident megabytes of a process over time."""

    read: Callable[[], int]
    times: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def take(self) -> None:
        self.times.append(time.monotonic())
        self.megabytes.append(self.read() / 1e6)

    def growth(self, minutes: float, operations: int) -> Growth:
        half = len(self.times) // 2
        slope = statistics.linear_regression(self.times[half:], self.megabytes[half:]).slope
        start = len(self.times) // 10
        return Growth(minutes, operations, self.megabytes[start], self.megabytes[-1], slope * 600)


async def measure_growth(parts: Parts, minutes: float) -> dict[str, Growth]:
    """Load `dev` and `serve` for some minutes, and with `serve` Alto; return how the memory of each grew."""
    dev, serve = await parts.dev(), await parts.serve()
    alto = parts.alto()
    for served in (dev, serve):
        served.pin(SERVER_CORE)
    [chain] = children_of(dev.process_id)
    samples = {
        "dev": _Samples(dev.resident_bytes),
        "embedded chain": _Samples(Served("", chain).resident_bytes),
        "serve": _Samples(serve.resident_bytes),
        "alto": _Samples(alto.resident_bytes),
    }
    embedded, anvil = await parts.embedded_holders(_CLIENTS), await parts.anvil_holders(_CLIENTS)
    node = await Connection.open(parts.anvil().url)
    ends = time.monotonic() + 60 * minutes
    loads = [_Load(dev.url, ends), _Load(serve.url, ends)]
    async with asyncio.TaskGroup() as clients:
        for load, holders in zip(loads, (embedded, anvil), strict=True):
            for holder in holders:
                clients.create_task(load.run(holder))
        while time.monotonic() < ends:
            for each in samples.values():
                each.take()
            report(f"memory: {(ends - time.monotonic()) / 60:.1f} minutes left")
            await node.rpc("anvil_mine", hex(_EMPTY_BLOCKS))
            await asyncio.sleep(_SAMPLE_SECONDS)
    report("")
    node.close()
    numbers = {"dev": loads[0], "embedded chain": loads[0], "serve": loads[1], "alto": loads[1]}
    found = {name: each.growth(minutes, numbers[name].operations) for name, each in samples.items()}
    for name, growth in found.items():
        print(f"{name}: {growth.first:.1f} to {growth.last:.1f} MB, {growth.slope:+.2f} MB in ten minutes", flush=True)
    return found
