"""Bodies of the requests that are measured."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from tests.support.constants import FRIEND, ROOT, TOKEN

CHAIN = 31337
PERMISSIONS: dict[str, list[dict[str, Any]]] = {
    "root": [ROOT],
    "five permissions": [
        {"type": "native-token-transfer", "data": {"allowance": "0xde0b6b3a7640000"}},
        {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}},
        {"type": "gas-limit", "data": {"limit": "0xde0b6b3a7640000"}},
        {"type": "contract-access", "data": {"address": FRIEND}},
        {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}},
    ],
}


def encode_request(method: str, *params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def session_request(permissions: list[Any]) -> bytes:
    """Return a wallet_createSession request for a new account, which is not deployed, as at a user's sign-up."""
    request = {
        "account": "0x" + secrets.token_hex(20),
        "chainId": hex(CHAIN),
        "expirySec": int(time.time()) + 3600,
        "key": {"type": "secp256k1", "publicKey": "0x" + secrets.token_hex(20)},
        "permissions": permissions,
    }
    return encode_request("wallet_createSession", request)


def session_requests(name: str, count: int) -> list[bytes]:
    """Return requests of sessions with the permissions of this name."""
    return [session_request(PERMISSIONS[name]) for _ in range(count)]
