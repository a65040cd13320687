"""The npm package, installed from its tarball: its tests, and its examples for vitest and Playwright, run as shown."""

from __future__ import annotations

import json
import tarfile

import pytest

from tests.js import packing
from wallet_rpc import __version__
from wallet_rpc.devchain.build import BuildFailed, NodeJs

pytestmark = pytest.mark.timeout(2 * packing.LONGEST_SECONDS)
PATIENCE_MILLISECONDS = 120_000
"""Timeout of a test; the 5 seconds of vitest are too short for one that starts servers on a busy machine."""


@pytest.fixture(scope="module")
def node() -> NodeJs:
    return packing.prepare()


@pytest.mark.parametrize("folder", ["tests", "examples/vitest", "examples/playwright"])
def test_the_installed_package_works(node: NodeJs, folder: str) -> None:
    vitest = packing.PROJECT / "node_modules" / "vitest" / "vitest.mjs"

    options = ["--root", folder, f"--testTimeout={PATIENCE_MILLISECONDS}"]
    printed = packing.run(node, node.node, vitest, "run", *options, folder=packing.PROJECT)

    assert "passed" in printed
    if folder == "tests":
        assert packing.readme_tests().keys() == {"payment.test.ts", "dapp.test.ts"}
        assert all(name in printed for name in packing.readme_tests())


def test_types_are_checked_as_a_user_would(node: NodeJs) -> None:
    """The tests and examples are compiled against the tarball's types; a wrong parameter does not compile."""
    tsc = packing.PACKAGE / "node_modules" / "typescript" / "bin" / "tsc"
    options = [
        "--noEmit",
        "--strict",
        "--module",
        "nodenext",
        "--target",
        "es2023",
        "--skipLibCheck",
        "--lib",
        "es2023,dom",
        "--types",
        "node",
    ]
    roots = f"--typeRoots {packing.PACKAGE / 'node_modules' / '@types'}".split()
    example = packing.PROJECT / "examples" / "vitest" / "session.test.ts"
    readme = [packing.PROJECT / "tests" / name for name in packing.readme_tests()]
    packing.run(node, node.node, tsc, *options, *roots, example, *readme, folder=packing.PROJECT)

    wrong = example.with_name("wrong.test.ts")
    wrong.write_text(example.read_text().replace("allowance: numberToHex(5n)", "allowance: 5n"))
    with pytest.raises(BuildFailed, match="bigint"):
        packing.run(node, node.node, tsc, *options, *roots, wrong, folder=packing.PROJECT)
    wrong.unlink()


def test_the_tarball_has_the_package_and_nothing_else(node: NodeJs) -> None:
    with tarfile.open(packing.find_tarball()) as packed:
        names = sorted(packed.getnames())
        manifest = packed.extractfile("package/package.json")
        assert manifest is not None
        content = json.load(manifest)

    assert content["version"] == __version__
    assert content["peerDependencies"].keys() == {"viem"}
    assert {"package/LICENSE", "package/README.md", "package/dist/index.js", "package/dist/index.d.ts"} <= set(names)
    assert {name.split("/")[1] for name in names} == {"LICENSE", "README.md", "dist", "examples", "package.json"}
    assert {"package/examples/vitest/session.test.ts", "package/examples/playwright/dapp.test.ts"} <= set(names)


def test_the_packages_come_from_no_particular_host() -> None:
    assert "resolved" not in (packing.PACKAGE / "package-lock.json").read_text()
