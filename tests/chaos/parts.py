"""Processes that are killed, frozen and started again on the same port."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx2

from tests.e2e.prefork import Forked
from tests.e2e.process import environment
from wallet_rpc.adapters.redis_binary import find_binary
from wallet_rpc.adapters.redis_server import bind_to_thread

START_SECONDS = 60.0
"""Timeout of a start; only a failure takes that long."""
_POLL_SECONDS = 0.03
_CHECK_SECONDS = 5.0


class NotUp(RuntimeError):
    """A process did not answer in time; the message ends with its output."""


class Process(Protocol):
    """The part of `subprocess.Popen` that is needed here."""

    @property
    def pid(self) -> int:
        """Process id."""

    def poll(self) -> int | None:
        """Return the exit status; None while the process runs."""

    def kill(self) -> None:
        """Send SIGKILL."""


@dataclass
class Part:
    """One process of a stack."""

    name: str
    launch: Callable[[Path], Process]
    """Starts the process, whose output goes to the given folder."""
    is_up: Callable[[], Awaitable[bool]]
    folder: Path
    kills: int = 0
    process: Process | None = None
    _starts: int = field(default=0)

    def start(self) -> None:
        """Start the process without waiting for it."""
        self._starts += 1
        folder = self.folder / f"{self.name}-{self._starts}"
        folder.mkdir(parents=True)
        self.process = self.launch(folder)

    async def wait_until_up(self) -> None:
        """Wait until the process answers. Raises: NotUp."""
        deadline = time.monotonic() + START_SECONDS
        while not await self.is_up():
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotUp(f"{self.name} does not answer: {self.output()}")
            await asyncio.sleep(_POLL_SECONDS)

    async def restart(self) -> None:
        """Start the process again, and wait until it answers."""
        self.start()
        await self.wait_until_up()

    def output(self) -> str:
        """Return the end of the last run's output."""
        files = sorted((self.folder / f"{self.name}-{self._starts}").glob("std*"))
        return "\n".join(file.read_text(errors="replace")[-2000:] for file in files)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP or SIGCONT."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """Send SIGKILL as a failure, which is counted."""
        self.kills += 1
        self.end()

    def end(self) -> None:
        """Send SIGKILL and wait for the end; nothing happens if the process does not run."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            while self.process.poll() is None:
                time.sleep(0.001)


def run_program(command: Sequence[str | Path], folder: Path) -> subprocess.Popen[bytes]:
    """Run a program that ends with this thread, with its output in `folder`."""
    bound = bind_to_thread(*map(str, command))
    with (folder / "stdout").open("w") as output:
        return subprocess.Popen(  # noqa: S603  # pinned programs, constant arguments
            bound, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )


def redis_part(port: int, folder: Path) -> Part:
    """Build a Redis that writes each command to disk before it replies."""
    data = folder / "redis-data"
    data.mkdir()
    flags = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data), "--save", ""]
    command = [find_binary().path, *flags, "--appendonly", "yes", "--appendfsync", "always"]

    async def is_up() -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.write(b"*1\r\n$4\r\nPING\r\n")
        reply = await reader.read(100)
        writer.close()
        return reply.startswith(b"+PONG")

    return Part("redis", lambda at: run_program(command, at), is_up, folder)


def rpc_part(name: str, command: Sequence[str | Path], url: str, folder: Path) -> Part:
    """Build a program that answers JSON-RPC at `url`."""

    async def is_up() -> bool:
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        try:
            async with httpx2.AsyncClient(timeout=_CHECK_SECONDS) as http:
                return "result" in (await http.post(url, json=body)).json()
        except (httpx2.HTTPError, ValueError):
            return False

    return Part(name, lambda at: run_program(command, at), is_up, folder)


def wallet_part(name: str, *arguments: str, port: int, folder: Path, **settings: str) -> Part:
    """Build a `wallet-rpc` command on a port; its environment names the settings."""
    chosen = environment(folder, {"PATIENCE_SECONDS": "0.8", **settings, "PORT": str(port)})

    def launch(at: Path) -> Process:
        return Forked(arguments, folder=at, environment=chosen, out=at / "stdout", err=at / "stderr")

    return Part(name, launch, ready_check(f"http://127.0.0.1:{port}"), folder)


def ready_check(url: str) -> Callable[[], Awaitable[bool]]:
    """Return a check that a wallet server at `url` is ready."""

    async def is_up() -> bool:
        try:
            async with httpx2.AsyncClient(timeout=_CHECK_SECONDS) as http:
                return (await http.get(f"{url}/ready")).status_code == httpx2.codes.OK
        except httpx2.HTTPError:
            return False

    return is_up
