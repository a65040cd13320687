"""`wallet-rpc` as a user starts it: a separate process on a free port, tested from outside only.

Most processes are forked (`prefork`); `InstalledServer` is started as a shell does it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx2

from tests.e2e.prefork import Forked
from tests.support.constants import LONGEST_SECONDS
from tests.support.rpc_client import Client

PATIENCE_SECONDS = "30"
"""Patience with dependencies on a busy machine; tests of dependencies that are down set the default."""
VOLATILE = {"ALLOW_VOLATILE": "yes"}
"""Setting for the Redis of most tests, which stores nothing on disk; tests of its refusal set the default."""
_ADDRESS = re.compile(r"^Wallet API: +(\S+)$", re.MULTILINE)
_KINDS = {"redis-server": "redis", "valkey-server": "redis", "wallet_rpc.devchain.worker": "chain"}


def until(condition: Callable[[], bool], description: str) -> None:
    """Wait until `condition` returns True. Raises: AssertionError with the description after `LONGEST_SECONDS`."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still not: {description}"
        time.sleep(0.02)


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with its settings replaced by the given ones (`PORT="1"`)."""
    others = {name: text for name, text in os.environ.items() if not name.startswith("WALLET_RPC_")}
    chosen = {
        "PORT": "0",
        "DATA_DIR": str(folder / "data"),
        "PATIENCE_SECONDS": PATIENCE_SECONDS,
        **VOLATILE,
        **settings,
    }
    return {**others, **{f"WALLET_RPC_{name}": text for name, text in chosen.items()}}


def command(*arguments: str) -> list[str]:
    """Return the command line that a shell would run."""
    return [sys.executable, "-m", "wallet_rpc", *arguments]


def run_wallet_rpc(*arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a `wallet-rpc` command until it exits."""
    with TemporaryDirectory() as output:
        out, err = Path(output, "stdout"), Path(output, "stderr")
        process = Forked(arguments, folder=folder, environment=environment(folder, settings), out=out, err=err)
        try:
            status = process.wait(LONGEST_SECONDS)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, status, out.read_text(), err.read_text())


def run_command(
    *arguments: str, folder: Path, environment: Mapping[str, str] = os.environ, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run any command until it exits, with `given` as its standard input."""
    return subprocess.run(  # noqa: S603  # commands of the tests and of the project's pages; no external input
        arguments,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
        input=given,
    )


def parent_and_state(process_id: int) -> tuple[int, str] | None:
    """Return the parent's id and the state of a local process; None when the process does not exist."""
    try:
        state, parent, *_ = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(parent), state


def is_running(process_id: int) -> bool:
    """Return True when the process runs; a zombie (state Z) does not."""
    found = parent_and_state(process_id)
    return found is not None and found[1] not in {"Z", "X"}


def _start_installed(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], out: Path, err: Path
) -> subprocess.Popen[bytes]:
    with out.open("w") as output, err.open("w") as errors:
        return subprocess.Popen(  # noqa: S603  # wallet-rpc, with arguments that the tests state
            command(*arguments),
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )


class Server:
    """`with Server("dev", folder=...)`: a started and ready server, which is stopped at the end if it still runs."""

    _start: ClassVar[Callable[..., Forked | subprocess.Popen[bytes]]] = Forked

    def __init__(self, *arguments: str, folder: Path, **settings: str) -> None:
        self._clients: list[Client] = []
        self._out, self._err = folder / "stdout", folder / "stderr"
        chosen = environment(folder, settings)
        self.process = self._start(arguments, folder=folder, environment=chosen, out=self._out, err=self._err)

    def __enter__(self) -> Self:
        try:
            until(lambda: self._address() is not None or self.process.poll() is not None, "started")
            assert self.process.poll() is None, self.output()
            until(lambda: self.ready()[0] == 200, "ready")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.http.close()
        if self.process.poll() is None:
            self.stop()

    @property
    def url(self) -> str:
        found = self._address()
        assert found is not None, self.output()
        return found

    def _address(self) -> str | None:
        found = _ADDRESS.search(self._out.read_text())
        return None if found is None else found[1]

    def output(self) -> str:
        """Return standard output, then standard error."""
        return self._out.read_text() + self._err.read_text()

    def ready(self) -> tuple[int, dict[str, str]]:
        """Return the HTTP status of `GET /ready` and the reported state of each part."""
        response = httpx2.get(f"{self.url}/ready", timeout=LONGEST_SECONDS)
        parts: dict[str, str] = response.json()["parts"]
        return response.status_code, parts

    def until_ready(self) -> None:
        until(lambda: self.ready()[0] == 200, "ready again")

    def post(self, path: str, method: str, *params: Any) -> dict[str, Any]:
        """Send a request, and return the whole JSON-RPC response."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer: dict[str, Any] = httpx2.post(self.url + path, json=body, timeout=LONGEST_SECONDS).json()
        return answer

    def parts(self) -> dict[str, int]:
        """Return the ids of the processes that the server has started, by kind: `redis`, `chain`."""
        found: dict[str, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (parent_and_state(int(entry.name)) or (0, ""))[0] == self.process.pid:
                line = _command_line(entry)
                found |= {kind: int(entry.name) for word, kind in _KINDS.items() if word in line}
        return found

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait(LONGEST_SECONDS)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(LONGEST_SECONDS)

    def client(self, path: str = "") -> Client:
        """Return a client of one of the server's endpoints, which is closed at the end of the `with` block."""
        made = Client(self.url + path)
        self._clients.append(made)
        return made


class InstalledServer(Server):
    """Server that is started as a shell does it, including its imports."""

    _start = staticmethod(_start_installed)


def _command_line(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""
