"""Writes `.requirements` for pyproject.toml: `python -m tests.packages.lock [--upgrade]`.

Without `--upgrade` a pin changes only where pyproject.toml requires it. With it, each upper bound is first raised above
the newest version that the resolver can choose, and every pin becomes the newest within its bounds.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from uv import find_uv_bin

from tests.packages.requirements import (
    FILES,
    FOLDER,
    PROJECT,
    PinnedFile,
    list_changes,
    read_pins,
    read_requirements,
    write_header,
)

_OLDEST_PYTHON = "3.11"
_BOUND = re.compile(r",<[\d.]+")
_REQUIREMENT = re.compile(r'"([A-Za-z][\w.-]*[^"]*,<[\d.]+[^"]*)"')


class LockFailed(RuntimeError):
    """The resolver found no versions, or the package index could not be reached."""


def raise_bounds(project: str, newest: Mapping[str, Version]) -> str:
    """Return a pyproject.toml's text whose upper bounds allow the newest versions; an exact pin is left."""

    def raise_bound(found: re.Match[str]) -> str:
        requirement = Requirement(found[1])
        version = newest.get(canonicalize_name(requirement.name))
        if version is None or requirement.specifier.contains(version, prereleases=True):
            return found[0]
        return _BOUND.sub(f",<{_next_incompatible(version)}", found[0])

    return _REQUIREMENT.sub(raise_bound, project)


def _next_incompatible(version: Version) -> str:
    """Return the next major version; before 1.0 the next minor one."""
    return str(version.major + 1) if version.major > 0 else f"0.{version.minor + 1}"


def compile_files(folder: Path, project: str, *, upgrade: bool) -> None:
    """Write every file of pins in `folder` for a pyproject.toml's text. Raises: LockFailed."""
    (folder / PROJECT.name).write_text(project, "utf-8")
    for file in FILES:
        _compile_file(file, folder, upgrade=upgrade)
        pinned = folder / file.name
        pinned.write_text(write_header(file, project) + pinned.read_text("utf-8"), "utf-8")


def _compile_file(file: PinnedFile, folder: Path, *, upgrade: bool) -> None:
    sources = [PROJECT.name] if file.with_package else []
    groups = [] if file.group is None else ["--group", file.group]
    extras = [] if file.extra is None else ["--extra", file.extra]
    shared = [] if file.agrees_with is None else ["--constraints", file.agrees_with]
    upgrades = ["--upgrade"] if upgrade else []
    options = ["--universal", "--python-version", _OLDEST_PYTHON, "--generate-hashes", "--no-header", "--quiet"]
    command = [find_uv_bin(), "pip", "compile", *options, *upgrades, *sources, *groups, *extras, *shared]
    # All words are constants of this module and of pyproject.toml's groups.
    done = subprocess.run(  # noqa: S603  # constants
        [*command, "--output-file", file.name], cwd=folder, stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        raise LockFailed(f"{file.name} could not be resolved; nothing was changed")


def lock(*, upgrade: bool) -> None:
    """Renew `.requirements`, and with `upgrade` the bounds of pyproject.toml; print each change. Raises: LockFailed."""
    before = PROJECT.read_text("utf-8")
    with TemporaryDirectory() as name:
        folder = Path(name)
        _copy_pins(FOLDER, folder)
        after = before
        if upgrade:
            compile_files(folder, _BOUND.sub("", before), upgrade=True)
            after = raise_bounds(before, _read_all_pins(folder))
        compile_files(folder, after, upgrade=upgrade)
        _print_changes(folder, before, after)
        _copy_pins(folder, FOLDER)
    PROJECT.write_text(after, "utf-8")


def _copy_pins(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in FILES:
        if (source / file.name).is_file():
            shutil.copyfile(source / file.name, target / file.name)


def _read_all_pins(folder: Path) -> dict[str, Version]:
    return {name: version for file in FILES for name, version in read_pins((folder / file.name).read_text()).items()}


def _print_changes(folder: Path, before: str, after: str) -> None:
    sections = {PROJECT.name: _changed_bounds(before, after)}
    for file in FILES:
        old = read_pins(file.path.read_text("utf-8")) if file.path.is_file() else {}
        sections[f"{FOLDER.name}/{file.name}"] = list_changes(old, read_pins((folder / file.name).read_text("utf-8")))
    for title, lines in sections.items():
        print(f"{title}: {'no change' if not lines else ''}", *lines, sep="\n  ")
    required = (each for file in FILES for each in read_requirements(file, after))
    exact = sorted({str(each) for each in required if any(one.operator == "==" for one in each.specifier)})
    print(f"Pinned exactly in {PROJECT.name}, so left as they are: {', '.join(exact)}")
    if any(sections.values()):
        print("Next: read the changelogs of what changed, then `make check test`.")


def _changed_bounds(before: str, after: str) -> list[str]:
    olds, news = _REQUIREMENT.findall(before), _REQUIREMENT.findall(after)
    return [f"{old} -> {new}" for old, new in zip(olds, news, strict=True) if old != new]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Pin the requirements of pyproject.toml, with hashes.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions, also above today's bounds")
    try:
        lock(upgrade=parser.parse_args().upgrade)
    except LockFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
