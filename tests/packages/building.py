"""Builds of the sdist and the wheel, and an empty environment to install into."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from uv import find_uv_bin

from tests.packages.requirements import FOLDER

_LONGEST_SECONDS = 1000  # compiles on a busy machine; a test of the suite has less time


def run(*command: str | Path, folder: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run a command without the paths and settings of this environment; `changed` are further variables."""
    dropped = ("WALLET_RPC_", "PYTHON", "VIRTUAL_ENV", "HATCH_", "COVERAGE", "SSL_CERT_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(dropped)}
    return subprocess.run(  # noqa: S603  # commands of the tests
        command,
        cwd=folder,
        env={**kept, **changed},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LONGEST_SECONDS,
        check=False,
    )


def build_packages(tree: Path, output: Path, *kinds: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Build `--sdist` or `--wheel` of a source tree with this environment's tools; by default one from the other."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--skip-dependency-check", *kinds]
    return run(*command, "--outdir", output, tree, folder=output, **changed)


def unpack_sdist(output: Path, folder: Path) -> Path:
    """Unpack the sdist in a folder of packages, and return its source tree."""
    (sdist,) = output.glob("*.tar.gz")
    done = run("tar", "-xf", sdist, "-C", folder, folder=folder)  # tarfile in Python 3.11.2 has no filters
    assert done.returncode == 0, done.stderr
    return folder / sdist.name.removesuffix(".tar.gz")


def required_to_build(tree: Path, **changed: str) -> list[str]:
    """Return what the build backend asks to have installed before it builds a wheel of a source tree."""
    code = "import hatchling.build, json; print(json.dumps(hatchling.build.get_requires_for_build_wheel()))"
    done = run(sys.executable, "-c", code, folder=tree, **changed)
    assert done.returncode == 0, done.stderr
    required: list[str] = json.loads(done.stdout)
    return required


def install_alone(wheel: Path, environment: Path, *others: str) -> Path:
    """Install a wheel with what its metadata requires into a new environment, and return the folder of its commands.

    `others` are further packages to install. The versions are the pinned ones. Archives come from uv's cache, and from
    the network where it lacks them.
    """
    venv.create(environment, with_pip=False)
    pinned = [word for name in ("run.txt", "dev.txt") for word in ("--constraints", FOLDER / name)]
    constraints = (*(pinned if others else pinned[:2]), "--build-constraints", FOLDER / "build.txt")
    command = (
        find_uv_bin(),
        "pip",
        "install",
        "--quiet",
        "--python",
        environment / "bin" / "python",
        *constraints,
        wheel,
        *others,
    )
    errors = []
    for source in (["--offline"], [], ["--system-certs"]):  # the last where the network has its own certificates
        done = run(*command, *source, folder=environment)
        if done.returncode == 0:
            return environment / "bin"
        errors.append(done.stderr)
    raise AssertionError("\n".join(errors))
