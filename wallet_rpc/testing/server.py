"""A development server in a process of its own, for the duration of a `with` block."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.01
_SHOWN_BYTES = 20_000
"""The part of the log, at its end, that errors show."""
_VARIABLES = "WALLET_RPC_"
_LOG = "server.log"
_LOG_SECONDS = 5.0
"""Longest time to wait for the last lines of the log."""


class ServerNotStarted(Exception):
    """The server ended before it was ready, or was not ready in time; the message has its log."""


@dataclass(frozen=True, slots=True)
class DevAccount:
    """A funded account of the development chains, whose key everybody knows."""

    address: str
    private_key: str


class WalletServer:
    """`wallet-rpc dev` on a free port, with nothing kept on disk: `with WalletServer() as server:`, or `async with`.

    The process ends with this one, even when this one is killed.
    """

    def __init__(
        self,
        *,
        chain_id: int | None = None,
        extra_chains: Sequence[int] = (),
        balances: Mapping[str, int] | None = None,
        arguments: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a server, which the `with` block starts.

        `chain_id` is that of the first chain (default 31337). `balances` are amounts in wei, by address, to set on
        every chain. `arguments` are further ones of `wallet-rpc dev`, and `settings` its environment variables; those
        of this process do not count.
        """
        chains = (31337 if chain_id is None else chain_id, *extra_chains)
        self._command = [sys.executable, "-m", "wallet_rpc", "dev", "--ephemeral", "--exit-with-parent", "--port", "0"]
        self._command += [word for chain in chains for word in ("--chain", str(chain))]
        self._command += arguments
        self._settings = {} if settings is None else dict(settings)
        self._balances = {} if balances is None else dict(balances)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: Mapping[str, Any] = {}
        self._log = b""

    @property
    def url(self) -> str:
        """The URL of the wallet's methods, and of those of the first chain."""
        return str(self._fact("url"))

    @property
    def chain_id(self) -> int:
        """The id of the first chain."""
        return self.chain_ids[0]

    @property
    def chain_ids(self) -> tuple[int, ...]:
        """The ids of all chains."""
        return tuple(self._fact("chainIds"))

    @property
    def chain_urls(self) -> Mapping[int, str]:
        """The URL of each chain's own methods, by the chain's id."""
        return {int(chain): url for chain, url in self._fact("chains").items()}

    @property
    def accounts(self) -> tuple[DevAccount, ...]:
        """The funded accounts, the same on every chain."""
        return tuple(DevAccount(one["address"], one["privateKey"]) for one in self._fact("accounts"))

    @property
    def api_key(self) -> str:
        """A key for requests that need one."""
        return str(self._fact("apiKey"))

    @property
    def test_token(self) -> str:
        """The address of an ERC-20 token that anyone may mint, on every chain."""
        return str(self._fact("testToken"))

    @property
    def log(self) -> str:
        """The output of the server until now, or until its end."""
        return self.read_log(0)

    @property
    def log_bytes(self) -> int:
        """The size of the log until now, or until the server's end; its last lines may not be written yet."""
        return len(self._log) if self._folder is None else (self._folder / _LOG).stat().st_size

    def read_log(self, start: int) -> str:
        """Return the part of the log after its first `start` bytes, with the lines of all finished requests."""
        if self._folder is None:
            return self._log[start:].decode("utf-8", "replace")
        log = self._folder / _LOG
        mark = f"log-{secrets.token_hex(8)}"
        deadline = time.monotonic() + _LOG_SECONDS
        is_marked = self._write_mark(mark)
        while True:
            with log.open("rb") as file:
                file.seek(start)
                text = file.read().decode("utf-8", "replace")
            if mark in text or not is_marked or time.monotonic() > deadline:
                return "".join(line for line in text.splitlines(keepends=True) if mark not in line)
            time.sleep(_POLL_SECONDS)

    def _write_mark(self, mark: str) -> bool:
        """Send a request with this id, which the log has after all earlier ones; return False if there is no server."""
        from urllib.request import ProxyHandler, Request, build_opener  # noqa: PLC0415  # takes 20 ms, only for a log

        if not self._ready:
            return False
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}).encode()
        headers = {"content-type": "application/json", "x-api-key": self.api_key, "x-request-id": mark}
        request = Request(self.url, body, headers)  # noqa: S310  # an http URL: this server's, from its ready file
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=_LOG_SECONDS):
                return True
        except OSError:
            return False

    def _fact(self, name: str) -> Any:
        """Return a value of the ready file."""
        if not self._ready:
            raise RuntimeError("this server has not been started")
        return self._ready[name]

    def start(self) -> Self:
        """Start the server, and wait until it is ready. Raises: ServerNotStarted."""
        if self._process is not None:
            raise RuntimeError("this server runs already")
        self._folder = Path(tempfile.mkdtemp(prefix="wallet-rpc-test-"))
        ready = self._folder / "ready.json"
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(_VARIABLES)}
        try:
            with (self._folder / _LOG).open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603  # this interpreter, with the caller's arguments
                    [*self._command, "--ready-file", str(ready)],
                    cwd=self._folder,
                    env={**inherited, **self._settings},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,  # Ctrl-C is for the tests, which need their server until they have ended
                )
            self._wait_until_ready(self._process, ready)
            self._ready = json.loads(ready.read_text("utf-8"))
            self.set_balances()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the server; it is killed if it does not end in time."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            self._log = (self._folder / _LOG).read_bytes()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def set_balances(self) -> None:
        """Set the `balances` on every chain again, as at the start."""
        if not self._balances:
            return
        from wallet_rpc.client import WalletClient  # noqa: PLC0415  # takes 0.75 s; few servers set balances

        with WalletClient(self.url, api_key=self.api_key) as client:
            for chain_id in self.chain_ids:
                for address, wei in self._balances.items():
                    client.request("anvil_setBalance", address, hex(wei), chain_id=chain_id)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        import asyncio  # noqa: PLC0415  # only asynchronous tests need it

        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])  # the thread cannot be interrupted, and its server must not stay
            if starting.exception() is None:
                await asyncio.to_thread(self.stop)
            raise

    async def __aexit__(self, *_: object) -> None:
        import asyncio  # noqa: PLC0415  # only asynchronous tests need it

        await asyncio.to_thread(self.stop)

    def _wait_until_ready(self, process: subprocess.Popen[bytes], ready: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not ready.exists():
            status = process.poll()
            if status is not None or time.monotonic() > deadline:
                end = f"was not ready after {_START_SECONDS:g} seconds" if status is None else f"ended with {status}"
                raise ServerNotStarted(
                    f"`{' '.join(self._command[1:])}` {end}; its output:\n{self.log[-_SHOWN_BYTES:]}"
                )
            time.sleep(_POLL_SECONDS)
