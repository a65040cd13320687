"""Chain methods behind the wallet's URL: choice of the chain, forwarded methods, and results."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.e2e.stacks import Stack, on_both_stacks
from tests.support.calls import call_data
from tests.support.constants import CHAINS, ENTRY_POINT, TOKEN
from tests.support.keys import new_key
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet

pytestmark = on_both_stacks
FIRST, SECOND = CHAINS


def post_request(stack: Stack, path: str, method: str, *params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 0, "method": method, "params": list(params)}
    return httpx2.post(stack.url + path, json=body, timeout=30).json()


@pytest.mark.parametrize(
    ("path", "chain"),
    [
        ("/", FIRST),
        (f"/?chainId={SECOND}", SECOND),
        (f"/?chainId={SECOND:#x}", SECOND),
        (f"/v2/key?chainId={SECOND}&x=1", SECOND),
        (f"/?chainId={FIRST}", FIRST),
        (f"/chain/{SECOND}", SECOND),
        (f"/chain/{FIRST}/", FIRST),
    ],
)
def test_the_url_selects_the_chain(stack: Stack, path: str, chain: int) -> None:
    assert post_request(stack, path, "eth_chainId") == {"jsonrpc": "2.0", "id": 0, "result": hex(chain)}


@pytest.mark.parametrize("chain", ["8453", "0x", "-1", "one", "99999999999"])
def test_an_unknown_chain_is_rejected(stack: Stack, chain: str) -> None:
    error = post_request(stack, f"/?chainId={chain}", "eth_chainId")["error"]

    assert (error["code"], error["data"]["reason"]) == (5710, "unsupported_chain")


def test_the_wallets_own_methods_ignore_the_query(stack: Stack, client: Client) -> None:
    owner = new_key()
    made = post_request(stack, "/?chainId=8453", "wallet_requestAccount", {"signerAddress": owner.address})

    assert made["result"]["accountAddress"] == Wallet(client, owner=owner).account


def test_a_batch_for_another_chain_mixes_both_kinds(stack: Stack) -> None:
    entries = [
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "wallet_requestAccount",
            "params": [{"signerAddress": new_key().address}],
        },
    ]
    answers = httpx2.post(f"{stack.url}/?chainId={SECOND}", json=entries, timeout=30).json()

    assert answers[0]["result"] == hex(SECOND)
    assert "accountAddress" in answers[1]["result"]


def test_an_ordinary_wallet_needs_no_other_url(client: Client) -> None:
    sender, receiver = new_key(), new_key().address
    client.chain("anvil_setBalance", sender.address, hex(10**18))
    head = client.rpc("eth_getBlockByNumber", "latest", False)
    tip = int(client.rpc("eth_maxPriorityFeePerGas"), 16)
    transaction: dict[str, Any] = {
        "chainId": int(client.rpc("eth_chainId"), 16),
        "nonce": int(client.rpc("eth_getTransactionCount", sender.address, "pending"), 16),
        "to": receiver,
        "value": 7,
        "gas": int(client.rpc("eth_estimateGas", {"from": sender.address, "to": receiver, "value": "0x7"}), 16),
        "maxFeePerGas": 2 * int(head["baseFeePerGas"], 16) + tip,
        "maxPriorityFeePerGas": tip,
    }
    made = client.rpc("eth_sendRawTransaction", "0x" + sender.sign_transaction(transaction).raw_transaction.hex())

    client.wait_for_receipt(made)
    assert client.rpc("eth_getTransactionReceipt", made)["status"] == "0x1"
    assert client.balance(receiver) == 7


def test_a_bundlers_methods_are_served_too(client: Client) -> None:
    assert client.rpc("eth_supportedEntryPoints") == [ENTRY_POINT]
    assert client.rpc("eth_getUserOperationReceipt", "0x" + "11" * 32) is None


def test_an_error_of_the_node_keeps_its_code_and_data(client: Client) -> None:
    call = {"to": TOKEN, "data": call_data("transfer(address,uint256)", TOKEN, 1)}
    error = client.post({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"]})["error"]

    assert error["code"] == 3
    assert error["data"].startswith("0xcf479181")


@pytest.mark.parametrize(
    "method", ["eth_accounts", "eth_sendTransaction", "anvil_setBalance", "evm_mine", "debug_traceCall"]
)
def test_methods_for_the_nodes_owner_only_are_not_forwarded(stack: Stack, method: str) -> None:
    if stack.is_embedded:
        pytest.skip("the embedded chain is the caller's own: it answers everything")
    for path in ("/", f"/chain/{FIRST}"):
        assert post_request(stack, path, method)["error"]["code"] == -32601


def test_there_is_no_path_for_an_unknown_chain(stack: Stack) -> None:
    assert httpx2.post(f"{stack.url}/chain/8453", json={}, timeout=30).status_code == 404
