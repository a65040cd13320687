"""Installation of the real stack's npm packages, done once: `python -m tests.stack.installing`."""

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
_STAMP = _MODULES / ".made"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "AMD64": "amd64"}


def anvil_program() -> Path:
    """Return the path of anvil for this machine; the package's own script only searches for it."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    return _MODULES / "@foundry-rs" / f"anvil-{sys.platform}-{machine}" / "bin" / "anvil"


def alto_script() -> Path:
    """Return the path of Alto's script, to run with node."""
    return _MODULES / "@pimlico" / "alto" / "esm" / "cli" / "alto.js"


def install() -> NodeJs:
    """Install missing packages in their locked versions, once even with concurrent callers. Raises: BuildFailed."""
    node = find_node_js()
    lock_hash = sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    with (HERE / ".npmrc").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _STAMP.is_file() or _STAMP.read_text() != lock_hash:
            print("Installing anvil and Alto (once, about half a minute)", file=sys.stderr, flush=True)
            _install(node)
            _STAMP.write_text(lock_hash)
    return node


def _install(node: NodeJs) -> None:
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
    done = subprocess.run(command, cwd=HERE, env=node.environment, check=False)  # noqa: S603  # constants
    if done.returncode != 0:
        raise BuildFailed("`npm install` in tests/stack failed")


if __name__ == "__main__":
    try:
        install()
    except BuildFailed as error:
        sys.exit(str(error))
