"""Commands in processes forked from one that has already imported their modules: importing takes most of their time.

Each process is a real one, with its own signals, output and environment. It runs the same code as the installed
command. Tests of the installed command itself start it as a shell does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from wallet_rpc.__main__ import main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "wallet_rpc.__main__",
        "wallet_rpc.adapters.otlp_spans",
        "wallet_rpc.cli.access",
        "wallet_rpc.cli.demo",
        "wallet_rpc.dev_server",
        "wallet_rpc.edge.listener",
        "wallet_rpc.cli.paymaster",
        "wallet_rpc.cli.serve",
        "tests.e2e.prepared",
        __name__,
    ]
)


class Forked:
    """Running command, with the methods of `subprocess.Popen` that tests use."""

    def __init__(
        self, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], out: Path, err: Path
    ) -> None:
        for path in (out, err):
            path.write_bytes(b"")
        self._process: ForkServerProcess = _CONTEXT.Process(
            target=_run, args=(tuple(arguments), folder, dict(environment), out, err)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while the process runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Wait for the exit status. Raises: subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("wallet-rpc", timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()


def _run(arguments: tuple[str, ...], folder: Path, environment: dict[str, str], out: Path, err: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["wallet-rpc", *arguments]
    sys.exit(main())
