"""Requests in other standards' formats, which are not validated against the hosted service's schema."""

from __future__ import annotations

import time
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from tests.support.constants import HOUR, TOKEN
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

Json = dict[str, Any]
GRANT, REQUEST = "wallet_grantPermissions", "wallet_requestExecutionPermissions"
ACCESS = {"type": "contract-access", "data": {"address": TOKEN}}
BUDGET = {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}}
ETHER = {
    "type": "native-token-transfer",
    "data": {"ticker": "ETH"},
    "policies": [{"type": "token-allowance", "data": {"allowance": "0x64"}}],
    "required": True,
}


def ask(client: Client, method: str, *params: Any) -> Any:
    answer = client.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    if "error" in answer:
        raise RpcError(answer["error"])
    return answer["result"]


def catch_error(client: Client, method: str, *params: Any) -> RpcError:
    with pytest.raises(RpcError) as error_info:
        ask(client, method, *params)
    return error_info.value


def key_of(key: LocalAccount, **more: Any) -> Json:
    return {"type": "secp256k1", "publicKey": key.address, **more}


def keyed_request(wallet: Wallet, key: LocalAccount, *calls: Json, **capabilities: Any) -> Json:
    return {
        "version": "1.0",
        **wallet.build_calls(*calls, **capabilities),
        "key": key_of(key),
    }


def permission_request(wallet: Wallet, key: LocalAccount, *permissions: Json, **more: Any) -> Json:
    return {
        "chainId": wallet.chain_id,
        "address": wallet.account,
        "expiry": int(time.time()) + HOUR,
        "signer": {"type": "key", "data": key_of(key)},
        "permissions": list(permissions),
        **more,
    }


def single(wallet: Wallet, key: LocalAccount, permission: Json, **more: Any) -> Json:
    return {
        "chainId": wallet.chain_id,
        "from": wallet.account,
        "to": key.address,
        "permission": permission,
        "rules": [{"type": "expiry", "data": {"timestamp": int(time.time()) + HOUR}}],
        **more,
    }
