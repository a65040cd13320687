"""`wallet-rpc paymaster` against a chain over HTTP without the paymaster to deploy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from eth_keys.datatypes import PrivateKey

from tests.devchain.http_endpoint import serve_rpc
from tests.devchain.sample import ALICE, BOB, Node
from tests.e2e.process import run_wallet_rpc
from tests.support.keys import address_of
from wallet_rpc.adapters.sponsorship.paymaster_contract import creation_code, derive_address
from wallet_rpc.devchain import dev_constants, genesis
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.primitives import Data

SIGNER_KEY = b"\x51" * 32
SIGNER = address_of(PrivateKey(SIGNER_KEY))
RUNTIME = genesis.load_genesis()[dev_constants.PAYMASTER].code
ADDRESS = derive_address(creation_code(RUNTIME, owner=ALICE.address, signer=SIGNER))
STRANGER = "0x" + "57" * 20
Paymaster = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def chain() -> Node:
    return Node(DevChainConfig(chain_id=421614))


@pytest.fixture(scope="module")
def node_url(chain: Node) -> Iterator[str]:
    with serve_rpc(chain.dispatcher.answer) as url:
        yield url


@pytest.fixture
def paymaster(node_url: str, tmp_path: Path) -> Paymaster:
    """Return a function that runs an action with settings from the environment; `None` unsets a setting."""

    def run(*arguments: str, **settings: str | None) -> CompletedProcess[str]:
        defaults = {
            "DEPLOYER_KEY": Data(bytes(ALICE.key)).hex0x(),
            "PAYMASTER_KEY": Data(SIGNER_KEY).hex0x(),
            "CHAINS": f"421614={node_url}",
            **settings,
        }
        environment = {name: text for name, text in defaults.items() if text is not None}
        result = run_wallet_rpc("paymaster", *arguments, folder=tmp_path, **environment)
        for key in (Data(bytes(ALICE.key)).hex0x(), Data(SIGNER_KEY).hex0x()):
            assert key[2:] not in result.stdout + result.stderr
        return result

    return run


def test_creation_code_is_57_bytes_before_the_runtime() -> None:
    assert creation_code(RUNTIME, owner=ALICE.address, signer=SIGNER)[57:] == RUNTIME


def test_deploy_deposit_stake_and_status(chain: Node, paymaster: Paymaster, node_url: str) -> None:
    deployed = paymaster("deploy")
    assert deployed.returncode == 0, deployed.stderr
    assert f"deploying the paymaster to {ADDRESS}" in deployed.stdout
    assert f'verifying_paymaster = "{ADDRESS}"' in deployed.stdout
    assert chain.rpc("eth_getCode", ADDRESS.hex0x()) == Data(RUNTIME).hex0x()

    again = paymaster("deploy")
    assert again.returncode == 0
    assert f"is already deployed at {ADDRESS}" in again.stdout

    funded = paymaster("deposit", "--wei", "1_500_000_000_000_000_000", "--stake", "7", "--chain", "0x66eee")
    assert funded.returncode == 0, funded.stderr

    status = paymaster("status", "--node", node_url, "--at", ADDRESS.hex0x(), CHAINS=None, DEPLOYER_KEY=None)
    assert status.returncode == 0, status.stderr
    assert "deposit 1.5 ether (1500000000000000000 wei)" in status.stdout
    assert "stake   0.000000000000000007 ether (7 wei), unstake delay 86400 s" in status.stdout
    assert f"owner   {ALICE.address}" in status.stdout
    assert f"signer  {SIGNER} (of WALLET_RPC_PAYMASTER_KEY)" in status.stdout

    addresses = ("--owner", ALICE.address.hex0x(), "--signer", SIGNER.hex0x())
    for action in ("status", "deploy"):  # they sign nothing, so they need no key
        keyless = paymaster(action, *addresses, DEPLOYER_KEY=None, PAYMASTER_KEY=None)
        assert keyless.returncode == 0, keyless.stderr
        assert f"paymaster {ADDRESS}" in keyless.stdout

    other = paymaster("status", "--at", ADDRESS.hex0x(), PAYMASTER_KEY="0x" + "52" * 32)
    assert f"signer  {SIGNER} (NOT of WALLET_RPC_PAYMASTER_KEY)" in other.stdout

    staked = paymaster("deposit", "--stake", "7", "--at", ADDRESS.hex0x(), DEPLOYER_KEY=Data(bytes(BOB.key)).hex0x())
    assert staked.returncode == 1
    assert "check that the deployer key is the paymaster owner's key" in staked.stderr


def test_deposit_and_stake_can_be_withdrawn(chain: Node, paymaster: Paymaster) -> None:
    at = ("--at", dev_constants.PAYMASTER.hex0x())
    owner = Data(dev_constants.PAYMASTER_KEY).hex0x()
    chain.rpc("anvil_setBalance", dev_constants.PAYMASTER_SIGNER.hex0x(), hex(10**18))

    def run_as_owner(*arguments: str) -> CompletedProcess[str]:
        return paymaster(*arguments, *at, DEPLOYER_KEY=owner)

    assert "has no stake" in paymaster("unlock-stake", *at, DEPLOYER_KEY=None).stderr
    assert "stake   0 ether (0 wei)" in paymaster("withdraw-stake", *at, DEPLOYER_KEY=None).stdout
    assert run_as_owner("deposit", "--stake", "7", "--unstake-delay", "100").returncode == 0
    assert "is locked: unlock it with `wallet-rpc paymaster unlock-stake`" in run_as_owner("withdraw-stake").stderr
    assert "WALLET_RPC_DEPLOYER_KEY: not set" in paymaster("unlock-stake", *at, DEPLOYER_KEY=None).stderr
    for key in (owner, None):  # the second call finds it unlocked and does not restart the delay
        unlocked = paymaster("unlock-stake", *at, DEPLOYER_KEY=key)
        assert unlocked.returncode == 0, unlocked.stderr
        assert re.search(r"unstake delay 100 s, unlocked, withdrawable from 20\d\d-.*\+00:00\n", unlocked.stdout)
    assert "the node rejected the transaction" in run_as_owner("withdraw-stake").stderr

    chain.rpc("evm_increaseTime", 100)
    chain.rpc("evm_mine")
    withdrawn = run_as_owner("withdraw-stake", "--to", STRANGER)
    assert withdrawn.returncode == 0, withdrawn.stderr
    assert "stake   0 ether (0 wei), unstake delay 0 s\n" in withdrawn.stdout
    assert chain.rpc("eth_getBalance", STRANGER) == "0x7"

    taken = run_as_owner("withdraw", "--wei", "5", "--to", STRANGER)
    assert taken.returncode == 0, taken.stderr
    assert "deposit 999999.999999999999999995 ether" in taken.stdout
    assert chain.rpc("eth_getBalance", STRANGER) == "0xc"
    too_much = run_as_owner("withdraw", "--wei", str(10**24))
    assert too_much.returncode == 1
    assert "and the amount" in too_much.stderr
    assert run_as_owner("deposit", "--wei", "5").returncode == 0


def test_the_status_of_the_development_paymaster(paymaster: Paymaster) -> None:
    status = paymaster("status", "--at", dev_constants.PAYMASTER.hex0x())
    assert "deposit 1000000 ether" in status.stdout


def test_a_configured_paymaster_is_the_default(paymaster: Paymaster, node_url: str, tmp_path: Path) -> None:
    file = tmp_path / "chains.toml"
    file.write_text(
        f'[[chain]]\nid = 421614\nnode = "{node_url}"\nbundler = "{node_url}"\n'
        f'verifying_paymaster = "{dev_constants.PAYMASTER}"\n'
    )
    status = paymaster("status", CHAINS=str(file), PAYMASTER_KEY=None, DEPLOYER_KEY=None)
    assert f"paymaster {dev_constants.PAYMASTER}" in status.stdout
    assert re.search(rf"signer  {dev_constants.PAYMASTER_SIGNER}$", status.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "settings", "status", "expected"),
    [
        (("deploy",), {"DEPLOYER_KEY": None}, 2, "WALLET_RPC_DEPLOYER_KEY: not set"),
        (("deploy",), {"PAYMASTER_KEY": None}, 2, "WALLET_RPC_PAYMASTER_KEY: not set"),
        (("deploy",), {"DEPLOYER_KEY": "secret"}, 2, "WALLET_RPC_DEPLOYER_KEY: expected a private key, 0x and 64"),
        (("deploy",), {"DEPLOYER_KEY": "0x" + "00" * 32}, 2, "WALLET_RPC_DEPLOYER_KEY: expected a private key"),
        (("deploy",), {"CHAINS": None}, 2, "WALLET_RPC_CHAINS: not set; set it, or name a node with --node"),
        (("status", "--chain", "1"), {}, 2, "--chain: expected one of 421614, got 1"),
        (("status", "--chain", "one"), {}, 2, "expected a chain id such as 31337"),
        (("status", "--at", "0x12"), {}, 2, "expected 0x and 20 hex bytes (an address)"),
        (("deposit", "--wei", "1.5"), {}, 2, "expected a whole number"),
        (("withdraw",), {}, 2, "the following arguments are required: --wei"),
        (("status",), {"DEPLOYER_KEY": None, "PAYMASTER_KEY": None}, 2, "--owner: address required"),
        (
            ("status", "--owner", STRANGER),
            {"DEPLOYER_KEY": None, "PAYMASTER_KEY": None},
            2,
            "; or name the paymaster itself with --at ADDRESS",
        ),
        (("unlock-stake",), {"DEPLOYER_KEY": None}, 2, "--owner: address required"),
        (("withdraw", "--wei", "1", "--at", STRANGER), {"DEPLOYER_KEY": None}, 2, "WALLET_RPC_DEPLOYER_KEY: not set"),
        (("deploy", "--owner", STRANGER), {"DEPLOYER_KEY": None}, 2, "WALLET_RPC_DEPLOYER_KEY: not set"),
        (("withdraw-stake", "--at", SIGNER.hex0x()), {}, 1, "no VerifyingPaymaster at"),
        (("withdraw", "--wei", "1", "--at", SIGNER.hex0x()), {}, 1, "no VerifyingPaymaster at"),
        (("deposit",), {}, 2, "expected an amount in wei with --wei or --stake"),
        (("deploy",), {"DEPLOYER_KEY": "0x" + "77" * 32}, 1, "has 0 wei, expected 0 wei and the cost of gas"),
        (("status", "--at", ENTRY_POINT.hex0x()), {}, 1, "chain 421614: no VerifyingPaymaster at"),
        (("deposit", "--wei", "1", "--at", SIGNER.hex0x()), {}, 1, "no VerifyingPaymaster at"),
        (("deposit", "--wei", str(10**24), "--at", dev_constants.PAYMASTER.hex0x()), {}, 1, "wei and the cost of gas"),
        (("status",), {"CHAINS": "421614=http://127.0.0.1:1"}, 1, "the node does not answer"),
        (("status", "--node", "http://127.0.0.1:1"), {}, 2, "--node: the node does not answer"),
    ],
)
def test_invalid_arguments_and_settings_are_reported(
    paymaster: Paymaster, arguments: tuple[str, ...], settings: dict[str, str | None], status: int, expected: str
) -> None:
    result = paymaster(*arguments, **settings)
    assert expected in result.stderr
    assert result.returncode == status
    assert "Traceback" not in result.stderr
    assert "secret" not in result.stderr


def test_a_node_of_another_chain_is_rejected(paymaster: Paymaster, node_url: str) -> None:
    result = paymaster("status", CHAINS=f"10={node_url}")
    assert result.returncode == 1
    assert "chain 10: the node serves chain 421614, expected chain 10" in result.stderr
