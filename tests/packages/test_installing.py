"""What `make` prints when it cannot install: without the named Python, and without a package index."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.packages.building import run
from tests.packages.requirements import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with what `make` needs to begin an installation."""
    (tmp_path / "wallet_rpc").mkdir()
    for name in ("Makefile", "pyproject.toml", "wallet_rpc/__init__.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / ".requirements", tmp_path / ".requirements")
    return tmp_path


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("nope", "nope: command not found; install Python 3.11 or newer, or name yours: make PYTHON=…"),
        ("./old", "wallet-rpc needs Python 3.11 or newer; ./old is 3.9.2 (set PYTHON=…)"),
        ("false", "wallet-rpc needs Python 3.11 or newer; false is no working Python (set PYTHON=…)"),
        ("true", "wallet-rpc needs Python 3.11 or newer; true is no working Python (set PYTHON=…)"),
        ("", "PYTHON is empty: command not found; install Python 3.11 or newer, or name yours: make PYTHON=…"),
    ],
)
def test_a_python_that_will_not_do_is_named(tree: Path, python: str, message: str) -> None:
    old = tree / "old"
    old.write_text('#!/bin/sh\ncase "$2" in *version_info*) exit 1 ;; *) echo 3.9.2 ;; esac\n')
    old.chmod(0o755)

    done = run("make", "--silent", f"PYTHON={python}", "run", folder=tree)

    assert done.returncode != 0
    assert done.stdout == message + "\n"
    assert not (tree / ".venv").exists()


def test_an_index_that_does_not_answer_is_reported_at_once_and_at_the_end(tree: Path) -> None:
    (tree / ".venv/bin").mkdir(parents=True)
    (tree / ".venv/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # its pip installs nothing here
    (tree / ".venv/bin/python").chmod(0o755)
    nowhere = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_FIND_LINKS": ""}

    done = run(".requirements/install", "not-a-package", folder=tree, PIP_RETRIES="2", **nowhere)

    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("ERROR: ")]
    assert lines == [
        "The package index does not answer; trying again",
        "Not installed: not-a-package.",
        "No package index answers. Connect to the network, or set PIP_INDEX_URL or HTTPS_PROXY, then try again.",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"one==1.0 --hash=sha256:{'0' * 64}", "THESE PACKAGES DO NOT MATCH THE HASHES"),
        ("one==1.0", "Hashes are required"),
    ],
)
def test_a_package_without_a_matching_hash_is_not_installed(tree: Path, line: str, reason: str) -> None:
    (tree / ".venv").symlink_to(sys.prefix)
    (tree / "here").mkdir()
    shutil.copy(_make_wheel(tree / "source"), tree / "here")
    (tree / ".requirements/one.txt").write_text(line + "\n")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tree / "here"), "PIP_DRY_RUN": "1"}

    done = run(".requirements/install", "one.txt", folder=tree, **offline)

    assert done.returncode != 0
    assert reason in done.stderr
    assert done.stderr.endswith("Not installed: one.txt.\n")


def _make_wheel(folder: Path) -> Path:
    """Build an empty wheel: one 1.0."""
    folder.mkdir()
    (folder / "one.py").write_text("")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "one"\nversion = "1.0"\n'
    )
    done = run(sys.executable, "-c", "import hatchling.build as b; print(b.build_wheel('.'))", folder=folder)
    return folder / done.stdout.strip()


def test_npm_repeats_after_a_second_what_a_registry_does_not_answer(tree: Path) -> None:
    (tree / ".venv/bin").mkdir(parents=True)
    (tree / ".venv/bin/python").write_text("#!/bin/sh\nexec npm config get fetch-retry-mintimeout\n")
    (tree / ".venv/bin/python").chmod(0o755)

    done = run("make", "--silent", "--assume-old=.venv/.run", "contracts", folder=tree)

    assert (done.returncode, done.stdout) == (0, "1000\n")
