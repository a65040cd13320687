"""The clients' packages and scenarios: `python -m tests.clients.npm` installs the packages and compiles the scenarios.

Invariant: exactly the packages of the lock file are installed, once, and no package runs an install script.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from tests.support.constants import LONGEST_SECONDS
from wallet_rpc.devchain.build import NodeJs, find_node_js

HERE = Path(__file__).parent
PAGES = (HERE.parents[1] / "README.md", HERE.parents[1] / "specs" / "backends.md")
"""Pages whose TypeScript blocks are run."""
DEFAULT_URL = "http://127.0.0.1:4337"
"""The server's URL in the scenarios and on the pages."""

_MODULES = HERE / "node_modules"
_INSTALLED = _MODULES / ".installed.sha256"
_BUILD = HERE / "build"
_COMPILED = _BUILD / ".compiled.sha256"
_INPUTS = ("package.json", "package-lock.json", ".npmrc")
_FOLDERS = ("v5", "v4", "viem", "ethers", "browser", "web3py")
_BLOCK = re.compile(r"^```ts\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def scenarios() -> list[str]:
    """Return the names of all scenarios, such as `v5/send.ts`."""
    return [f"{folder}/{path.name}" for folder in _FOLDERS for path in sorted((HERE / folder).glob("*.[pt][ys]"))]


def page_blocks() -> list[str]:
    """Return the TypeScript blocks of `PAGES`, without files of tests (`// NAME.test.ts`), which `tests/js` runs."""
    found = (block for page in PAGES for block in _BLOCK.findall(page.read_text(encoding="utf-8")))
    return [block for block in found if ".test.ts" not in block.partition("\n")[0]]


def prepare() -> None:
    """Install and compile, one process at a time."""
    with (HERE / ".npmrc").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install()
        compile_scenarios()


def install() -> bool:
    """Install the packages unless the lock file is the last one installed; return True if anything was installed."""
    current = _hash(*(HERE / name for name in _INPUTS))
    if _INSTALLED.is_file() and _INSTALLED.read_text() == current:
        return False
    print("Installing the official clients from npm (once, about a minute)", flush=True)
    node = find_node_js()
    output_of(run_program(node, *node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"))
    _INSTALLED.write_text(current)
    return True


def compile_scenarios() -> bool:
    """Check the types of the scenarios and of the pages' blocks, and write the JavaScript of both to `build`.

    Return True if anything was compiled: unchanged sources are not compiled again.
    """
    blocks = HERE / "pages"
    shutil.rmtree(blocks, ignore_errors=True)
    blocks.mkdir()
    for number, text in enumerate(page_blocks()):
        source = text.replace(f'"{DEFAULT_URL}"', "String(process.env.WALLET_URL)")
        (blocks / f"{number}.ts").write_text(f"{source}\nexport {{}};\n", encoding="utf-8")
    sources = [*sorted(HERE.glob("*.ts")), *sorted(HERE.glob("*/*.ts"))]
    current = _hash(HERE / "package-lock.json", HERE / "tsconfig.json", *sources)
    if _COMPILED.is_file() and _COMPILED.read_text() == current:
        return False
    shutil.rmtree(_BUILD, ignore_errors=True)
    node = find_node_js()
    output_of(run_program(node, node.node, _MODULES / "typescript" / "bin" / "tsc"))
    _COMPILED.write_text(current)
    return True


class Player:
    """`with Player(url, node_url, key) as player`: runs scenarios against a server and the node behind it."""

    def __init__(self, url: str, node_url: str, api_key: str) -> None:
        self._environment = {
            "WALLET_URL": url,
            "NODE_URL": node_url,
            "WALLET_API_KEY": api_key,
            "DO_NOT_TRACK": "1",  # clients that report their use do not
        }
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def play(self, scenario: str) -> str:
        """Run a scenario, which must succeed, and return its output."""
        if scenario.endswith(".py"):
            process = run_program(
                find_node_js(), sys.executable, "-W", "error", HERE / scenario, environment=self._environment
            )
            return output_of(process)
        output: list[str] = []
        for line in self._lines(scenario.replace(".ts", ".js")):
            if line.startswith("\x04"):
                failure = json.loads(line[1:])
                assert failure is None, "".join([*output, failure])
                return "".join(output)
            output.append(line)
        raise AssertionError("".join([*output, "the process ended"]))

    def _lines(self, script: str) -> Iterable[str]:
        """Run a script in the Node.js process, which is started if none runs, and return the lines that it prints."""
        if self._process is not None and self._process.poll() is not None:
            print("Node.js ended after the scenario before:", self._process.communicate()[0])
            self._process = None
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603  # the Node.js that was found, and files of this project
                [find_node_js().node, _BUILD / "run_scenarios.js"],
                env={**os.environ, **self._environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"./{script}\n")
        stdin.flush()
        return stdout


def _hash(*paths: Path) -> str:
    """Return a hash of the names and contents of files."""
    each = (f"{path.relative_to(HERE)} {sha256(path.read_bytes()).hexdigest()}" for path in paths)
    return sha256("\n".join(each).encode()).hexdigest()


def run_program(
    node: NodeJs, *command: str | Path, folder: Path = HERE, environment: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """Run a program with Node.js and npm on its path, by default in the folder of the installed packages."""
    return subprocess.run(  # noqa: S603  # the Node.js and npm that were found, and files of this project
        command,
        cwd=folder,
        env={**node.environment, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=4 * LONGEST_SECONDS if "ci" in command else LONGEST_SECONDS,
        check=False,
    )


def output_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return the output of a program that succeeded."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


if __name__ == "__main__":
    try:
        prepare()
    except AssertionError as error:
        sys.exit(str(error))
