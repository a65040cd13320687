"""Policies on the development server, over HTTP and with real operations."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.server import run_dev_server
from tests.policies.hook import YES, Hook
from tests.support.calls import transfer
from tests.support.constants import CHAINS, TOKEN
from tests.support.constants import POLICY as DEVELOPMENT
from tests.support.policies import write_policies
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.wire import decode

CROWD = 12
BUDGET = 4 * 10**15
NewWallet = Callable[..., Wallet]
IDS = {
    name: str(uuid.UUID(int=number << 96 | 0x4444_8888 << 48 | 0x4000 << 64 | 0x8 << 60, version=4))
    for number, name in enumerate(
        ("open", "off", "elsewhere", "token", "small", "two", "each", "hooked", "crowd", "later", "once", "short"), 1
    )
}
POLICIES: dict[str, dict[str, Any]] = {
    "open": {},
    "off": {"enabled": False},
    "elsewhere": {"chains": [10]},
    "token": {"allowed_targets": [TOKEN]},
    "small": {"limits": {"operation_wei": 1}},
    "two": {"limits": {"total_operations": 2}},
    "each": {"limits": {"sender_operations": 1}},
    "crowd": {"limits": {"total_wei": str(BUDGET)}},
    "later": {"valid_from": int(time.time()) + 10_000},
    "once": {"limits": {"total_operations": 1}},
    "short": {"sponsorship_seconds": 30},
}


@pytest.fixture(scope="module")
def client(hook: Hook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    hooked = {"webhook": {"url": hook.url, "timeout_seconds": 5}}
    policies = [{"id": IDS[name], **rest} for name, rest in (POLICIES | {"hooked": hooked}).items()]
    file = write_policies(tmp_path_factory.mktemp("policies"), *policies)
    with run_dev_server(DevOptions(chains=CHAINS, ephemeral=True), settings=Settings(policies=file)) as url:
        opened = Client(url)
        yield opened
        opened.http.close()


@pytest.fixture
def new_wallet(client: Client) -> NewWallet:
    """Return a function that creates a wallet with a new account, whose balance is zero."""

    def make(chain_id: str = "0x7a69") -> Wallet:
        return Wallet(client, chain_id=chain_id)

    return make


def under(name: str, **more: Any) -> dict[str, Any]:
    return {"paymasterService": {"policyId": IDS.get(name, name), **more}}


def prepare(wallet: Wallet, name: str, **more: Any) -> dict[str, Any]:
    return wallet.prepare(transfer(0), **under(name, **more))


def send_and_wait(wallet: Wallet, prepared: dict[str, Any]) -> dict[str, Any]:
    return wallet.status(wallet.send(prepared, wallet.owner))


def catch_error(act: Callable[[], Any]) -> RpcError:
    with pytest.raises(RpcError) as error_info:
        act()
    return error_info.value


def operation_of(prepared: dict[str, Any]) -> UserOperation:
    return decode(UserOperationJson, prepared["data"]).to_domain()


def test_a_sponsored_operation_costs_its_account_nothing(new_wallet: NewWallet) -> None:
    wallet = new_wallet()
    prepared = prepare(wallet, "open")
    assert prepared["feePayment"]["sponsored"] is True
    assert prepared["data"]["paymaster"] == dev_constants.PAYMASTER.hex0x()
    found = send_and_wait(wallet, prepared)
    assert found["status"] == 200
    assert wallet.client.balance(wallet.account) == 0


def test_a_sponsorship_is_valid_for_at_most_ten_minutes(new_wallet: NewWallet) -> None:
    data = bytes.fromhex(prepare(new_wallet(), "open")["data"]["paymasterData"][2:])
    assert 0 <= int.from_bytes(data[:6]) - time.time() <= 601


def test_the_contract_rejects_an_altered_operation(new_wallet: NewWallet) -> None:
    wallet = new_wallet()
    prepared = prepare(wallet, "open")
    prepared["data"]["callGasLimit"] = hex(int(prepared["data"]["callGasLimit"], 16) + 1)
    altered = user_operation_hash(operation_of(prepared), 31337, ENTRY_POINT)
    prepared["signatureRequest"]["data"]["raw"] = altered.hex0x()
    error = catch_error(lambda: wallet.send(prepared, wallet.owner))
    assert (error.code, error.data["entryPoint"]) == (-32507, "AA34")


def test_the_contract_rejects_an_expired_sponsorship(new_wallet: NewWallet, client: Client) -> None:
    """This uses a second chain, since it moves the chain's time."""
    wallet = new_wallet("0x66eee")
    prepared = prepare(wallet, "short")
    client.http.post(
        f"{client.url}/chain/421614", json={"jsonrpc": "2.0", "id": 1, "method": "evm_increaseTime", "params": [60]}
    ).raise_for_status()
    error = catch_error(lambda: wallet.send(prepared, wallet.owner))
    assert (error.code, error.data["entryPoint"]) == (-32503, "AA32")


def test_other_policies_are_left_to_the_development_paymaster(new_wallet: NewWallet) -> None:
    wallet = new_wallet()
    assert send_and_wait(wallet, prepare(wallet, DEVELOPMENT))["status"] == 200


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("off", "is switched off"),
        ("elsewhere", "does not sponsor on chain 31337"),
        ("later", "sponsors from "),
        ("small", "pays at most 1 wei for one operation"),
    ],
)
def test_a_denial_names_the_policy_and_the_cause(new_wallet: NewWallet, name: str, cause: str) -> None:
    error = catch_error(lambda: prepare(new_wallet(), name))
    assert error.code == -32600
    assert error.message.startswith(f"Sponsorship failed: policy {IDS[name]} {cause}")


def test_a_policy_with_allowed_targets_sponsors_only_those(new_wallet: NewWallet) -> None:
    wallet = new_wallet()
    assert send_and_wait(wallet, prepare(wallet, "token"))["status"] == 200
    error = catch_error(lambda: wallet.prepare(transfer(0), {"to": wallet.owner.address}, **under("token")))
    assert f"does not list {wallet.owner.address} among its targets" in error.message


def test_a_used_up_budget_is_reported(new_wallet: NewWallet) -> None:
    for _ in range(2):
        wallet = new_wallet()
        send_and_wait(wallet, prepare(wallet, "two"))
    error = catch_error(lambda: prepare(new_wallet(), "two"))
    assert error.code == -32600
    assert error.message.startswith(f"Sponsorship failed: policy {IDS['two']} has a limit of 2 operations in all; ")


def test_each_sender_has_its_own_limit(new_wallet: NewWallet) -> None:
    first, second = new_wallet(), new_wallet()
    for wallet in (first, second):
        send_and_wait(wallet, prepare(wallet, "each"))
    assert "has a limit of 1 operations for this sender" in catch_error(lambda: prepare(first, "each")).message


def test_preparing_and_sending_again_counts_once(new_wallet: NewWallet) -> None:
    wallet = new_wallet()
    prepare(wallet, "once")
    prepared = prepare(wallet, "once")
    assert wallet.send(prepared, wallet.owner) == wallet.send(prepared, wallet.owner)
    assert "limit of 1 operations in all" in catch_error(lambda: prepare(new_wallet(), "once")).message


def test_an_estimation_reserves_nothing(new_wallet: NewWallet) -> None:
    for _ in range(3):
        wallet = new_wallet()
        assert prepare(wallet, "each", onlyEstimation=True)["feePayment"]["sponsored"] is False
    wallet = new_wallet()
    prepare(wallet, "each", onlyEstimation=True)
    prepare(wallet, "each")


def test_the_first_policy_that_allows_the_operation_is_used(new_wallet: NewWallet) -> None:
    wallet = new_wallet()
    service = {"policyIds": [IDS["off"], IDS["small"], IDS["open"]]}
    prepared = wallet.prepare(transfer(0), paymasterService=service)
    assert send_and_wait(wallet, prepared)["status"] == 200


def test_the_webhook_decides(new_wallet: NewWallet, hook: Hook) -> None:
    wallet = new_wallet()
    hook.body = YES
    prepared = prepare(wallet, "hooked", webhookData="order 7")
    assert hook.requests[-1]["webhookData"] == "order 7"
    assert hook.requests[-1]["userOperation"]["sender"] == wallet.account
    assert send_and_wait(wallet, prepared)["status"] == 200
    hook.body = b'{"approved": false}'
    error = catch_error(lambda: prepare(new_wallet(), "hooked"))
    assert error.message == f"Sponsorship failed: the webhook of policy {IDS['hooked']} did not approve the operation"


def test_concurrent_wallets_never_spend_more_than_the_budget(new_wallet: NewWallet, client: Client) -> None:
    """Concurrent reservations never exceed the budget; after settlement their unused part is free again."""
    wallets = [new_wallet() for _ in range(CROWD)]
    with ThreadPoolExecutor(CROWD) as pool:
        answers = list(pool.map(lambda wallet: try_prepare(wallet, "crowd"), wallets))
    accepted = [(wallet, one) for wallet, one in zip(wallets, answers, strict=True) if not isinstance(one, RpcError)]
    reasons = {one.data["why"] for one in answers if isinstance(one, RpcError)}
    assert reasons <= {"policy_total_limit", "policy_first_time_limit"}
    assert 0 < len(accepted) < CROWD
    assert sum(max_cost(operation_of(one)) for _, one in accepted) <= BUDGET

    spent = sum(cost_of(client, wallet.send(one, wallet.owner)) for wallet, one in accepted)
    later = 0
    while not isinstance(answer := try_prepare(wallet := new_wallet(), "crowd"), RpcError):
        spent += cost_of(client, wallet.send(answer, wallet.owner))
        later += 1
    assert is_used_up(answer)
    assert later > 0
    assert spent <= BUDGET


def try_prepare(wallet: Wallet, name: str) -> dict[str, Any] | RpcError:
    try:
        return prepare(wallet, name)
    except RpcError as error:
        return error


def is_used_up(error: RpcError) -> bool:
    return error.code == -32600 and f"limit of {BUDGET} wei in all" in error.message


def cost_of(client: Client, call_id: str) -> int:
    receipt = client.chain("eth_getUserOperationReceipt", "0x" + call_id[-64:])
    return int(receipt["actualGasCost"], 16)
