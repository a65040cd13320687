"""`wallet-rpc paymaster` against a chain over HTTP, which begins without the paymaster that is deployed."""

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
from wallet_rpc.adapters.sponsorship.paymaster_contract import CREATE2_DEPLOYER, creation_code, derive_address
from wallet_rpc.devchain import dev_constants, genesis
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.primitives import Address, Data

SIGNER_KEY = b"\x51" * 32
SIGNER = Address(PrivateKey(SIGNER_KEY).public_key.to_canonical_address())
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
    """Run an action with the keys of the environment; `None` leaves a setting out."""

    def play(*arguments: str, **settings: str | None) -> CompletedProcess[str]:
        given = {
            "DEPLOYER_KEY": Data(bytes(ALICE.key)).hex0x(),
            "PAYMASTER_KEY": Data(SIGNER_KEY).hex0x(),
            "CHAINS": f"421614={node_url}",
            **settings,
        }
        chosen = {name: text for name, text in given.items() if text is not None}
        done = run_wallet_rpc("paymaster", *arguments, folder=tmp_path, **chosen)
        for key in (Data(bytes(ALICE.key)).hex0x(), Data(SIGNER_KEY).hex0x()):
            assert key[2:] not in done.stdout + done.stderr
        return done

    return play


def test_deployer_is_the_one_of_the_development_chain() -> None:
    assert CREATE2_DEPLOYER == genesis.CREATE2_DEPLOYER


def test_creation_code_is_57_bytes_before_the_runtime() -> None:
    assert creation_code(RUNTIME, owner=ALICE.address, signer=SIGNER)[57:] == RUNTIME


def test_deployed_paid_in_staked_and_shown(chain: Node, paymaster: Paymaster, node_url: str) -> None:
    deployed = paymaster("deploy")
    assert deployed.returncode == 0, deployed.stderr
    assert f"deploying the paymaster to {ADDRESS}" in deployed.stdout
    assert f'verifying_paymaster = "{ADDRESS}"' in deployed.stdout
    assert chain.rpc("eth_getCode", ADDRESS.hex0x()) == Data(RUNTIME).hex0x()

    again = paymaster("deploy")
    assert again.returncode == 0
    assert f"is there already, at {ADDRESS}" in again.stdout

    paid = paymaster("deposit", "--wei", "1_500_000_000_000_000_000", "--stake", "7", "--chain", "0x66eee")
    assert paid.returncode == 0, paid.stderr

    shown = paymaster("status", "--node", node_url, "--at", ADDRESS.hex0x(), CHAINS=None, DEPLOYER_KEY=None)
    assert shown.returncode == 0, shown.stderr
    assert "deposit 1.5 ether (1500000000000000000 wei)" in shown.stdout
    assert "stake   0.000000000000000007 ether (7 wei), unstake delay 86400 s" in shown.stdout
    assert f"owner   {ALICE.address}" in shown.stdout
    assert f"signer  {SIGNER} (of WALLET_RPC_PAYMASTER_KEY)" in shown.stdout

    addresses = ("--owner", ALICE.address.hex0x(), "--signer", SIGNER.hex0x())
    for action in ("status", "deploy"):  # nothing is signed, so no key is asked for
        keyless = paymaster(action, *addresses, DEPLOYER_KEY=None, PAYMASTER_KEY=None)
        assert keyless.returncode == 0, keyless.stderr
        assert f"paymaster {ADDRESS}" in keyless.stdout

    other = paymaster("status", "--at", ADDRESS.hex0x(), PAYMASTER_KEY="0x" + "52" * 32)
    assert f"signer  {SIGNER} (NOT of WALLET_RPC_PAYMASTER_KEY)" in other.stdout

    staked = paymaster("deposit", "--stake", "7", "--at", ADDRESS.hex0x(), DEPLOYER_KEY=Data(bytes(BOB.key)).hex0x())
    assert staked.returncode == 1
    assert "is the deployer key that of the paymaster's owner" in staked.stderr


def test_what_is_in_it_comes_out_again(chain: Node, paymaster: Paymaster) -> None:
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
    for key in (owner, None):  # the second finds it unlocked, and does not begin the delay anew
        unlocked = paymaster("unlock-stake", *at, DEPLOYER_KEY=key)
        assert unlocked.returncode == 0, unlocked.stderr
        assert re.search(r"unstake delay 100 s, unlocked, free from 20\d\d-.*\+00:00 on\n", unlocked.stdout)
    assert "the node refused the transaction" in run_as_owner("withdraw-stake").stderr

    chain.rpc("evm_increaseTime", 100)
    chain.rpc("evm_mine")
    paid = run_as_owner("withdraw-stake", "--to", STRANGER)
    assert paid.returncode == 0, paid.stderr
    assert "stake   0 ether (0 wei), unstake delay 0 s\n" in paid.stdout
    assert chain.rpc("eth_getBalance", STRANGER) == "0x7"

    taken = run_as_owner("withdraw", "--wei", "5", "--to", STRANGER)
    assert taken.returncode == 0, taken.stderr
    assert "deposit 999999.999999999999999995 ether" in taken.stdout
    assert chain.rpc("eth_getBalance", STRANGER) == "0xc"
    too_much = run_as_owner("withdraw", "--wei", str(10**24))
    assert too_much.returncode == 1
    assert "is the amount right?" in too_much.stderr
    assert run_as_owner("deposit", "--wei", "5").returncode == 0


def test_development_paymaster_is_shown(paymaster: Paymaster) -> None:
    shown = paymaster("status", "--at", dev_constants.PAYMASTER.hex0x())
    assert "deposit 1000000 ether" in shown.stdout


def test_configured_paymaster_is_the_one_that_is_meant(paymaster: Paymaster, node_url: str, tmp_path: Path) -> None:
    file = tmp_path / "chains.toml"
    file.write_text(
        f'[[chain]]\nid = 421614\nnode = "{node_url}"\nbundler = "{node_url}"\n'
        f'verifying_paymaster = "{dev_constants.PAYMASTER}"\n'
    )
    shown = paymaster("status", CHAINS=str(file), PAYMASTER_KEY=None, DEPLOYER_KEY=None)
    assert f"paymaster {dev_constants.PAYMASTER}" in shown.stdout
    assert re.search(rf"signer  {dev_constants.PAYMASTER_SIGNER}$", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "settings", "status", "expected"),
    [
        (("deploy",), {"DEPLOYER_KEY": None}, 2, "WALLET_RPC_DEPLOYER_KEY: not set"),
        (("deploy",), {"PAYMASTER_KEY": None}, 2, "WALLET_RPC_PAYMASTER_KEY: not set"),
        (("deploy",), {"DEPLOYER_KEY": "secret"}, 2, "WALLET_RPC_DEPLOYER_KEY: expected a private key, 0x and 64"),
        (("deploy",), {"DEPLOYER_KEY": "0x" + "00" * 32}, 2, "WALLET_RPC_DEPLOYER_KEY: expected a private key"),
        (("deploy",), {"CHAINS": None}, 2, "name chains there, or a node by --node"),
        (("status", "--chain", "1"), {}, 2, "--chain 1: not among 421614"),
        (("status", "--chain", "one"), {}, 2, "expected a chain id such as 31337"),
        (("status", "--at", "0x12"), {}, 2, "expected an address"),
        (("deposit", "--wei", "1.5"), {}, 2, "expected a whole number"),
        (("withdraw",), {}, 2, "the following arguments are required: --wei"),
        (("status",), {"DEPLOYER_KEY": None, "PAYMASTER_KEY": None}, 2, "--owner: address required"),
        (("status", "--owner", STRANGER), {"DEPLOYER_KEY": None, "PAYMASTER_KEY": None}, 2, "; or --at ADDRESS says"),
        (("unlock-stake",), {"DEPLOYER_KEY": None}, 2, "--owner: address required"),
        (("withdraw", "--wei", "1", "--at", STRANGER), {"DEPLOYER_KEY": None}, 2, "WALLET_RPC_DEPLOYER_KEY: not set"),
        (("deploy", "--owner", STRANGER), {"DEPLOYER_KEY": None}, 2, "WALLET_RPC_DEPLOYER_KEY: not set"),
        (("withdraw-stake", "--at", SIGNER.hex0x()), {}, 1, "no VerifyingPaymaster at"),
        (("withdraw", "--wei", "1", "--at", SIGNER.hex0x()), {}, 1, "no VerifyingPaymaster at"),
        (("deposit",), {}, 2, "--wei or --stake: how much?"),
        (("deploy",), {"DEPLOYER_KEY": "0x" + "77" * 32}, 1, "has 0 wei; 0 and the gas are needed"),
        (("status", "--at", ENTRY_POINT.hex0x()), {}, 1, "chain 421614: no VerifyingPaymaster at"),
        (("deposit", "--wei", "1", "--at", SIGNER.hex0x()), {}, 1, "no VerifyingPaymaster at"),
        (("deposit", "--wei", str(10**24), "--at", dev_constants.PAYMASTER.hex0x()), {}, 1, "and the gas are needed"),
        (("status",), {"CHAINS": "421614=http://127.0.0.1:1"}, 1, "the node does not answer"),
        (("status", "--node", "http://127.0.0.1:1"), {}, 2, "--node: the node does not answer"),
    ],
)
def test_what_is_missing_is_said(
    paymaster: Paymaster, arguments: tuple[str, ...], settings: dict[str, str | None], status: int, expected: str
) -> None:
    done = paymaster(*arguments, **settings)
    assert expected in done.stderr
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_wrong_chain_is_refused(paymaster: Paymaster, node_url: str) -> None:
    done = paymaster("status", CHAINS=f"10={node_url}")
    assert done.returncode == 1
    assert "chain 10: the node does not answer for chain 10 but for chain 421614" in done.stderr
