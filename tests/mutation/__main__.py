"""Mutation test runner: `python -m tests.mutation [MODULE ...]`, for the named modules or all of `targets`.

The project is copied first, so the working tree does not change. The tests of each mutant run in a fork of a process
that has already imported every module that does not import the mutated one. Every survivor must be in
specs/mutation.md, with the reason why no test can detect it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import grimp
import pytest

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.targets import TARGETS, options

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "specs" / "mutation.md"
_BUILD_OUTPUTS = (
    "wallet_rpc/devchain/contracts/build",
    "wallet_rpc/devchain/contracts/node_modules",
    "tests/clients/node_modules",
    "tests/stack/node_modules",
)
"""Build outputs of `make setup`, which Git ignores."""
_IN_COPY = "MUTATION_COPY"
_KILLED, _SURVIVED, _TIMED_OUT = "killed", "survived", "timed out"
_LONGEST_FACTOR, _LONGEST_MORE = 3.0, 60.0
"""Timeout of a mutant: the duration with the unchanged code, times the factor, plus these seconds."""


def run_copy(modules: Sequence[str]) -> int:
    """Copy the project and run the mutants there; return 1 when a survivor is not explained on the page."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder) / "project"
        for name in filter(lambda name: (ROOT / name).is_file(), _project_files()):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        for name in _BUILD_OUTPUTS:
            (copy / name).symlink_to(ROOT / name)
        environment = {**os.environ, _IN_COPY: "1"}
        results = [
            subprocess.run(  # noqa: S603  # this module again, with a name that the caller of the command gave
                [sys.executable, "-m", "tests.mutation", module], cwd=copy, env=environment, check=False
            )
            for module in modules
        ]
    return max(each.returncode for each in results)


def _project_files() -> list[str]:
    """Return the files that Git tracks, and new files that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)  # noqa: S603  # constant
    return listing.stdout.splitlines()


def run_here(module: str) -> int:
    """Run the mutants of a module, and print its row of the page; return 1 when a survivor is not explained there."""
    explained = set(re.findall(r"^\| (`.*?` → `.*?`) \|", PAGE.read_text("utf-8"), re.MULTILINE))
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    mutated = ".".join(Path(module).with_suffix("").parts)
    for name in _independent_modules(mutated):
        import_module(name)
    if mutated in sys.modules:
        raise SystemExit(f"{module}: imported before it was changed, so that no test could notice")
    path = Path(module)
    tests = TARGETS[module]
    code = path.read_text("utf-8")
    started = time.monotonic()
    if _outcome(tests, longest=1800, is_mutant=False) != _SURVIVED:
        raise SystemExit(f"{module}: its tests fail without any change")
    longest = (time.monotonic() - started) * _LONGEST_FACTOR + _LONGEST_MORE
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()
    count: Counter[str] = Counter()
    unexplained: list[Mutant] = []
    for mutant in mutants(code):
        path.write_text(mutant.code, "utf-8")
        outcome = _outcome(tests, longest=longest)
        count[outcome] += 1
        if outcome == _SURVIVED and mutant.name not in explained:
            unexplained.append(mutant)
        if outcome == _TIMED_OUT or mutant in unexplained:
            print(f"{outcome}: {module}:{mutant.line}: {mutant.name}", flush=True)
    path.write_text(code, "utf-8")
    row = [f"`{module}`", count.total(), *(count[outcome] for outcome in (_KILLED, _TIMED_OUT, _SURVIVED))]
    print("| " + " | ".join(map(str, row)) + " |", flush=True)
    return 1 if unexplained else 0


def _independent_modules(mutated: str) -> list[str]:
    """Return the modules of the project that do not import the mutated one, directly or indirectly."""
    graph = grimp.build_graph("wallet_rpc")
    for name in graph.modules:
        for package in _packages_of(name):
            graph.add_import(importer=name, imported=package)  # importing a module runs the packages that contain it
    independent = graph.modules - graph.find_downstream_modules(mutated) - {mutated}
    return sorted(name for name in independent if not name.endswith("__main__"))


def _packages_of(name: str) -> set[str]:
    """Return the packages that contain a module."""
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(2, len(parts))}


def _outcome(tests: Sequence[str], *, longest: float, is_mutant: bool = True) -> str:
    """Run the tests in a fork of this process, and return the outcome."""
    process = os.fork()
    if process == 0:
        _test(tests, is_mutant=is_mutant)
    deadline = time.monotonic() + longest
    while (found := os.waitpid(process, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return _TIMED_OUT
        time.sleep(0.02)
    return _SURVIVED if found[1] == 0 else _KILLED


def _test(tests: Sequence[str], *, is_mutant: bool) -> None:
    """Run the tests and end this process, without output and without bytecode of the mutant on disk."""
    os.setpgid(0, 0)
    sys.dont_write_bytecode = is_mutant  # a mutant of the same second and size would be taken for another
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1" if is_mutant else ""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    os._exit(int(pytest.main([*options(tests), *tests])))


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(TARGETS)
    sys.exit(run_here(chosen[0]) if _IN_COPY in os.environ else run_copy(chosen))
