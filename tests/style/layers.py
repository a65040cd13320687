"""The layers of the package as specs/architecture.md shows them: `python -m tests.style.layers` writes the line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "specs" / "architecture.md"
_LINE = re.compile(r"^__main__ > .*$", re.MULTILINE)


def layer_line() -> str:
    """The layers of the import contract in pyproject.toml, from the top to the bottom."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return " > ".join(layers)


def update_page() -> None:
    """Put the line where the page has one already."""
    PAGE.write_text(_LINE.sub(layer_line(), PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    update_page()
