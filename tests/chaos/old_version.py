"""Server of an earlier commit: a worktree of this repository with an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.parts import Part, Process, ready_check
from tests.e2e.process import environment

COMMIT = "56a8322"
"""The commit that servers are upgraded from: the last one without an outbox."""
ROOT = Path(__file__).parents[2]
_FOLDER = ROOT / ".chaos" / COMMIT
_IGNORED_VARIABLES = ("PYTHONPATH", "VIRTUAL_ENV")


class NoSuchCommit(Exception):
    """The clone does not contain the commit."""


@dataclass(frozen=True)
class OldVersion:
    """A checkout, and the Python that has its dependencies."""

    checkout: Path
    python: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of the old `wallet-rpc`."""
        return [str(self.python), "-m", "wallet_rpc", *arguments]

    def variables(self, folder: Path, **settings: str) -> dict[str, str]:
        """Return an environment in which no module of this checkout is imported."""
        found = environment(folder, settings)
        for later in ("PATIENCE_SECONDS", "ALLOW_VOLATILE"):  # settings of later versions
            del found[f"WALLET_RPC_{later}"]
        return {name: text for name, text in found.items() if name not in _IGNORED_VARIABLES}

    def part(self, name: str, *arguments: str, port: int, folder: Path, **settings: str) -> Part:
        """Build a replica like `wallet_part`, of the old version."""
        variables = self.variables(folder, **settings, PORT=str(port))

        def launch(at: Path) -> Process:
            with (at / "stdout").open("w") as output:
                return subprocess.Popen(  # noqa: S603  # the old version of this project, with constant arguments
                    self.command(*arguments),
                    env=variables,
                    cwd=self.checkout,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )

        return Part(name, launch, ready_check(f"http://127.0.0.1:{port}"), folder)


def check_out() -> OldVersion:
    """Return the old version; check it out and install it if that was not done yet. Raises: NoSuchCommit."""
    checkout, stamp = _FOLDER / "checkout", _FOLDER / "installed"
    version = OldVersion(checkout, _FOLDER / "environment" / "bin" / "python")
    if not stamp.is_file():
        if _run("git", "cat-file", "-e", f"{COMMIT}^{{commit}}") != 0:
            raise NoSuchCommit(f"this clone does not contain the commit {COMMIT}")
        _FOLDER.mkdir(parents=True, exist_ok=True)
        _require("git", "worktree", "prune")
        if not checkout.exists():
            _require("git", "worktree", "add", "--detach", str(checkout), COMMIT)
        _require(sys.executable, "-m", "venv", str(_FOLDER / "environment"))
        _require(str(version.python), "-m", "pip", "install", "--quiet", "--editable", str(checkout))
        stamp.touch()
    return version


def _run(*command: str) -> int:
    return subprocess.run(command, cwd=ROOT, check=False, stderr=subprocess.DEVNULL).returncode  # noqa: S603  # constants


def _require(*command: str) -> None:
    if _run(*command) != 0:
        raise RuntimeError(f"failed: {' '.join(command)}")
