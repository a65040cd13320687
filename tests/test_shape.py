"""Tests of the code's shape: the sizes of files and functions, and the top-level files."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.sources import list_sources

ROOT = Path(__file__).parent.parent
TOP_LEVEL = {"pyproject.toml", "wallet_rpc", "specs", "tests", "openrpc.yaml", "Makefile", "README.md", "LICENSE"}
LONGEST_FILE = 300
LONGEST_FUNCTION = 50
MAX_PARAMETERS = 6


def sources(*folders: str, suffixes: frozenset[str] = frozenset({".py"})) -> list[Path]:
    """Return the project's handwritten files; each suffix must occur."""
    found = [path for folder in folders for path in list_sources(ROOT / folder, *suffixes)]
    assert {path.suffix for path in found} == suffixes
    return found


class Function(NamedTuple):
    """A function or method: its place, the number of its lines, and that of its positional parameters."""

    place: str
    lines: int
    parameters: int


@cache
def functions(folder: str) -> list[Function]:
    """Return the functions and methods of a folder's files."""
    return [
        Function(
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
            (node.end_lineno or node.lineno) - node.lineno + 1,
            len([*node.args.posonlyargs, *node.args.args]),
        )
        for path in sources(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_a_file_can_be_read_in_one_sitting() -> None:
    written = sources("wallet_rpc", "tests", suffixes=frozenset({".py", ".sol", ".mjs", ".ts", ".js", ".css"}))
    too_long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in written
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    ]
    assert too_long == []


def test_a_function_can_be_seen_at_once() -> None:
    found = [*functions("wallet_rpc"), *functions("tests")]
    assert [each for each in found if each.lines > LONGEST_FUNCTION] == []


def test_shared_helpers_import_no_folder_of_tests() -> None:
    imported = {
        f"{path.name}: {name}"
        for path in sources("tests/support")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."])
        if name.split(".")[0] in {"", "tests"} and not name.startswith("tests.support")
    }
    assert imported == set()


def test_a_function_takes_few_parameters() -> None:
    assert [each for each in functions("wallet_rpc") if each.parameters > MAX_PARAMETERS] == []


def test_the_top_level_holds_only_the_expected_files() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found == TOP_LEVEL
