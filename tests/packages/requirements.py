"""Requirements of pyproject.toml, and the hashed files in `.requirements` that pin them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "pyproject.toml"
FOLDER = ROOT / ".requirements"
_PIN = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.*?))?(?: \\)?$", re.MULTILINE)
_DIGEST = re.compile(r"^# Digest of the requirements: (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file of `.requirements`: the pins of a dependency group."""

    name: str
    group: str | None
    """Dependency group of pyproject.toml that the file pins."""
    with_package: bool = False
    """True if the file also pins the package's own dependencies."""
    extra: str | None = None
    """Optional dependencies of the package that the file pins too."""
    agrees_with: str | None = None
    """Name of the file whose versions this one shares."""

    @property
    def path(self) -> Path:
        """Path of the file."""
        return FOLDER / self.name


FILES = (
    PinnedFile("pip.txt", "pip"),
    PinnedFile("build.txt", "build"),
    PinnedFile("run.txt", None, with_package=True),
    PinnedFile("dev.txt", "dev", with_package=True, agrees_with="run.txt"),
    PinnedFile("otel.txt", None, with_package=True, extra="otel", agrees_with="dev.txt"),
    PinnedFile("node.txt", "node"),
    PinnedFile("mutation.txt", "mutation", agrees_with="dev.txt"),
)


def read_requirements(file: PinnedFile, project: str) -> list[Requirement]:
    """Return the requirements of a pyproject.toml's text that the file pins."""
    tables = tomllib.loads(project)
    texts = list(tables["project"]["dependencies"]) if file.with_package else []
    texts += [] if file.extra is None else tables["project"]["optional-dependencies"][file.extra]
    texts += [] if file.group is None else tables["dependency-groups"][file.group]
    return [Requirement(text) for text in texts]


def digest_of(file: PinnedFile, project: str) -> str:
    """Return a digest of the requirements that the file pins, with bounds, extras and markers."""
    texts = sorted(str(requirement) for requirement in read_requirements(file, project))
    return sha256("\n".join(texts).encode()).hexdigest()[:16]


def write_header(file: PinnedFile, project: str) -> str:
    """Return the first lines of a file, with the digest that `read_digest` finds."""
    return (
        "# Versions and hashes that pip accepts; written by `make lock` and `make upgrade`.\n"
        f"# Digest of the requirements: {digest_of(file, project)}\n"
    )


def read_digest(text: str) -> str | None:
    """Return the digest in a file's header; None if it has none."""
    found = _DIGEST.search(text)
    return None if found is None else found[1]


def read_pins(text: str) -> dict[str, Version]:
    """Return the version of each package that a file pins, by canonical name."""
    return {canonicalize_name(name): Version(version) for name, version, _ in _PIN.findall(text)}


def list_changes(before: dict[str, Version], after: dict[str, Version]) -> list[str]:
    """Return a line for each package that was added, removed or changed, by name."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            lines.append(f"{name} {old or '(new)'} -> {new or '(removed)'}")
    return lines
