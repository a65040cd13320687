"""Signing of messages and typed data as a client does it: prepare, sign, format."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.support.constants import FRIEND
from tests.support.keys import sign_request, to_signable
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

MAGIC = bytes.fromhex("1626ba7e")
SUFFIX = bytes.fromhex("6492" * 16)
KEY_OF_DOCS = "0xd7b061ef04d29cf68b3c89356678eccec9988de8d5ed892c19461c4a9d65925d"
MAIL: dict[str, Any] = {
    "domain": {"chainId": 1, "name": "Ether Mail", "verifyingContract": FRIEND, "version": "1"},
    "types": {
        "Mail": [{"name": "contents", "type": "string"}, {"name": "amount", "type": "uint256"}],
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ],
    },
    "primaryType": "Mail",
    "message": {"contents": "Hello", "amount": "0xa"},
}
"""Typed data. Source: wallet-apis 5.1.0, "signTypedData"."""
TEXT = {"type": "personal_sign", "data": "hello wörld"}
RAW = {"type": "personal_sign", "data": {"raw": "0x00ff48656c6c6f"}}
TYPED = {"type": "eth_signTypedData_v4", "data": MAIL}
ALL = pytest.mark.parametrize("request_", [TEXT, RAW, TYPED], ids=["text", "raw", "typed"])


def prepare_sign(wallet: Wallet, request: dict[str, Any], **more: Any) -> dict[str, Any]:
    params = {"from": wallet.account, "chainId": wallet.chain_id, "signatureRequest": request, **more}
    answer: dict[str, Any] = wallet.client.rpc("wallet_prepareSign", params)
    assert answer["chainId"] == wallet.chain_id
    found: dict[str, Any] = answer["signatureRequest"]
    return found


def format_signature(wallet: Wallet, signature: Any, **more: Any) -> bytes:
    params = {
        "from": wallet.account,
        "chainId": wallet.chain_id,
        "signature": {"type": "ecdsa", "data": signature},
        **more,
    }
    return bytes.fromhex(wallet.client.rpc("wallet_formatSign", params)["signature"][2:])


def digest(request: dict[str, Any]) -> bytes:
    message = to_signable(request)
    return bytes(keccak(b"\x19" + message.version + message.header + message.body))


def account_signature(wallet: Wallet, request: dict[str, Any]) -> bytes:
    """Return the account's signature of a message: prepare, sign, format."""
    return format_signature(wallet, sign_request(wallet.owner, prepare_sign(wallet, request)))


def is_valid(client: Client, account: str, hashed: bytes, signature: bytes) -> bool:
    """Return True when the account's contract accepts the signature (ERC-1271)."""
    data = MAGIC + encode(["bytes32", "bytes"], [hashed, signature])
    try:
        answer = client.rpc("eth_call", {"to": account, "data": "0x" + data.hex()}, "latest")
    except RpcError:
        return False
    return bytes.fromhex(answer[2:])[:4] == MAGIC
