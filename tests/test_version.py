"""One version: the package's, which the installed distribution, the command line and the changelog have too."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

from tests.e2e.process import run_wallet_rpc
from wallet_rpc import __version__

CHANGES = Path(__file__).parents[1] / "specs" / "changes.md"


def test_the_distribution_and_the_command_have_the_version_of_the_package(tmp_path: Path) -> None:
    assert version("wallet-rpc") == __version__
    assert run_wallet_rpc("--version", folder=tmp_path).stdout == f"wallet-rpc {__version__}\n"


def test_the_changelog_has_a_section_for_the_version() -> None:
    headings = re.findall(r"^## (\d+\.\d+\.\d+)", CHANGES.read_text("utf-8"), re.MULTILINE)
    assert headings[0] == __version__
