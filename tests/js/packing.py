"""The npm package as a user gets it: built, packed, and installed from its tarball in an empty project.

`python -m tests.js.packing` does all of it, once for each state of the sources.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from tests.stack.installing import install
from wallet_rpc import __version__
from wallet_rpc.devchain.build import BuildFailed, NodeJs

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "wallet_rpc" / "js"
PROJECT = HERE / "build"
"""The empty project, with the package's tarball and what its examples need."""
LONGEST_SECONDS = 900
"""The longest time of a program of Node.js, in seconds."""
_OPENRPC = HERE.parents[1] / "openrpc.yaml"
_BLOCK = re.compile(r"^```ts\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TEST_BLOCK = re.compile(r"^```ts\n// (\S+\.test\.ts)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_README_TEST = """
import { expect, test } from "vitest";
test("the README's lines ran", () => expect(accountAddress).toMatch(/^0x[0-9a-fA-F]{40}$/));
"""
_PEERS = ("@wagmi/core", "axe-core", "esbuild", "ethers", "playwright-core", "viem", "vitest")
"""Packages that the examples and tests import next to the tarball, in the versions of the package's lock file."""


def prepare() -> NodeJs:
    """Build the package, pack it and install it in the project, unless its sources are unchanged. Raises: BuildFailed.

    Examples and tests are copied anew each time.
    """
    node = install(PACKAGE, "what the JavaScript package needs")
    stamp = PROJECT / ".made"
    with (PACKAGE / ".npmrc").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = _hash_sources()
        if not stamp.is_file() or stamp.read_text() != current:
            _make_project(node)
            stamp.write_text(current)
        for name in ("tests", "examples"):
            shutil.rmtree(PROJECT / name, ignore_errors=True)
        shutil.copytree(PACKAGE / "examples", PROJECT / "examples")
        (PROJECT / "tests").mkdir()
        for path in HERE.glob("*.ts"):
            shutil.copy(path, PROJECT / "tests")
        (PROJECT / "tests" / "readme.test.ts").write_text(_read_readme() + _README_TEST)
        for name, text in readme_tests().items():
            (PROJECT / "tests" / name).write_text(text)
    return node


def readme_tests() -> dict[str, str]:
    """Return the tests of the project's README by file name."""
    return dict(_TEST_BLOCK.findall((HERE.parents[1] / "README.md").read_text(encoding="utf-8")))


def find_tarball() -> Path:
    """Return the packed package."""
    (tarball,) = PROJECT.glob("*.tgz")
    return tarball


def run(node: NodeJs, *command: str | Path, folder: Path, seconds: float = LONGEST_SECONDS) -> str:
    """Run a program of Node.js and return its output. Raises: BuildFailed with that output when it fails."""
    own = {
        "TEST_WALLET_RPC": str(Path(sys.executable).with_name("wallet-rpc")),
        "CHROMIUM_FLAGS": "--no-sandbox",  # Debian's launcher adds it; Chromium runs as root with it only
    }
    done = subprocess.run(  # noqa: S603  # the Node.js and npm that were found, and files of this project
        command,
        cwd=folder,
        env={**node.environment, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode != 0:
        raise BuildFailed(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def pack(node: NodeJs, destination: Path) -> Path:
    """Build the package in the server's version, and return its tarball."""
    run(node, *node.npm, "run", "build", folder=PACKAGE)
    staged = destination / "packed"
    shutil.copytree(PACKAGE / "build" / "dist", staged / "dist")
    shutil.copytree(PACKAGE / "examples", staged / "examples")
    for path in (PACKAGE / "README.md", HERE.parents[1] / "LICENSE"):
        shutil.copy(path, staged)
    manifest = json.loads((PACKAGE / "package.json").read_text())
    manifest["version"] = __version__
    del manifest["scripts"], manifest["devDependencies"], manifest["overrides"]
    (staged / "package.json").write_text(json.dumps(manifest, indent=2) + "\n")
    packed = run(node, *node.npm, "pack", "--json", "--pack-destination", destination, folder=staged)
    return destination / str(json.loads(packed)[0]["filename"])


def _make_project(node: NodeJs) -> None:
    shutil.rmtree(PROJECT, ignore_errors=True)
    PROJECT.mkdir()
    tarball = pack(node, PROJECT)
    versions = json.loads((PACKAGE / "package.json").read_text())["devDependencies"]
    peers = {name: versions[name] for name in _PEERS}
    manifest = {
        "private": True,
        "type": "module",
        "dependencies": {"wallet-rpc-test": f"file:{tarball.name}", **peers},
        "overrides": {"viem": versions["viem"]},
    }
    (PROJECT / "package.json").write_text(json.dumps(manifest, indent=2))
    shutil.copy(PACKAGE / ".npmrc", PROJECT)
    run(node, *node.npm, "install", "--prefer-offline", "--loglevel=error", folder=PROJECT)


def _read_readme() -> str:
    """Return the TypeScript blocks of the package's README."""
    return "\n".join(_BLOCK.findall((PACKAGE / "README.md").read_text(encoding="utf-8")))


def _hash_sources() -> str:
    packed = [path for folder in ("src", "scripts", "examples") for path in (PACKAGE / folder).rglob("*.*")]
    sources = [_OPENRPC, *PACKAGE.glob("*.json"), *PACKAGE.glob("*.md"), *packed, Path(__file__)]
    each = (f"{path.name} {sha256(path.read_bytes()).hexdigest()}" for path in sorted(sources))
    return sha256("\n".join([__version__, *each]).encode()).hexdigest()


if __name__ == "__main__":
    try:
        prepare()
        print(f"The package is {os.path.relpath(find_tarball())}")
    except BuildFailed as error:
        sys.exit(str(error))
