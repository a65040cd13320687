"""Sources of the development chain's contracts, and the files that are built from them.

The build hook of the package imports this module before any library is installed, so it has the standard library only.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

SOURCES = Path(__file__).parent / "contracts"
BUILD = SOURCES / "build"
GENESIS_FILE = BUILD / "genesis.json"
ENTRY_POINT_FILE = BUILD / "entry_point.json"
"""The file with EntryPoint's creation code, in the format of `read_creation_code`."""
PACKAGED = (GENESIS_FILE, ENTRY_POINT_FILE)
"""The built files that a wheel contains."""
INPUTS_FILE = BUILD / "inputs.sha256"
"""The file with the hash of the inputs that the others were built from."""


def inputs_hash() -> str:
    """Return the hash of all inputs of the build."""
    here = Path(__file__).parent
    names = [here / "build.py", here / "genesis.py", here / "dev_constants.py"]
    names += [SOURCES / name for name in ("package.json", "package-lock.json", ".npmrc", "compile.mjs")]
    names += sorted(SOURCES.glob("*.sol"))
    return sha256(b"".join(sha256(name.read_bytes()).digest() for name in names)).hexdigest()


def is_built() -> bool:
    """Return True if all files were built from the current inputs."""
    return all(file.is_file() for file in (*PACKAGED, INPUTS_FILE)) and INPUTS_FILE.read_text("utf-8") == inputs_hash()
