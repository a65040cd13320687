"""Markdown pages whose code blocks are run unchanged."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import wallet_rpc
from tests.e2e.process import run_command

ROOT = Path(wallet_rpc.__file__).parents[1]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Code block, with its language and its text as groups."""


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return [text for found, text in BLOCK.findall(page) if found == language]


def script(page: str) -> str:
    """Return all bash blocks of a page as one script, which exits at the first error."""
    return "set -euo pipefail\n" + "\n".join(blocks(page, "bash"))


def output_of(*command: str, environment: Mapping[str, str] = os.environ) -> str:
    """Run a command in the project's folder, and return its output; it must succeed without error output."""
    process = run_command(*command, folder=ROOT, environment=environment)
    assert (process.returncode, process.stderr) == (0, ""), process.stdout
    return process.stdout
