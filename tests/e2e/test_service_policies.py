"""Policies of the server with a paymaster service: two servers on one Redis, in front of each stack."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.process import Server
from tests.e2e.stacks import Stack
from tests.support.calls import transfer
from tests.support.constants import CHAINS, POLICY
from tests.support.policies import write_policies
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.wire import decode

CROWD = 8
BUDGET = 2 * 10**15
PRICE = {"maxFeePerGas": hex(2 * 10**9), "maxPriorityFeePerGas": hex(10**9)}
"""Gas price on every chain, so that the budget suffices for the same number of operations everywhere."""


@dataclass
class SponsoredServer:
    """Clients of two servers, and the ids of their policies by name."""

    clients: list[Client]
    ids: dict[str, str]

    def wallet(self, number: int = 0) -> Wallet:
        """Return a wallet with a new account without funds, on one of the servers."""
        return Wallet(self.clients[number % len(self.clients)])

    def prepare(self, wallet: Wallet, name: str, **more: Any) -> dict[str, Any]:
        service = {"policyId": self.ids[name], **more}
        return wallet.prepare(transfer(0), paymasterService=service, gasParamsOverride=PRICE)

    def try_prepare(self, wallet: Wallet, name: str) -> dict[str, Any] | RpcError:
        try:
            return self.prepare(wallet, name)
        except RpcError as error:
            return error


@pytest.fixture(scope="module", params=["dev", "real"])
def sponsored(
    request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SponsoredServer]:
    stack: Stack = request.getfixturevalue(f"{request.param}_stack")
    ids = {name: str(uuid.uuid4()) for name in ("crowd", "off", "theirs", "small")}
    policies: list[dict[str, Any]] = [
        {"id": ids["crowd"], "limits": {"total_wei": str(BUDGET)}, "service": {"valid_seconds": 3600}},
        {"id": ids["off"], "enabled": False},
        {"id": ids["small"], "limits": {"total_operations": 1}},
        {"id": ids["theirs"], "organization": "org_of0others"},
    ]
    with ExitStack() as servers:
        clients = []
        for _ in range(2):
            folder = tmp_path_factory.mktemp("serve")
            file = write_policies(folder, *policies)
            settings = {"CHAINS": str(stack.chains_file(folder)), "POLICIES": str(file), "REDIS_URL": redis_server.url}
            server = servers.enter_context(Server("serve", folder=folder, OPEN="yes", **settings))
            made = server.client()
            made.node, made.holds_operations = stack.nodes[CHAINS[0]], not stack.is_embedded
            clients.append(made)
        yield SponsoredServer(clients, ids)


def catch_error(act: Callable[[], Any]) -> RpcError:
    with pytest.raises(RpcError) as error_info:
        act()
    return error_info.value


def prepared_max_cost(prepared: dict[str, Any]) -> int:
    return max_cost(decode(UserOperationJson, prepared["data"]).to_domain())


def send_and_get_cost(wallet: Wallet, prepared: dict[str, Any]) -> int:
    """Send a prepared call, and return its actual gas cost in wei."""
    call_id = wallet.send(prepared, wallet.owner)
    assert wallet.wait_until_final(call_id)["status"] == 200
    receipt = wallet.client.rpc("eth_getUserOperationReceipt", "0x" + call_id[-64:])
    return int(receipt["actualGasCost"], 16)


def test_concurrent_callers_of_two_servers_spend_no_more_than_the_budget(sponsored: SponsoredServer) -> None:
    """Reservations never exceed the budget; once an operation has settled, its unused reservation is released."""
    wallets = [sponsored.wallet(number) for number in range(CROWD)]
    with ThreadPoolExecutor(CROWD) as pool:
        answers = list(pool.map(lambda wallet: sponsored.try_prepare(wallet, "crowd"), wallets))
    accepted = [(wallet, one) for wallet, one in zip(wallets, answers, strict=True) if not isinstance(one, RpcError)]
    reasons = {one.data["why"] for one in answers if isinstance(one, RpcError)}
    assert reasons <= {"policy_total_limit", "policy_first_time_limit"}
    assert 0 < len(accepted) < CROWD
    assert sum(prepared_max_cost(one) for _, one in accepted) <= BUDGET

    spent = sum(send_and_get_cost(wallet, one) for wallet, one in accepted)
    later = 0
    while not isinstance(answer := sponsored.try_prepare(wallet := sponsored.wallet(later), "crowd"), RpcError):
        spent += send_and_get_cost(wallet, answer)
        later += 1
    assert is_used_up(answer)
    assert later > 0
    assert spent <= BUDGET


def is_used_up(error: RpcError) -> bool:
    return error.data["why"] == "policy_total_limit" and f"limit of {BUDGET} wei in all" in error.message


def test_a_sponsored_operation_costs_its_account_nothing(sponsored: SponsoredServer) -> None:
    wallet = sponsored.wallet()
    prepared = sponsored.prepare(wallet, "small")
    assert prepared["feePayment"]["sponsored"] is True
    assert prepared["data"]["paymaster"] == dev_constants.PAYMASTER.hex0x()
    assert send_and_get_cost(wallet, prepared) > 0
    assert wallet.client.balance(wallet.account) == 0
    used_up = catch_error(lambda: sponsored.prepare(sponsored.wallet(1), "small"))
    assert used_up.data["why"] == "policy_total_count"


def test_a_policy_rejects_before_the_paymaster_service_is_called(sponsored: SponsoredServer) -> None:
    error = catch_error(lambda: sponsored.prepare(sponsored.wallet(), "off", onlyEstimation=True))
    assert (error.code, error.data["why"]) == (-32600, "policy_disabled")


def test_other_policies_are_left_to_the_paymaster_service(sponsored: SponsoredServer) -> None:
    """Policies of other organisations too: the request is forwarded as for any unknown id."""
    for name in ("theirs", "unknown"):
        sponsored.ids.setdefault(name, POLICY)
        wallet = sponsored.wallet()
        send_and_get_cost(wallet, sponsored.prepare(wallet, name))


def test_policies_of_the_server_do_not_cover_gas_in_erc20(sponsored: SponsoredServer) -> None:
    erc20 = {"tokenAddress": dev_constants.TEST_TOKEN.hex0x()}
    error = catch_error(lambda: sponsored.prepare(sponsored.wallet(), "crowd", erc20=erc20))
    assert (error.code, error.data["capability"]) == (5700, "paymasterService.erc20")
