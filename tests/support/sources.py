"""The project's handwritten files, found without walking through what npm and compilers wrote."""

from __future__ import annotations

import os
from pathlib import Path

_WRITTEN_BY_TOOLS = {"node_modules", "build", "__pycache__"}


def list_sources(folder: Path, *suffixes: str) -> list[Path]:
    """Return the files below a folder with one of these suffixes, in order."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _WRITTEN_BY_TOOLS]
        found += [Path(parent, name) for name in names if name.endswith(suffixes)]
    return sorted(found)
