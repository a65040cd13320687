"""A bundler that enforces ERC-7562 accepts operations of accounts, sessions and wallet-rpc's paymasters, once paymaster
and factory are staked. It is Alto in safe mode, with wallet-rpc's contracts and with the published ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.delegating import external
from tests.e2e.permissions import PLAIN
from tests.e2e.process import run_wallet_rpc
from tests.e2e.stacks import Stack
from tests.e2e.standards import BUDGET, Json
from tests.golden.published import find_deployments
from tests.stack.running import real_stack
from tests.stack.staking import STAKE, stake
from tests.support.calls import transfer
from tests.support.constants import CHAINS, FRIEND, POLICY, TOKEN
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.genesis import load_deployments, load_genesis
from wallet_rpc.domain.contracts import ACCOUNT_FACTORY
from wallet_rpc.primitives import Data

STAKED, UNSTAKED = CHAINS
"""On the second chain, the paymaster is freshly deployed and has no stake."""
COINS = {"type": "native-token-transfer", "data": {"allowance": "0x64"}}
GRANTS: dict[str, tuple[tuple[Json, ...], Json]] = {
    "coins": ((COINS, PLAIN), {"to": FRIEND, "value": "0x1"}),
    "tokens": ((BUDGET,), transfer(1)),
}
"""Permissions of a session, and a call that they allow several times; together they use every module."""


@pytest.fixture(scope="module", params=["ours", "published"])
def strict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    genesis = load_genesis()
    if request.param == "published":
        genesis = {**genesis, **load_deployments(find_deployments())}
    folder = tmp_path_factory.mktemp("strict")
    with real_stack(folder, name="strict", genesis=genesis, safe=True) as stack:
        for node in stack.nodes.values():
            stake(node, ACCOUNT_FACTORY)
        for paymaster in (dev_constants.PAYMASTER, dev_constants.ERC20_PAYMASTER):
            stake(stack.nodes[STAKED], paymaster)
        yield stack


@pytest.fixture
def client(strict: Stack) -> Iterator[Client]:
    made = Client(strict.url, strict.nodes[STAKED], holds_operations=True)
    yield made
    made.http.close()


@pytest.mark.parametrize("kind", GRANTS)
def test_one_operation_deploys_installs_and_acts(wallet: Wallet, kind: str) -> None:
    permissions, call = GRANTS[kind]
    grant = wallet.grant(*permissions)
    for _ in range(2):  # installing, then installed
        assert wallet.act(grant, call)["status"] == 200


def test_an_externally_owned_account_is_delegated(wallet: Wallet) -> None:
    account = external(wallet)
    assert account.delegate(transfer(0))["status"] == 200
    assert account.act(None, transfer(0))["status"] == 200


def test_gas_is_paid_in_a_token(wallet: Wallet) -> None:
    wallet.client.mint(wallet.account, 10**24)
    exact = {"tokenAddress": TOKEN, "postOpSettings": {"autoApprove": True}}
    service = {"policyId": POLICY, "erc20": exact}
    assert wallet.act(None, transfer(1), paymasterService=service)["status"] == 200


def test_the_paymaster_pays_while_it_is_staked(strict: Stack, tmp_path: Path) -> None:
    node = strict.nodes[UNSTAKED]
    client = Client(f"{strict.url}/?chainId={UNSTAKED}", node, holds_operations=True)
    client.chain("anvil_setBalance", dev_constants.PAYMASTER_SIGNER.hex0x(), hex(10**18))

    def paymaster(*arguments: str) -> None:
        at = ("--node", node, "--at", dev_constants.PAYMASTER.hex0x())
        process = run_wallet_rpc(
            "paymaster", *arguments, *at, folder=tmp_path, DEPLOYER_KEY=Data(dev_constants.PAYMASTER_KEY).hex0x()
        )
        assert process.returncode == 0, process.stderr

    def act(*, sponsored: bool = True) -> Json:
        wallet = Wallet(client, chain_id=hex(UNSTAKED)).fund(tokens=0)
        return wallet.act(None, transfer(0), sponsored=sponsored)

    def is_rejected() -> bool:
        try:
            status = act()
        except RpcError as error:
            return error.reason == "forbidden_opcode"
        # the bundler took longer than the request may wait for it
        return (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, "forbidden_opcode")

    assert is_rejected()
    assert act(sponsored=False)["status"] == 200
    paymaster("deposit", "--stake", str(STAKE), "--unstake-delay", "1")
    assert act()["status"] == 200
    paymaster("unlock-stake")
    client.chain("evm_increaseTime", 2)
    client.chain("evm_mine")
    paymaster("withdraw-stake")
    assert is_rejected()
    client.http.close()
