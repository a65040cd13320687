"""Requests of `wallet_explainCalls` with their grants and calls, as clients encode them."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.operations.conftest import WalletFixture
from tests.support.calls import call_data
from tests.support.constants import FRIEND, TOKEN
from tests.support.wallet import Grant

Json = dict[str, Any]
SPEND = {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}}
NATIVE = {"type": "native-token-transfer", "data": {"allowance": "0x64"}}
GAS = {"type": "gas-limit", "data": {"limit": hex(10**18)}}
PAY = {"type": "contract-access", "data": {"address": FRIEND}}
OTHER = "0x00000000000000000000000000000000000bEEf1"
OWN = {"type": "account-functions", "data": {"functions": [call_data("accountId()")]}}


def pay(value: int, to: str = FRIEND) -> Json:
    return {"to": to, "value": hex(value)}


def encode_call(name: str, types: list[str], *values: Any) -> str:
    return "0x" + (keccak(text=f"{name}({','.join(types)})")[:4] + encode(types, values)).hex()


def batch(*calls: Json) -> str:
    """Return the call data of executeBatch."""
    inner = [(call["to"], 0, bytes.fromhex(call["data"][2:])) for call in calls]
    return encode_call("executeBatch", ["(address,uint256,bytes)[]"], inner)


async def explain(wallet: WalletFixture, grant: Grant, *calls: Json, **fields: Any) -> Json:
    found: Json = await wallet.client.rpc(
        "wallet_explainCalls", {"sessionId": grant.session_id, "calls": list(calls), **fields}
    )
    return found


async def act(wallet: WalletFixture, grant: Grant, *calls: Json) -> int:
    """Prepare, sign and send calls of a session, mine them, and return the final status."""
    prepared = await wallet.prepare(*calls, permissions=grant.permissions)
    call_id = await wallet.send(prepared, grant.key, grant.permissions)
    await wallet.mempool.mine()
    return await wallet.status(call_id)
