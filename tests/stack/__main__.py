"""`make stack`: the services of compose.yaml as processes of this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from tests.stack.composition import Composition, Service, log_file, run_service
from tests.stack.installing import install
from tests.stack.parts import private_key
from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.cli.access import run_access_command
from wallet_rpc.cli.access_options import add_access_commands
from wallet_rpc.config.settings import PREFIX, load, variable
from wallet_rpc.devchain.build import BuildFailed
from wallet_rpc.devchain.contract_sources import GENESIS_FILE
from wallet_rpc.domain.access import OPEN_ORGANIZATION

CHAIN_ID = 31337
_LOG_CHARACTERS = 2_000
_START_SECONDS = 180.0
_POLL_SECONDS = 0.1


class StackFailed(Exception):
    """A service ended, or did not start; the message ends with its output."""


class Stack:
    """The running services."""

    def __init__(self, composition: Composition, folder: Path, http: httpx2.Client) -> None:
        self._composition = composition
        self._folder = folder
        self._http = http
        self._running: dict[str, tuple[Service, subprocess.Popen[bytes]]] = {}

    def start(self, opened: ExitStack) -> None:
        """Start each service once those before it are ready. Raises: StackFailed."""
        for service in self._composition.services():
            since = time.monotonic()
            say(f"{service.name}: {'running' if service.is_job else 'starting'}")
            process = opened.enter_context(run_service(service, self._folder))
            if not service.is_job:
                self._running[service.name] = service, process
            self._wait(service, process)
            say(f"{service.name}: {'done' if service.is_job else 'ready'} after {time.monotonic() - since:.1f} s")

    def _wait(self, service: Service, process: subprocess.Popen[bytes]) -> None:
        """Wait until a job has ended, or a service answers. Raises: StackFailed."""
        ends = time.monotonic() + _START_SECONDS
        while True:
            self.check()
            if service.is_job and process.poll() is not None:
                if process.returncode != 0:
                    raise StackFailed(_describe_end(service, process, self._folder))
                return
            if not service.is_job and is_ready(service.name, self._port_of(service.name), self._http):
                self.check()  # another process may have the port
                return
            if time.monotonic() > ends:
                raise StackFailed(f"{service.name} is not ready: {_log_end(service, self._folder)}")
            time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raise StackFailed if a service has ended."""
        for service, process in self._running.values():
            if process.poll() is not None:
                raise StackFailed(_describe_end(service, process, self._folder))

    def create_key(self) -> str:
        """Create an API key for callers without an organisation, as `wallet-rpc key create` does."""
        parser = argparse.ArgumentParser()
        add_access_commands(parser.add_subparsers(dest="command"))
        words = ["key", "create", "--org", OPEN_ORGANIZATION, "--name", "devnet", "--json"]
        settings = load({variable("redis_url"): self._redis_url})
        printed: list[str] = []
        asyncio.run(run_access_command(parser.parse_args(words), settings, print_line=printed.append))
        return str(json.loads(printed[0])["key"])

    def _port_of(self, name: str) -> int:
        """Return the main port of a service on this machine."""
        return next(iter(self._composition.ports[name].values()))

    @property
    def _redis_url(self) -> str:
        return f"redis://127.0.0.1:{self._port_of('redis')}/0"

    def describe(self, key: str) -> str:
        """Return the text with the URLs and the development keys."""
        metrics = list(self._composition.ports["wallet-rpc"].values())[1]
        return "\n".join(
            [
                "",
                f"Wallet API:   http://127.0.0.1:{self._port_of('wallet-rpc')}",
                f"Node:         http://127.0.0.1:{self._port_of('anvil')} (anvil, chain {CHAIN_ID})",
                f"Bundler:      http://127.0.0.1:{self._port_of('alto')} (Alto)",
                f"Metrics:      http://127.0.0.1:{metrics}/metrics",
                f"Redis:        {self._redis_url}",
                f"API key:      {key} (none is needed on this machine)",
                f"Funded key:   {private_key(0)} (10,000 ETH on this chain, publicly known)",
                f"Logs:         {self._folder}",
                "Ctrl-C ends everything and deletes its data.",
            ]
        )


def say(line: str) -> None:
    """Print a line without buffering."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def is_ready(name: str, port: int, http: httpx2.Client) -> bool:
    """Return True when the service answers."""
    url = f"http://127.0.0.1:{port}"
    try:
        if name == "redis":
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n"
        if name == "wallet-rpc":
            return http.get(f"{url}/ready").status_code == 200
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        return "result" in http.post(url, json=body).json()
    except (OSError, httpx2.HTTPError, ValueError):
        return False


def _describe_end(service: Service, process: subprocess.Popen[bytes], folder: Path) -> str:
    return f"{service.name} ended with status {process.returncode}: {_log_end(service, folder)}"


def _log_end(service: Service, folder: Path) -> str:
    return log_file(service, folder).read_text(errors="replace").strip()[-_LOG_CHARACTERS:] or "it printed nothing"


def run(*, any_port: bool) -> None:
    """Run the stack until it is interrupted. Raises: BuildFailed, RedisNotStarted, StackFailed."""
    if not GENESIS_FILE.is_file():
        raise StackFailed("the contracts are not compiled: run `make contracts`")
    node = install()
    with TemporaryDirectory(prefix="wallet-rpc-stack-") as name, ExitStack() as opened:
        folder = Path(name)
        http = opened.enter_context(httpx2.Client(timeout=5))
        stack = Stack(Composition(folder, node, any_port=any_port), folder, http)
        stack.start(opened)
        say(stack.describe(stack.create_key()))
        while True:
            time.sleep(_POLL_SECONDS)
            stack.check()


def main() -> int:
    """Run the command line, and return the exit status: 0 after Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="make stack", description="Run anvil, Alto, Redis and wallet-rpc serve.")
    parser.add_argument("--any-port", action="store_true", help="use free ports, not those of compose.yaml")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(PREFIX)]:  # the settings are those of compose.yaml
        del os.environ[name]
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background command ignores the first
        signal.signal(number, signal.default_int_handler)
    try:
        run(any_port=options.any_port)
    except KeyboardInterrupt:
        say("\nAll services have ended.")
    except (BuildFailed, RedisNotStarted, StackFailed) as error:
        sys.stderr.write(f"make stack: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
