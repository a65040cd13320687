"""Build hook of hatchling: every wheel and sdist contains the compiled contracts.

Files that were built from the current sources are taken as they are, as from an sdist. Otherwise the contracts are
compiled, with what `dependencies` names and Node.js; if that fails, so does the build.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from types import ModuleType
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GenesisHook(BuildHookInterface[BuilderConfig]):
    """Adds the compiled contracts, and compiles them where they are missing or their sources have changed."""

    def dependencies(self) -> list[str]:
        """Return what the compilation needs and this machine lacks: the package's libraries, and Node.js."""
        if self._is_built():
            return []
        has_node = shutil.which("node") is not None and shutil.which("npm") is not None
        node: list[str] = [] if has_node else self.metadata.config["dependency-groups"]["node"]
        return [*self.metadata.core.dependencies, *node]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the contracts if needed, and add them; to an sdist also the hash of their sources.

        Git ignores these files, so hatchling does too. Its option `artifacts` searches all of node_modules for them.
        """
        if not self._is_built():
            self._compile()
        sources = self._sources()
        added = [*sources.PACKAGED, *([sources.INPUTS_FILE] if self.target_name == "sdist" else [])]
        build_data["force_include"] |= {str(path): str(path.relative_to(self.root)) for path in added}

    def _compile(self) -> None:
        try:
            build = importlib.import_module("wallet_rpc.devchain.build")
        except ImportError as error:
            sys.exit(f"The contracts cannot be compiled: {error}. Build with isolation, or install wallet-rpc first")
        try:
            build.build()
        except build.BuildFailed as error:
            sys.exit(f"The contracts were not compiled, and a package without them is of no use: {error}")

    def _is_built(self) -> bool:
        return bool(self._sources().is_built())

    def _sources(self) -> ModuleType:
        """Import a module of the source tree, which is not installed."""
        if self.root not in sys.path:
            sys.path.insert(0, self.root)
        return importlib.import_module("wallet_rpc.devchain.contract_sources")
