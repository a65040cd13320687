"""Pages whose blocks are run as they stand."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import wallet_rpc
from tests.e2e.process import run_command

ROOT = Path(wallet_rpc.__file__).parents[1]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Its language and its text."""


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in a language."""
    return [text for found, text in BLOCK.findall(page) if found == language]


def script(page: str) -> str:
    """All its bash as one script, which ends at the first thing that goes wrong."""
    return "set -euo pipefail\n" + "\n".join(blocks(page, "bash"))


def output_of(*command: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a command printed, in the project's folder; it must succeed and say nothing else."""
    done = run_command(*command, folder=ROOT, environment=environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout
