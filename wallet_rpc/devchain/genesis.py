"""Genesis accounts of a chain: the built development set, or the contracts of published deployment records.

Code comes from running creation code or from the project's own compiler run, never from a committed binary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth.vm.execution_context import ExecutionContext
from eth_typing import Address as EvmAddress
from eth_typing import BlockNumber, Hash32

from wallet_rpc.devchain.chain_state import ChainState, Value, balance_key, code_key, nonce_key, slot_key
from wallet_rpc.devchain.contract_sources import GENESIS_FILE
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall, run_call
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.domain.contracts import CREATE2_DEPLOYER
from wallet_rpc.primitives import Address, Data

CREATE2_DEPLOYER_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
"""The deployer's runtime code, 69 bytes."""

_DEPLOYMENT_GAS = 60_000_000
_SLOT_KEY_SIZE = 52


class GenesisMissing(RuntimeError):
    """The built genesis file does not exist."""


class DeploymentFailed(RuntimeError):
    """Creation code reverted, or the contract's address differs from the record's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenesisAccount:
    """One account of the genesis state."""

    code: bytes = b""
    storage: Mapping[int, int] = field(default_factory=dict)
    """Storage words by slot, without zeros."""
    nonce: int = 0
    balance: int = 0
    """The balance in wei."""


Genesis = dict[Address, GenesisAccount]


def load_genesis(path: Path = GENESIS_FILE) -> Genesis:
    """Load the development set: EntryPoint, deployer and the project's contracts. Raises: GenesisMissing."""
    if not path.is_file():
        raise GenesisMissing(f"{path.name} is not built yet: run `make contracts`")
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {Address.parse(address): _account(fields) for address, fields in stored.items()}


def dump_genesis(genesis: Genesis) -> str:
    """Serialize accounts to the text that `load_genesis` reads."""
    stored = {address.hex0x(): _fields(account) for address, account in sorted(genesis.items())}
    return json.dumps(stored, indent=1) + "\n"


def genesis_values(genesis: Genesis) -> dict[bytes, Value]:
    """Return the accounts as values by the keys of `ChainState`."""
    values: dict[bytes, Value] = {}
    for address, account in genesis.items():
        values |= {slot_key(address, slot): word for slot, word in account.storage.items()}
        values[balance_key(address)] = account.balance
        values[nonce_key(address)] = account.nonce
        values[code_key(address)] = account.code
    return values


def read_creation_code(path: Path) -> dict[Address, Data]:
    """Read the CREATE2 records of a broadcast file (forge's format): salt(32) | creation code by contract address.

    Raises: DeploymentFailed when the file has no such records; OSError.
    """
    try:
        return {
            Address.parse(record["contractAddress"]): Data.parse(record["transaction"]["input"])
            for record in json.loads(path.read_text(encoding="utf-8"))["transactions"]
        }
    except (ValueError, TypeError, KeyError) as error:
        raise DeploymentFailed(f"{path} contains no deployment records") from error


def dump_creation_code(creation_codes: Mapping[Address, bytes]) -> str:
    """Serialize creation code to the text that `read_creation_code` reads."""
    records = [
        {"contractAddress": str(address), "transaction": {"to": str(CREATE2_DEPLOYER), "input": Data(data).hex0x()}}
        for address, data in creation_codes.items()
    ]
    return json.dumps({"transactions": records}, indent=1) + "\n"


def load_deployments(path: Path) -> Genesis:
    """Run the records of a broadcast file through the CREATE2 deployer, and return the accounts they create.

    Raises: DeploymentFailed; OSError.
    """
    records = read_creation_code(path)
    builder = GenesisBuilder({CREATE2_DEPLOYER: deployer_account()})
    for address, data in records.items():
        builder.deploy(data, at=address)
    return builder.accounts()


def deployer_account() -> GenesisAccount:
    """Return the CREATE2 deployer's account."""
    return GenesisAccount(code=CREATE2_DEPLOYER_CODE, nonce=1)


class GenesisBuilder:
    """A temporary chain state to run creation code on; its accounts become the genesis."""

    def __init__(self, genesis: Genesis) -> None:
        self._values = genesis_values(genesis)
        self._state = ChainState()
        self._commit(self._values)

    def call(self, to: Address, data: bytes, *, sender: Address, value: int = 0) -> ExecutionResult:
        """Run a call and store its changes. Raises: DeploymentFailed when it reverts."""
        journal = Journal(self._state, self._state.version)
        message = MessageCall(sender=sender, to=to, data=data, value=value, gas=_DEPLOYMENT_GAS)
        outcome = run_call(journal, _CONTEXT, message)
        if not outcome.success:
            raise DeploymentFailed(f"a call to {to} failed: {outcome.error}, 0x{outcome.output.hex()}")
        changes = journal.changes()
        self._commit(changes)
        self._values |= changes
        return outcome

    def _commit(self, changes: Mapping[bytes, Value]) -> None:
        self._state.commit(changes, self._state.next_root(changes))

    def deploy(self, salt_and_creation_code: bytes, *, at: Address) -> None:
        """Run creation code through the CREATE2 deployer. Raises: DeploymentFailed, also for an unexpected address."""
        outcome = self.call(CREATE2_DEPLOYER, salt_and_creation_code, sender=CREATE2_DEPLOYER)
        if outcome.output != at:
            raise DeploymentFailed(f"expected a contract at {at}, got one at 0x{outcome.output.hex()}")

    def accounts(self) -> Genesis:
        """Return every account that is not empty."""
        return _gather(self._values)


_CONTEXT = ExecutionContext(
    coinbase=EvmAddress(bytes(20)),
    timestamp=0,
    block_number=BlockNumber(0),
    difficulty=0,
    mix_hash=Hash32(bytes(32)),
    gas_limit=_DEPLOYMENT_GAS,
    prev_hashes=(),
    chain_id=0,
    base_fee_per_gas=0,
    excess_blob_gas=0,
)


def _gather(values: Mapping[bytes, Value]) -> Genesis:
    """Invert `genesis_values`; a slot's key is address(20) | slot(32), every other key is shorter."""
    slots: dict[Address, dict[int, int]] = {Address(key[:20]): {} for key in values}
    for key, word in values.items():
        if len(key) == _SLOT_KEY_SIZE and word:
            slots[Address(key[:20])][int.from_bytes(key[20:])] = _number(word)
    accounts = {
        address: GenesisAccount(
            code=bytes(_code(values.get(code_key(address), b""))),
            storage=words,
            nonce=_number(values.get(nonce_key(address), 0)),
            balance=_number(values.get(balance_key(address), 0)),
        )
        for address, words in slots.items()
    }
    return {address: account for address, account in accounts.items() if account != GenesisAccount()}


def _number(value: Value) -> int:
    if isinstance(value, bytes):
        raise TypeError("expected a number, got code")
    return value


def _code(value: Value) -> bytes:
    if isinstance(value, int):
        raise TypeError("expected code, got a number")
    return value


def _fields(account: GenesisAccount) -> dict[str, Any]:
    return {
        "code": Data(account.code).hex0x(),
        "storage": {hex(slot): hex(word) for slot, word in sorted(account.storage.items())},
        "nonce": hex(account.nonce),
        "balance": hex(account.balance),
    }


def _account(fields: Mapping[str, Any]) -> GenesisAccount:
    return GenesisAccount(
        code=Data.parse(fields["code"]),
        storage={int(slot, 16): int(word, 16) for slot, word in fields["storage"].items()},
        nonce=int(fields["nonce"], 16),
        balance=int(fields["balance"], 16),
    )
