"""Installation of npm packages by a folder's lock file, done once: `python -m tests.stack.installing` for the stack."""

from __future__ import annotations

import fcntl
import platform
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from wallet_rpc.devchain.build import BuildFailed, NodeJs, find_node_js

HERE = Path(__file__).parent
_MODULES = HERE / "node_modules"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "AMD64": "amd64"}


def anvil_program() -> Path:
    """Return the path of anvil for this machine; the package's own script only searches for it."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    return _MODULES / "@foundry-rs" / f"anvil-{sys.platform}-{machine}" / "bin" / "anvil"


def alto_script() -> Path:
    """Return the path of Alto's script, to run with node."""
    return _MODULES / "@pimlico" / "alto" / "esm" / "cli" / "alto.js"


def install(folder: Path = HERE, contents: str = "anvil and Alto") -> NodeJs:
    """Install a folder's missing packages in their locked versions, once even with concurrent callers.

    Raises: BuildFailed.
    """
    node = find_node_js()
    stamp = folder / "node_modules" / ".made"
    lock_hash = sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    with (folder / ".npmrc").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != lock_hash:
            print(f"Installing {contents} (once, about half a minute)", file=sys.stderr, flush=True)
            _install(node, folder)
            stamp.write_text(lock_hash)
    return node


def _install(node: NodeJs, folder: Path) -> None:
    """Install by the lock file. `npm ci` would fail where a registry lacks the packages of other platforms."""
    command: list[str | Path] = [
        *node.npm,
        "install",
        "--no-save",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    done = subprocess.run(command, cwd=folder, env=node.environment, check=False)  # noqa: S603  # constants
    if done.returncode != 0:
        raise BuildFailed(f"`npm install` in tests/{folder.name} failed")


if __name__ == "__main__":
    try:
        install()
    except BuildFailed as error:
        sys.exit(str(error))
