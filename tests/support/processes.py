"""Processes that tests start: each is ended in every case."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from tests.support.constants import LONGEST_SECONDS


@contextmanager
def run_watched(
    command: Sequence[str], *, stdout: IO[str] | int, stderr: IO[str], env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a process for the block, but not for long: it may not do what a test waits for."""
    process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=env, text=True)  # noqa: S603  # the tests state each word
    with process:
        watchdog = threading.Timer(LONGEST_SECONDS, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def end_process(process: subprocess.Popen[bytes], *, seconds: float) -> None:
    """Ask a process to end, and kill it if it has not after some seconds."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
