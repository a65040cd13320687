"""Prints how the language of the package compares with its targets: `python -m tests.style`; 1 when one is missed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.style.measures import (
    Module,
    clause_docstrings,
    participle_functions,
    question_docstrings,
    repeated_names,
    retired_names,
)
from tests.support.sources import list_sources

ROOT = Path(__file__).parents[2]


def read_modules(folder: str) -> list[Module]:
    """The handwritten Python files of a folder of the project."""
    return [Module.read(path) for path in list_sources(ROOT / folder, ".py")]


def main() -> int:
    """Print the table, and each occurrence where a target is missed."""
    package, tests = read_modules("wallet_rpc"), read_modules("tests")
    percent = sum(1 for module in package for _ in module.docstrings()) // 100
    rows: list[tuple[str, Sequence[object], int]] = [
        ("docstrings that begin with a question word", question_docstrings(package), percent),
        ('docstrings with a "who" or "what" clause as a noun', clause_docstrings(package), percent),
        ("functions named by a bare participle", participle_functions(package), 10),
        ("public names that two modules define", repeated_names(package), 5),
        ("names with a retired word, tests included", retired_names([*package, *tests]), 0),
    ]
    for name, found, most in rows:
        print(f"{name}: {len(found)} (at most {most})")
    missed = [(name, found) for name, found, most in rows if len(found) > most]
    for name, found in missed:
        print(f"\n{name}:", *found, sep="\n  ")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
