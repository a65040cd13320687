"""Tests of the code's shape: the sizes of files and functions, and the top-level files."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOP_LEVEL = {"pyproject.toml", "wallet_rpc", "specs", "tests", "openrpc.yaml", "Makefile", "README.md", "LICENSE"}
LONGEST_FILE = 300
LONGEST_FUNCTION = 50
MAX_PARAMETERS = 6


def sources(*folders: str, suffixes: frozenset[str] = frozenset({".py"})) -> list[Path]:
    """Return the project's handwritten files; each suffix must occur."""
    found = [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in suffixes and not {"node_modules", "build"} & set(path.relative_to(ROOT).parts)
    ]
    assert {path.suffix for path in found} == suffixes
    return found


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions and methods of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def location_of(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def test_a_file_can_be_read_in_one_sitting() -> None:
    written = sources("wallet_rpc", "tests", suffixes=frozenset({".py", ".sol", ".mjs", ".ts", ".js", ".css"}))
    too_long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in written
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    ]
    assert too_long == []


def test_a_function_can_be_seen_at_once() -> None:
    too_long = [
        f"{location_of(path, node)}: {lines} lines"
        for path in sources("wallet_rpc", "tests")
        for node in functions(path)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert too_long == []


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
    too_many = [
        f"{location_of(path, node)}: {count} parameters"
        for path in sources("wallet_rpc")
        for node in functions(path)
        if (count := len([*node.args.posonlyargs, *node.args.args])) > MAX_PARAMETERS
    ]
    assert too_many == []


def test_the_top_level_holds_only_the_expected_files() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found == TOP_LEVEL
