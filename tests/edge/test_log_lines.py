"""Log writer: whole lines, in order, also from several processes and to a reader that is slow."""

from __future__ import annotations

import io
import json
import os
import select
import subprocess
import sys
import threading

import pytest

from wallet_rpc.edge import log_lines
from wallet_rpc.edge.log_lines import LineWriter


class Stalled(io.StringIO):
    """A stream whose writes wait until `goes_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waiting = threading.Event()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        self.is_waiting.set()
        assert self.goes_on.wait(60)
        return super().write(text)


def test_a_slow_reader_delays_no_writer_and_lines_beyond_the_maximum_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_lines, "MAX_PENDING_LINES", 3)
    stream = Stalled()
    writer = LineWriter(stream)
    writer.msg("first")
    assert stream.is_waiting.wait(60)
    for number in range(5):
        writer.msg(f"line {number}")
    stream.goes_on.set()
    writer.flush()

    assert stream.getvalue().splitlines() == ["first", "line 0", "line 1", "line 2", "log_lines_dropped: 2"]


def test_a_group_of_lines_is_no_longer_than_a_pipe_takes_as_a_whole() -> None:
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    lines = ["x" * 99] * 200 + ["y" * 10_000, "z"]
    writer = LineWriter(Stream())
    with writer._writing:  # the thread waits
        for line in lines:
            writer.msg(line)
    writer.flush()

    assert "".join(written).splitlines() == lines
    assert all(text.endswith("\n") and (len(text) <= select.PIPE_BUF or text.count("\n") == 1) for text in written)
    assert len(written) < len(lines) / 10


_FORKS = """
import os
from wallet_rpc.edge import log_lines
import structlog
log_lines.configure(json=True)
log = structlog.get_logger()
log.info("before")
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        for number in range(300):
            log.info("in a child", child=child, number=number, filler="f" * 100)
        log_lines.flush()
        os._exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
log.info("after")
"""


def test_lines_of_forked_processes_are_whole_and_none_is_lost() -> None:
    run = subprocess.run(  # noqa: S603  # runs `_FORKS`, a constant of this file
        [sys.executable, "-c", _FORKS], capture_output=True, text=True, timeout=120, check=True
    )

    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["event"] for line in lines if "child" not in line] == ["before", "after"]
    for child in range(3):
        assert [line["number"] for line in lines if line.get("child") == child] == list(range(300))


def test_a_forked_process_writes_its_lines_too() -> None:
    reader, writer_end = os.pipe()
    with os.fdopen(writer_end, "w") as stream:
        writer = LineWriter(stream)
        writer.msg("parent")
        child = os.fork()
        if child == 0:  # the thread of the parent does not run here
            writer.msg("child")
            threading.Event().wait(60)
            os._exit(0)
        try:
            with os.fdopen(reader) as lines:
                found = {lines.readline(), lines.readline()}
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
    assert "child\n" in found
