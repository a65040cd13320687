"""specs/architecture.md shows the layers that the import contract enforces, and names files that exist."""

from __future__ import annotations

import re

from tests.style.layers import PAGE, ROOT, layer_line


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
    folders = (ROOT / "wallet_rpc", ROOT / "tests")
    return "/" not in name and any(next(folder.rglob(name), None) is not None for folder in folders)
