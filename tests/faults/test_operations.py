"""Faults of the bundler, the paymaster, the blocks and the sessions, seen by a wallet's client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.constants import CHAINS, ENTRY_POINT, FRIEND
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

CALL = {"to": FRIEND, "value": "0x1"}


def send(wallet: Wallet) -> str:
    return wallet.send(wallet.prepare(CALL), wallet.owner)


def block_of(wallet: Wallet, call_id: str) -> int:
    status = wallet.wait_until_final(call_id)
    assert status["status"] == 200
    return int(status["receipts"][0]["blockNumber"], 16)


def receipt(client: Client, status: dict[str, Any]) -> Any:
    return client.rpc("eth_getTransactionReceipt", status["receipts"][0]["transactionHash"])


@pytest.fixture
def rewound(client: Client) -> Iterator[None]:
    """Turn the chain's time back at the end."""
    snapshot = client.chain("evm_snapshot")
    yield
    assert client.chain("evm_revert", snapshot)


def test_a_dropped_operation_is_delivered_again(client: Client, wallet: Wallet) -> None:
    client.rpc("wallet_test_dropOperations", {})
    prepared = wallet.prepare(CALL)
    call_id = wallet.send(prepared, wallet.owner)

    assert wallet.status(call_id)["status"] == 100
    assert client.rpc("eth_getUserOperationByHash", prepared["details"]["data"]["hash"]) is None

    final = wallet.wait_until_final(call_id)
    assert (final["status"], final["details"]["data"]["attempts"]) == (200, 2)


def test_a_delayed_operation_is_pending_until_then(client: Client, wallet: Wallet) -> None:
    delay = client.rpc("wallet_test_delayOperations", {"milliseconds": 60_000})["id"]
    prepared = wallet.prepare(CALL)
    operation_hash = prepared["details"]["data"]["hash"]
    call_id = wallet.send(prepared, wallet.owner)

    assert wallet.status(call_id)["status"] == 100
    assert wallet.send(prepared, wallet.owner) == call_id
    signed = wallet.sign(prepared, wallet.owner)
    operation = {**prepared["data"], "signature": signed["signature"]["data"]}
    with pytest.raises(RpcError, match="already known"):
        client.chain("eth_sendUserOperation", operation, ENTRY_POINT)
    found = client.rpc("eth_getUserOperationByHash", operation_hash)
    assert (found["blockNumber"], found["userOperation"]["sender"]) == (None, wallet.account)
    assert client.rpc("eth_getUserOperationReceipt", operation_hash) is None

    client.rpc("wallet_test_clearFaults", {"id": delay})
    final = wallet.wait_until_final(call_id)
    assert (final["status"], final["details"]["data"]["attempts"]) == (200, 1)


def test_a_delay_ends_by_itself(client: Client, wallet: Wallet) -> None:
    client.rpc("wallet_test_delayOperations", {"milliseconds": 400})

    final = wallet.wait_until_final(send(wallet))

    assert (final["status"], final["details"]["data"]["attempts"]) == (200, 1)


def test_operations_that_are_kept_back_are_included_when_faults_are_cleared(client: Client, wallet: Wallet) -> None:
    other = Wallet(client).fund(tokens=0)
    delay = client.rpc("wallet_test_delayOperations", {"milliseconds": 60_000})["id"]
    first = send(wallet)
    client.rpc("wallet_test_reorderOperations", {"count": 3})
    second = send(other)

    client.rpc("wallet_test_clearFaults", {"id": delay})
    first_block = block_of(wallet, first)
    assert other.status(second)["status"] == 100

    assert client.rpc("wallet_test_clearFaults", {}) == {"cleared": 1}
    assert block_of(other, second) == first_block + 1


@pytest.mark.parametrize("fault", ["delayOperations", "reorderOperations"])
def test_a_revert_drops_operations_that_are_kept_back(client: Client, wallet: Wallet, fault: str) -> None:
    other = Wallet(client).fund(tokens=0)
    snapshot = client.chain("evm_snapshot")
    client.rpc(f"wallet_test_{fault}", {"milliseconds": 60_000, "count": 2})
    prepared = wallet.prepare(CALL)
    wallet.send(prepared, wallet.owner)

    assert client.chain("evm_revert", "0x99999") is False  # changes nothing
    assert client.rpc("eth_getUserOperationByHash", prepared["details"]["data"]["hash"]) is not None
    assert client.chain("evm_revert", snapshot)
    second = send(other)
    client.rpc("wallet_test_clearFaults", {})

    assert block_of(other, second) == int(client.rpc("eth_blockNumber"), 16)
    assert client.rpc("eth_getUserOperationByHash", prepared["details"]["data"]["hash"]) is None


def test_collected_operations_are_included_in_reverse_order(client: Client, wallet: Wallet) -> None:
    wallets = [wallet, *(Wallet(client).fund(tokens=0) for _ in range(2))]
    client.rpc("wallet_test_reorderOperations", {"count": 3})

    sent = [(each, send(each)) for each in wallets]

    blocks = [block_of(*each) for each in sent]
    assert blocks == [blocks[2] + 2, blocks[2] + 1, blocks[2]]
    assert client.rpc("wallet_test_listFaults", {}) == {"faults": []}


def test_collected_operations_do_not_wait_for_ever(client: Client, wallet: Wallet) -> None:
    client.rpc("wallet_test_reorderOperations", {"milliseconds": 300})

    block_of(wallet, send(wallet))
    assert client.rpc("wallet_test_listFaults", {}) == {"faults": []}


@pytest.mark.parametrize(
    ("code", "reason", "why"),
    [(-32501, "sponsorship_failed", "paymaster_refused"), (-32602, "sponsorship_failed", "sponsorship")],
)
def test_the_paymaster_refuses(client: Client, wallet: Wallet, code: int, reason: str, why: str) -> None:
    client.rpc("wallet_test_refuseSponsorship", {"code": code, "data": {"policy": "none"}})
    with pytest.raises(RpcError) as error:
        wallet.prepare(CALL)

    assert (error.value.reason, error.value.data["why"]) == (reason, why)
    assert wallet.act(None, CALL)["status"] == 200


def test_the_paymasters_own_error_is_the_chosen_one(client: Client) -> None:
    client.rpc("wallet_test_refuseSponsorship", {"code": 7, "message": "no", "data": [1], "chainId": hex(CHAINS[1])})

    operation = {"sender": FRIEND, "nonce": "0x0", "callData": "0x", "signature": "0x"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "pm_getPaymasterData"}
    params = [operation, ENTRY_POINT, hex(CHAINS[1]), {}]
    response = client.http.post(f"{client.url}/chain/{CHAINS[1]}", json={**body, "params": params}).json()

    assert response["error"] == {"code": 7, "message": "no", "data": [1]}


def test_a_jump_of_the_gas_price_makes_prepared_calls_underpriced(client: Client, wallet: Wallet) -> None:
    prepared = wallet.prepare(CALL)
    client.rpc("wallet_test_raiseGasPrice", {"baseFee": hex(100 * 10**9)})

    assert int(client.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16) == 100 * 10**9
    with pytest.raises(RpcError) as error:
        wallet.send(prepared, wallet.owner)
    assert (error.value.code, error.value.reason) == (-32000, "too_low")

    assert wallet.act(None, CALL)["status"] == 200
    client.rpc("evm_mine")
    assert int(client.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16) == 10**9


def test_a_reorganization_returns_operations_to_the_mempool(client: Client, wallet: Wallet) -> None:
    status = wallet.act(None, CALL)
    transaction = status["receipts"][0]["transactionHash"]
    head = client.rpc("eth_getBlockByNumber", "latest", False)

    result = client.rpc("wallet_test_reorg", {"depth": 1})

    assert result == {
        "head": head["number"],
        "transactions": [transaction],
        "operations": [status["details"]["data"]["hash"]],
    }
    replacing = client.rpc("eth_getBlockByNumber", "latest", True)
    assert (replacing["parentHash"], replacing["timestamp"]) == (head["parentHash"], head["timestamp"])
    assert replacing["hash"] != head["hash"]
    assert (replacing["transactions"], receipt(client, status)) == ([], None)
    assert client.rpc("eth_getTransactionByHash", transaction)["blockNumber"] is None
    client.rpc("evm_mine")
    assert int(receipt(client, status)["blockNumber"], 16) == int(head["number"], 16) + 1


def test_the_new_blocks_of_a_reorganization_are_others(client: Client) -> None:
    client.rpc("evm_mine")
    snapshot = client.chain("evm_snapshot")
    client.chain("evm_mine")
    later = client.chain("evm_snapshot")
    head = client.rpc("eth_getBlockByNumber", "latest", False)
    blocks = client.chain("eth_newBlockFilter")

    client.rpc("wallet_test_reorg", {"depth": 1})

    found = client.rpc("eth_getBlockByNumber", "latest", False)
    assert (found["number"], found["parentHash"]) == (head["number"], head["parentHash"])
    assert found["hash"] != head["hash"]
    assert client.rpc("eth_getBlockByHash", head["hash"], False) is None
    assert client.chain("eth_getFilterChanges", blocks) == [found["hash"]]
    client.rpc("wallet_test_reorg", {"depth": 1})
    assert client.rpc("eth_getBlockByNumber", "latest", False)["hash"] not in {head["hash"], found["hash"]}
    assert not client.chain("evm_revert", later)
    assert client.chain("evm_revert", snapshot)


def test_a_reorganization_loses_operations(client: Client, wallet: Wallet) -> None:
    before = client.balance(FRIEND)
    statuses = [wallet.act(None, CALL) for _ in range(2)]
    assert client.balance(FRIEND) == before + 2

    result = client.rpc("wallet_test_reorg", {"depth": 2, "transactions": "lost"})

    assert result["operations"] == [each["details"]["data"]["hash"] for each in statuses]
    client.rpc("evm_mine")
    assert [receipt(client, each) for each in statuses] == [None, None]
    assert client.balance(FRIEND) == before
    assert wallet.act(None, CALL)["status"] == 200  # prepared with the nonce that is free again


@pytest.mark.parametrize("is_used", [False, True])
def test_a_revoked_session_is_gone_from_the_chain(client: Client, wallet: Wallet, is_used: bool) -> None:
    grant = wallet.grant({"type": "root"})
    if is_used:
        assert wallet.act(grant, CALL)["status"] == 200
    balance = client.balance(wallet.account)

    result = client.rpc("wallet_test_revokeSession", {"sessionId": grant.session_id})

    assert result["proof"]["isRemoved"]
    assert client.balance(wallet.account) == balance
    assert client.rpc("wallet_getSession", {"sessionId": grant.session_id})["state"] == "removed"
    with pytest.raises(RpcError) as error:
        wallet.act(grant, CALL)
    assert error.value.reason == "session_not_on_chain"
    assert wallet.act(None, CALL)["status"] == 200


@pytest.mark.usefixtures("rewound")
@pytest.mark.parametrize("is_used", [False, True])
def test_a_session_expires(client: Client, wallet: Wallet, is_used: bool) -> None:
    grant = wallet.grant({"type": "root"})
    if is_used:
        assert wallet.act(grant, CALL)["status"] == 200

    result = client.rpc("wallet_test_expireSession", {"sessionId": grant.session_id})

    assert result["timestamp"] == result["validUntil"] + 1
    with pytest.raises(RpcError) as error:
        wallet.act(grant, CALL)
    assert error.value.reason == "session_expired"


def test_a_session_without_an_end_cannot_expire(client: Client, wallet: Wallet) -> None:
    grant = wallet.grant({"type": "root"}, expirySec=0)

    with pytest.raises(RpcError) as error:
        client.rpc("wallet_test_expireSession", {"sessionId": grant.session_id})

    assert error.value.reason == "session_endless"
