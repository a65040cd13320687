"""Processes of a measurement: pinned to a core, with their CPU time and resident memory, ended with their blocks."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import end_process
from wallet_rpc.adapters.redis_server import bind_to_thread

CORES = sorted(os.sched_getaffinity(0))
"""Cores that this process may use at its start."""
SERVER_CORE = CORES[0]
"""Core of the server under test."""
OTHER_CORE = CORES[-1]
"""Core of everything else: load, Redis, chains."""

_START_SECONDS = 120.0
_SCHEDULER_CLOCK = 2
"""Kind of a CPU clock, in nanoseconds; the id of the clock contains the process (clock_getcpuclockid(3))."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Served:
    """A server under test: its URL, its process, and those that do a part of its work: chain, bundler."""

    url: str
    process_id: int
    partners: tuple[int, ...] = ()

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process so far, of all its threads."""
        return _cpu_seconds(self.process_id)

    def partner_cpu_seconds(self) -> float:
        return sum(map(_cpu_seconds, self.partners))

    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.process_id}/statm").read_text().split()[1]) * _PAGE

    def pin(self, core: int) -> None:
        """Move every thread of the process to a core; later threads inherit it."""
        for thread in Path(f"/proc/{self.process_id}/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended since
                os.sched_setaffinity(int(thread.name), {core})


def _cpu_seconds(process_id: int) -> float:
    return time.clock_gettime((~process_id << 3) | _SCHEDULER_CLOCK)


def children_of(process_id: int) -> tuple[int, ...]:
    return tuple(map(int, Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()))


def pin_this_process() -> None:
    """Move this process, and with it every process that it starts, to the core for everything but the server."""
    os.sched_setaffinity(0, {OTHER_CORE})


def find_process(listening_url: str) -> int:
    """Return the id of the process that listens on the URL's port."""
    port = f":{int(listening_url.rpartition(':')[2].partition('/')[0]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == "0A"}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and any(_read_link(handle) in inodes for handle in _handles(entry)):
            return int(entry.name)
    raise LookupError(f"no process of this user listens on {listening_url}")


def _handles(process: Path) -> list[Path]:
    try:
        return list((process / "fd").iterdir())
    except OSError:  # it ended, or belongs to another user
        return []


def _read_link(handle: Path) -> str:
    try:
        return os.readlink(handle)
    except OSError:
        return ""


@contextmanager
def run_server(
    command: Sequence[str | Path],
    *,
    folder: Path,
    name: str,
    environ: Mapping[str, str] | None = None,
    announces: str = r"(http://\S+)",
) -> Iterator[Served]:
    """Run a server until the block or this thread ends; it prints its URL when it is ready, its log goes to a file."""
    output, log = folder / f"{name}.out", folder / f"{name}.log"
    with output.open("wb") as out, log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603  # each row states its command: a module of the project or a pinned package
            bind_to_thread(*map(str, command)),
            env={**os.environ, **(environ or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
        )
    try:
        yield Served(_wait_for(output, announces, process), process.pid)
    finally:
        end_process(process, seconds=20)


def _wait_for(output: Path, pattern: str, process: subprocess.Popen[bytes]) -> str:
    ends = time.monotonic() + _START_SECONDS
    while (found := re.search(pattern, output.read_text())) is None:
        if process.poll() is not None or time.monotonic() > ends:
            log = output.with_suffix(".log").read_text()
            raise RuntimeError(f"{output.stem} did not start: {output.read_text()[-2000:]}{log[-2000:]}")
        time.sleep(0.02)
    return found[1]
