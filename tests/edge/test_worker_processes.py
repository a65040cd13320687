"""Worker processes: failed starts, ends, replacements, and their shares of the connections."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import is_running, until
from tests.edge.worker_server import STATUS
from tests.support.processes import run_watched
from wallet_rpc.edge.accepting import Acceptor, WorkerShare, create_shares
from wallet_rpc.edge.connections import ConnectionLimits, Connections
from wallet_rpc.edge.worker_processes import MAX_FAILED_STARTS

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched through /proc")


class Parent:
    """The parent process, its log and the file that says how its workers start."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.start = folder / "start"
        self._log, self._printed = folder / "log", folder / "printed"

    def log(self) -> str:
        return self._log.read_text()

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of the log with this event."""
        whole = self.log().rpartition("\n")[0]
        texts = [text for text in whole.splitlines() if text.startswith("{")]
        return [line for line in map(json.loads, texts) if line["event"] == event]

    def worker(self, number: int) -> int:
        """Return the process id of a worker."""
        pid: int = [line["pid"] for line in self.lines("worker_ready") if line["worker"] == number][-1]
        return pid

    def until_ready(self) -> None:
        until(lambda: self._printed.read_text() == "ready\n" or self.process.poll() is not None, "ready")
        assert self.process.poll() is None, self.log()

    def wait(self) -> tuple[int, str]:
        """Wait for the end, and return the exit status and what was printed after the start."""
        return self.process.wait(60), self._printed.read_text().removeprefix("ready\n")


@contextmanager
def run_parent(folder: Path, start: str = "") -> Iterator[Parent]:
    (folder / "start").write_text(start)
    command = [sys.executable, "-m", "tests.edge.worker_server", str(folder / "start")]
    with (
        (folder / "log").open("w") as log,
        (folder / "printed").open("w") as printed,
        run_watched(command, stdout=printed, stderr=log) as process,  # its workers end with it
    ):
        yield Parent(process, folder)


@linux
@pytest.mark.parametrize(
    ("start", "status", "printed"),
    [("bug", 1, ""), ("setting", 2, "SETTING: expected another value\n")],
)
def test_a_first_start_that_fails_ends_the_server_with_its_error(
    start: str, status: int, printed: str, tmp_path: Path
) -> None:
    with run_parent(tmp_path, start) as parent:
        assert parent.wait() == (status, printed)
        assert parent.log().count("RuntimeError: a bug at the start") == (start == "bug")
        assert [line["worker"] for line in parent.lines("worker_starts")] == [1]
        assert parent.lines("worker_ended") == []


@linux
def test_a_worker_that_cannot_start_is_tried_again_until_no_worker_serves(tmp_path: Path) -> None:
    with run_parent(tmp_path) as parent:
        parent.until_ready()
        parent.start.write_text("setting")
        os.kill(parent.worker(1), signal.SIGKILL)
        until(lambda: len(parent.lines("worker_ended")) > MAX_FAILED_STARTS - 2, "the starts of worker 1 fail")
        assert parent.process.poll() is None
        parent.start.write_text("exit")
        os.kill(parent.worker(2), signal.SIGKILL)

        assert parent.wait() == (STATUS, "")
        ended = [line for line in parent.lines("worker_ended") if line["worker"] == 1]
        assert [line["status"] for line in ended[:2]] == [128 + signal.SIGKILL, 2]
        assert ended[1]["why"] == "SETTING: expected another value"
        assert [line["restart_in_seconds"] for line in ended[:4]] == [0.0, 0.1, 0.2, 0.4]


@linux
def test_a_worker_that_the_system_cannot_start_is_tried_again(tmp_path: Path) -> None:
    with run_parent(tmp_path) as parent:
        parent.until_ready()
        first = parent.worker(1)
        files = resource.prlimit(parent.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(parent.process.pid, resource.RLIMIT_NOFILE, (3, files[1]))
        os.kill(first, signal.SIGKILL)
        until(lambda: len(parent.lines("worker_not_started")) > 1, "starts that fail")
        resource.prlimit(parent.process.pid, resource.RLIMIT_NOFILE, files)
        until(lambda: parent.worker(1) != first, "a new worker")
        parent.process.send_signal(signal.SIGTERM)

        assert parent.wait() == (0, "")
        assert parent.lines("worker_not_started")[0]["why"] == "Too many open files"


@linux
def test_a_worker_that_ends_is_replaced_and_a_stopped_one_is_killed_at_the_end(tmp_path: Path) -> None:
    with run_parent(tmp_path) as parent:
        parent.until_ready()
        first, second = parent.worker(1), parent.worker(2)
        os.kill(first, signal.SIGTERM)
        until(lambda: parent.worker(1) != first, "a new worker")
        os.kill(second, signal.SIGSTOP)
        parent.process.send_signal(signal.SIGTERM)
        try:
            assert parent.wait() == (0, "")
        finally:
            with suppress(ProcessLookupError):
                os.kill(second, signal.SIGKILL)

        assert [line["worker"] for line in parent.lines("worker_killed")] == [2]
        assert not any(map(is_running, (first, second, parent.worker(1))))


async def test_workers_take_turns_to_accept_connections() -> None:
    opened: list[set[asyncio.Protocol]] = [set(), set()]
    all_opened = asyncio.Event()

    def open_protocol(place: int) -> asyncio.Protocol:
        protocol = asyncio.Protocol()
        opened[place].add(protocol)
        if sum(map(len, opened)) == 10:
            all_opened.set()
        return protocol

    def build_acceptor(at: socket.socket, place: int, share: WorkerShare) -> Acceptor:
        connections = Connections(opened[place], ConnectionLimits(), time.monotonic)
        return Acceptor(at, partial(open_protocol, place), connections, share)

    with socket.create_server(("127.0.0.1", 0)) as at, at.dup() as same, ExitStack() as clients:
        shares = create_shares(2)
        acceptors = [build_acceptor(each, place, shares[place]) for place, each in enumerate((at, same))]
        for each in acceptors:
            each.start()
        for _ in range(10):
            clients.enter_context(socket.create_connection(at.getsockname()))
        await all_opened.wait()
        for each in acceptors:
            each.close()
            await each.wait_closed()

    assert min(map(len, opened)) >= 4
