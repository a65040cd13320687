"""anvil and Alto as processes on this machine, on free ports, ended with their blocks."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx2

from tests.stack.installing import HERE, alto_script, anvil_program
from tests.support.processes import end_process
from wallet_rpc.adapters.redis_server import bind_to_thread
from wallet_rpc.devchain.accounts import MNEMONIC, derive
from wallet_rpc.devchain.build import NodeJs
from wallet_rpc.devchain.genesis import Genesis
from wallet_rpc.devchain.geth_alloc import build_alloc
from wallet_rpc.domain.contracts import ENTRY_POINT

_START_SECONDS = 180.0
_STOP_SECONDS = 10.0
_ACCOUNTS = 15
"""The number of funded accounts of the mnemonic: ten for tests, three executors, and the two below."""
_EXECUTORS = range(10, 13)
"""The accounts that send Alto's bundles."""
_UTILITY = 13
"""The account that deploys the contracts of Alto's simulation."""
RELAYER = 14
"""The account that relays transactions for wallet-rpc."""


class NotStarted(RuntimeError):
    """A process did not answer; the message ends with its output."""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def ask(url: str, method: str, *params: Any) -> Any:
    """Call a JSON-RPC method and return its result. Raises: KeyError for an error, httpx2.HTTPError."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return httpx2.post(url, json=body, timeout=10).json()["result"]


@contextmanager
def _process(command: Sequence[str | Path], url: str, log: Path) -> Iterator[str]:
    """Run a program that answers JSON-RPC at `url`. Raises: NotStarted."""
    bound = bind_to_thread(*map(str, command))
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603  # pinned programs, constant arguments
            bound, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        ends = time.monotonic() + _START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > ends:
                raise NotStarted(f"{Path(command[0]).name} does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        if process.poll() is not None:  # another process has the port and answered
            raise NotStarted(f"{Path(command[0]).name} ended: {log.read_text()[-2000:]}")
        yield url
    finally:
        end_process(process, seconds=_STOP_SECONDS)


def _answers(url: str) -> bool:
    try:
        ask(url, "eth_chainId")
    except (httpx2.HTTPError, KeyError, ValueError):
        return False
    return True


def geth_genesis(genesis: Genesis, chain_id: int) -> dict[str, Any]:
    """Convert the genesis to geth's format."""
    head = {"timestamp": "0x0", "gasLimit": hex(30_000_000), "difficulty": "0x0"}
    return {"config": {"chainId": chain_id}, **head, "alloc": build_alloc(genesis)}


def anvil_command(genesis: Genesis, chain_id: int, folder: Path, port: int) -> list[str | Path]:
    """Return the command line of anvil with one block for each transaction; its genesis is written to `folder`."""
    start = folder / f"genesis-{chain_id}.json"
    start.write_text(json.dumps(geth_genesis(genesis, chain_id)))
    flags = ["--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id), "--init", str(start)]
    flags += ["--accounts", str(_ACCOUNTS), "--hardfork", "prague", "--silent"]
    return [anvil_program(), *flags]


@contextmanager
def anvil(genesis: Genesis, chain_id: int, folder: Path) -> Iterator[str]:
    """Run anvil with one block for each transaction."""
    port = free_port()
    command = anvil_command(genesis, chain_id, folder, port)
    with _process(command, f"http://127.0.0.1:{port}", folder / f"anvil-{chain_id}.log") as url:
        yield url


@cache
def private_key(number: int) -> str:
    """Return the published private key of one of the mnemonic's accounts."""
    return f"0x{derive(MNEMONIC, _ACCOUNTS)[number].key.hex()}"


def alto_command(
    node: NodeJs, node_url: str, port: int, *, safe: bool = False, bundle_milliseconds: tuple[int, int] = (40, 80)
) -> list[str | Path]:
    """Return the command line of Alto in front of a node; it deploys the contracts of its simulation.

    With `safe`, it traces each operation and enforces ERC-7562, which takes a second or more. It keeps operations
    for `bundle_milliseconds`, from and to, before it sends them.
    """
    options: dict[str, Any] = {
        "port": port,
        "rpc-url": node_url,
        "entrypoints": ENTRY_POINT.hex0x(),
        "executor-private-keys": ",".join(map(private_key, _EXECUTORS)),
        "utility-private-key": private_key(_UTILITY),
        "utility-wallet-monitor": "false",
        "refilling-wallets": "false",
        "min-executor-balance": 0,
        "safe-mode": str(safe).lower(),
        "min-bundle-interval": bundle_milliseconds[0],
        "max-bundle-interval": bundle_milliseconds[1],
        "block-time": 100,
        "block-number-cache-ttl": 0,
        "log-level": "warn",
    }
    flags = [text for option, value in options.items() for text in (f"--{option}", str(value))]
    imports = [
        f"--import={HERE / name}" for name in ("local_only.mjs", "idle.mjs", *(("safe_mode.mjs",) if safe else ()))
    ]
    return [node.node, *imports, alto_script(), "run", *flags]


@contextmanager
def alto(node: NodeJs, node_url: str, folder: Path, name: str, *, safe: bool = False) -> Iterator[str]:
    """Run Alto in front of a node, traced if `safe` (`alto_command`)."""
    port = free_port()
    command = alto_command(node, node_url, port, safe=safe)
    with _process(command, f"http://127.0.0.1:{port}", folder / f"alto-{name}.log") as url:
        yield url
