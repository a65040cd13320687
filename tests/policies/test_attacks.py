"""Attacks on a policy that any client can try, over HTTP and with newly created keys."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.delegating import External
from tests.e2e.server import run_dev_server
from tests.policies.hook import Hook
from tests.policies.test_sponsoring import operation_of, try_prepare
from tests.support.calls import transfer
from tests.support.constants import FRIEND
from tests.support.keys import new_key
from tests.support.policies import write_policies
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions
from wallet_rpc.domain.gas import max_cost

BUDGET = 40 * 10**15
IDS = {name: str(uuid.uuid4()) for name in ("each", "crowd", "shop", "hooked", "first")}


@pytest.fixture(scope="module")
def client(hook: Hook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    policies: dict[str, dict[str, Any]] = {
        "each": {"limits": {"sender_operations": 1}},
        "crowd": {"limits": {"total_wei": str(BUDGET)}},
        "shop": {"allowed_targets": [FRIEND]},
        "hooked": {"webhook": {"url": hook.url, "timeout_seconds": 5}},
        "first": {"limits": {"total_operations": 10, "sender_operations": 1}},
    }
    entries = [{"id": IDS[name], **rest} for name, rest in policies.items()]
    file = write_policies(tmp_path_factory.mktemp("policies"), *entries)
    with run_dev_server(DevOptions(ephemeral=True), settings=Settings(policies=file)) as url:
        opened = Client(url)
        yield opened
        opened.http.close()


def under(name: str) -> dict[str, Any]:
    return {"paymasterService": {"policyId": IDS[name]}}


def prepare_unsigned(client: Client, name: str, **capabilities: Any) -> dict[str, Any] | RpcError:
    """Prepare calls of an address without a requested account, as v5's default account is."""
    request = {
        "from": new_key().address,
        "chainId": "0x7a69",
        "calls": [transfer(0)],
        "capabilities": {**under(name), **capabilities},
    }
    try:
        prepared: dict[str, Any] = client.rpc("wallet_prepareCalls", request)
    except RpcError as error:
        return error
    return prepared


def cost_of(array: dict[str, Any]) -> int:
    return max_cost(operation_of(array["data"][1]))


def test_eight_accounts_of_one_owner_count_as_one_sender(client: Client) -> None:
    owner = new_key()
    outcomes: list[Any] = []
    for salt in range(8):
        wallet = Wallet(client, owner=owner)
        request = {"signerAddress": owner.address, "creationHint": {"salt": hex(salt)}}
        wallet.account = client.rpc("wallet_requestAccount", request)["accountAddress"]
        prepared = try_prepare(wallet, IDS["each"])
        if isinstance(prepared, RpcError):
            outcomes.append(prepared.data["why"])
        else:
            outcomes.append(wallet.status(wallet.send(prepared, owner))["status"])
    assert outcomes == [200] + ["policy_sender_count"] * 7
    bare = External(client, owner=owner)
    error = try_prepare(bare, IDS["each"])
    assert isinstance(error, RpcError)
    assert f"for this sender's owner {owner.address}" in error.message


def test_unsigned_preparations_of_random_addresses_reserve_at_most_a_quarter(client: Client) -> None:
    known = External(client, owner=new_key())
    assert known.delegate(transfer(0), **under("crowd"))["status"] == 200

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: prepare_unsigned(client, "crowd"), range(32)))

    costs = [cost_of(one) for one in answers if not isinstance(one, RpcError)]
    denied = [one for one in answers if isinstance(one, RpcError)]
    assert costs
    assert sum(costs) <= BUDGET // 4
    assert {one.data["why"] for one in denied} == {"policy_first_time_limit"}
    assert not isinstance(try_prepare(known, IDS["crowd"]), RpcError), (
        "an owner with a settled operation is still sponsored"
    )


def test_an_unsigned_preparation_of_a_huge_operation_reserves_nothing(client: Client) -> None:
    huge = {"gasParamsOverride": {"callGasLimit": hex(BUDGET * 6 // 10 // 10**9)}}
    error = prepare_unsigned(client, "crowd", **huge)
    assert isinstance(error, RpcError)
    assert error.data["why"] in {"policy_first_time_limit", "policy_total_limit"}


def test_an_unknown_account_is_sponsored_on_its_first_call(client: Client) -> None:
    """This is v5's default flow with a policy: no account was requested before, and its balance is zero."""
    bare = External(client, owner=new_key())
    assert bare.delegate({"to": FRIEND}, **under("first"))["status"] == 200
    assert client.balance(bare.account) == 0
    error = try_prepare(bare, IDS["first"])
    assert isinstance(error, RpcError)
    assert error.data["why"] == "policy_sender_count"


FAKE_ACCOUNT_CODE = "5f3560e01c6319822f7c1460295773{owner}5f5260405ff35b60205ff3"
"""Runtime code that accepts every validateUserOp (19822f7c) and returns (owner, false) for any other call."""


def test_a_contract_that_responds_like_an_account_is_not_sponsored(client: Client) -> None:
    """Such a contract may do anything, regardless of its call data."""
    wallet = Wallet(client)
    wallet.account = "0x" + "ab" * 20
    client.chain(
        "anvil_setCode", wallet.account, "0x" + FAKE_ACCOUNT_CODE.format(owner=wallet.owner.address[2:].lower())
    )
    assert wallet.prepare({"to": FRIEND})["feePayment"]["sponsored"] is True, "its operation would be included"
    with pytest.raises(RpcError) as error_info:
        wallet.prepare({"to": FRIEND}, **under("shop"))
    assert error_info.value.data["why"] == "policy_account_unknown"


def test_one_policy_listed_three_hundred_times_is_applied_once(client: Client, hook: Hook) -> None:
    hook.requests.clear()
    wallet = Wallet(client)
    prepared = wallet.prepare(transfer(0), paymasterService={"policyIds": [IDS["hooked"]] * 300})
    assert prepared["feePayment"]["sponsored"] is True
    assert len(hook.requests) == 1
    hook.body = b"{}"
    with pytest.raises(RpcError) as error_info:
        wallet.prepare(transfer(0), paymasterService={"policyIds": [IDS["hooked"], IDS["hooked"].upper()] * 150})
    assert error_info.value.data["why"] == "policy_webhook_denied"
    assert len(hook.requests) == 2
