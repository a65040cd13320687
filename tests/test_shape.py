"""The shape of the code: sizes, names and places that hold for every file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOP_LEVEL = {"pyproject.toml", "wallet_rpc", "specs", "tests", "openrpc.yaml", "Makefile", "README.md", "LICENSE"}
LONGEST_FILE = 300
LONGEST_FUNCTION = 50
MOST_PARAMETERS = 6


SOURCES = [
    path
    for folder in ("wallet_rpc", "tests")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".sol", ".mjs", ".ts"} and "node_modules" not in path.parts
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.suffix == ".py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_function_can_be_seen_at_once(path: Path) -> None:
    too_long = [
        (node.name, lines)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert too_long == []


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.suffix == ".py" and "tests" not in path.parts],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_function_takes_few_parameters(path: Path) -> None:
    too_many = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len([*node.args.posonlyargs, *node.args.args]) > MOST_PARAMETERS
    ]
    assert too_many == []


def test_the_top_level_holds_what_it_should_and_nothing_else() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found == TOP_LEVEL
