"""specs/architecture.md shows the layers that the import contract enforces, and names files that exist."""

from __future__ import annotations

import re
from functools import cache

from tests.style.layers import PAGE, ROOT, layer_line
from tests.support.sources import list_sources


def test_the_layers_on_the_page_are_those_of_the_import_contract() -> None:
    assert layer_line() in PAGE.read_text("utf-8").splitlines(), "run `python -m tests.style.layers`"


def test_every_file_of_the_package_that_a_page_names_exists() -> None:
    absent = [
        f"{page.name}: {name}"
        for page in sorted((ROOT / "specs").glob("*.md"))
        if page.name != "changes.md"
        for name in re.findall(r"`((?:\w+/)*\w+\.py)`", page.read_text("utf-8"))
        if not _exists(name)
    ]
    assert absent == []


def _exists(name: str) -> bool:
    """True if the project has the file; a name without a folder may be in any."""
    if any((ROOT / folder / name).exists() for folder in ("", "wallet_rpc", "tests")):
        return True
    return name in _file_names()


@cache
def _file_names() -> set[str]:
    return {path.name for folder in ("wallet_rpc", "tests") for path in list_sources(ROOT / folder, ".py")}
