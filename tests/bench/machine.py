"""Description of the machine and of the measured programs."""

from __future__ import annotations

import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from tests.bench.parts import HERE
from tests.clients.npm import run_program
from tests.stack.installing import HERE as STACK
from wallet_rpc import __version__
from wallet_rpc.devchain.build import find_node_js

_PACKAGES = ("starlette", "uvicorn", "uvloop", "redis")


def describe_machine() -> str:
    """Return processor, cores, memory and kernel in one line."""
    processor = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    name = processor[1] if processor else platform.machine()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release().partition('-')[0]}"


def list_versions(redis_version: str) -> dict[str, str]:
    """Return the version of each program and library that the measurements depend on."""
    node = find_node_js()
    run = run_program(node, node.node, "--version")
    run.check_returncode()
    packages = {**_pinned(HERE), **_pinned(STACK)}
    return {
        "wallet-rpc": __version__,
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "Redis": redis_version,
        "Node.js": run.stdout.strip().removeprefix("v"),
        "viem": packages["viem"],
        "ioredis": packages["ioredis"],
        "anvil": packages["@foundry-rs/anvil"],
        "Alto": packages["@pimlico/alto"],
    }


def _pinned(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "package.json").read_text())["dependencies"]
    return found
