"""Functions of the contracts that a session can reach, read from published ABIs.

Sources, all installed by `make setup`:

- EntryPoint v0.7 and the token standards: the npm packages that the development chain's contracts are built with.
- The accounts and modules: the official SDK.
- The development chain's own contracts: the compiler's output.

Published bytecode is read if the deployment records are present.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.clients.npm import HERE as CLIENTS
from tests.clients.npm import output_of, run_program
from tests.golden.scenarios import DEPLOYMENTS
from wallet_rpc.devchain.build import find_node_js
from wallet_rpc.devchain.contract_sources import BUILD, SOURCES

_PACKAGES = SOURCES / "node_modules"
_SDK = CLIENTS / "node_modules" / "@account-kit" / "smart-contracts" / "dist" / "esm" / "src" / "ma-v2"
_SDK_FILES = {
    "ModularAccount": "abis/modularAccountAbi",
    "SemiModularAccountBytecode": "abis/semiModularAccountBytecodeAbi",
    "SemiModularAccountStorageOnly": "abis/semiModularAccountStorageAbi",
    "AccountFactory": "abis/accountFactoryAbi",
    "SingleSignerValidationModule": "modules/single-signer-validation/abis/singleSignerValidationModuleAbi",
    "AllowlistModule": "modules/allowlist-module/abis/allowlistModuleAbi",
    "NativeTokenLimitModule": "modules/native-token-limit-module/abis/nativeTokenLimitModuleAbi",
    "TimeRangeModule": "modules/time-range-module/abis/timeRangeModuleAbi",
    "PaymasterGuardModule": "modules/paymaster-guard-module/abis/paymasterGuardModuleAbi",
}
"""ABI files of the SDK. That of WebAuthnValidationModule is missing, since it has the WebAuthn factory's ABI."""
_STANDARDS = ("IERC20", "IERC2612", "IERC721", "IERC1155", "IERC1363", "IERC3009", "IERC4626", "IERC7674", "IERC777")
_SALT, _PUSH0, _EQ = 32, 0x5F, b"\x14"
"""The number of bytes before the creation code in a deployment record, and two opcodes."""
_READ_ABIS = """
const abis = {};
for (const [name, file] of Object.entries(JSON.parse(process.argv[1])))
  abis[name] = Object.values(await import(file))[0];
console.log(JSON.stringify(abis));
"""


@dataclass(frozen=True)
class Interface:
    """The signatures of a contract's functions that may change state, and of those that only read it."""

    writes: frozenset[str]
    reads: frozenset[str]


@cache
def interfaces() -> dict[str, Interface]:
    """Read the published interfaces, by the contract's name."""
    entry_point = _PACKAGES / "@account-abstraction" / "contracts" / "artifacts" / "EntryPoint.json"
    standards = _PACKAGES / "@openzeppelin" / "contracts" / "build" / "contracts"
    published = {name: _of(abi) for name, abi in _sdk_abis().items()}
    published["EntryPoint"] = _of(json.loads(entry_point.read_text("utf-8"))["abi"])
    for name in _STANDARDS:
        published[name] = _of(json.loads((standards / f"{name}.json").read_text("utf-8"))["abi"])
    return published


@cache
def compiled_selectors() -> dict[str, dict[str, str]]:
    """Read the functions of the development chain's contracts: signature to selector, by the contract's name."""
    contracts = json.loads((BUILD / "contracts.json").read_text("utf-8"))["contracts"]
    return {name: contract["selectors"] for name, contract in contracts.items()}


def published_selectors() -> dict[str, frozenset[str]]:
    """Read the selectors in the dispatchers of the published contracts; empty without the deployment records.

    A dispatcher compares with `PUSH4 selector; EQ` (63 xx xx xx xx 14), or with PUSH3 when the first byte is zero.
    """
    if not DEPLOYMENTS.is_file():
        return {}
    transactions = json.loads(DEPLOYMENTS.read_text("utf-8"))["transactions"]
    return {
        each["contractName"]: frozenset(
            _compared_selectors(bytes.fromhex(each["transaction"]["input"][2 + 2 * _SALT :]))
        )
        for each in transactions
    }


def _compared_selectors(code: bytes) -> Iterator[str]:
    position = 0
    while position < len(code):
        size = max(0, code[position] - _PUSH0)
        size = size if size <= 32 else 0
        end = position + 1 + size
        if size in {3, 4} and code[end : end + 1] == _EQ:
            yield code[position + 1 : end].rjust(4, b"\0").hex()
        position = end


def _sdk_abis() -> dict[str, list[dict[str, Any]]]:
    files = json.dumps({name: (_SDK / f"{file}.js").as_uri() for name, file in _SDK_FILES.items()})
    node = find_node_js()
    result = run_program(node, node.node, "--input-type=module", "--eval", _READ_ABIS, files)
    abis: dict[str, list[dict[str, Any]]] = json.loads(output_of(result))
    return abis


def _of(abi: Iterable[dict[str, Any]]) -> Interface:
    functions = [each for each in abi if each["type"] == "function"]
    reads = {_signature(each) for each in functions if each["stateMutability"] in {"view", "pure"}}
    return Interface(writes=frozenset(map(_signature, functions)) - reads, reads=frozenset(reads))


def _signature(function: dict[str, Any]) -> str:
    return f"{function['name']}({','.join(map(_type, function['inputs']))})"


def _type(parameter: dict[str, Any]) -> str:
    kind: str = parameter["type"]
    return kind.replace("tuple", f"({','.join(map(_type, parameter.get('components', [])))})")
