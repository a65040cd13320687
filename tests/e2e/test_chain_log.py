"""Chain methods with an API key, also behind `serve`: writes are in the organisation's audit log."""

from __future__ import annotations

from typing import Any

from tests.e2e.process import until
from tests.e2e.stacks import Stack
from tests.support.constants import ENTRY_POINT, FRIEND
from tests.support.keys import new_key
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from tests.tenants.tenant import new_tenant
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.audit import EventKind


def batch(operation: dict[str, Any], transaction: str) -> list[dict[str, Any]]:
    """Return a batch of two writes and two reads."""
    return [
        {"jsonrpc": "2.0", "id": 1, "method": "eth_sendUserOperation", "params": [operation, ENTRY_POINT]},
        {"jsonrpc": "2.0", "method": "eth_sendRawTransaction", "params": [transaction]},
        {"jsonrpc": "2.0", "id": 2, "method": "eth_nothing", "params": []},
        {"jsonrpc": "2.0", "id": 3, "method": "eth_chainId", "params": []},
    ]


async def test_a_raw_write_with_a_key_is_logged_with_its_hash(real_stack: Stack) -> None:
    client = Client(real_stack.url, real_stack.nodes[31337])
    wallet = Wallet(client).fund(tokens=0)
    prepared = wallet.prepare({"to": FRIEND})
    by_wallet = wallet.sign(prepared, wallet.owner, None)["signature"]["data"]
    unsigned: dict[str, Any] = {"chainId": 31337, "nonce": 0, "to": FRIEND, "gas": 21000, "gasPrice": 10**9}
    transaction = new_key().sign_transaction(unsigned)
    sent = batch({**prepared["data"], "signature": "0xff00" + by_wallet[2:]}, transaction.raw_transaction.to_0x_hex())
    async with RedisStore.open(real_stack.redis) as store:
        tenant = await new_tenant(store, real_stack.url, client.http)
        for path in ("", "/chain/31337"):
            client.http.post(real_stack.url + path, json=sent, headers=tenant.headers)
        entries = await store.for_organization(tenant.organization).audit.entries(0, 10)

    name = prepared["details"]["data"]["hash"]
    assert [entry.event.kind for entry in entries] == [EventKind.CHAIN_REQUESTED] * 4
    assert sorted((entry.event.facts["method"], entry.event.facts["hash"]) for entry in entries) == [
        *[("eth_sendRawTransaction", transaction.hash.to_0x_hex())] * 2,
        *[("eth_sendUserOperation", name)] * 2,
    ]
    until(lambda: client.rpc("eth_getUserOperationReceipt", name) is not None, "known to the bundler")
    assert wallet.wait_until_final(f"0x{31337:064x}{name[2:]}")["status"] == 200
    client.http.close()
