"""Contracts that sign by ERC-1271, as a session's key and as an account's owner."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stacks import on_both_stacks
from tests.support.constants import FRIEND
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Grant, Wallet

pytestmark = on_both_stacks

SCENARIOS = Path(__file__).parents[2] / "specs" / "scenarios" / "12-signatures.json"
SIGNATURE = "0xc0ffee"
"""The one signature that the contract accepts, for every hash."""


@pytest.fixture
def signer(client: Client) -> str:
    """Create a contract that implements ERC-1271 at a new address."""
    address = "0x" + secrets.token_hex(20)
    code = json.loads(SCENARIOS.read_text())["meta"]["world"]["runtimes"]["Key1271"]
    client.chain("anvil_setCode", address, code)
    return address


def send(client: Client, wallet: Wallet, permissions: dict[str, str] | None, signature: str) -> str:
    capabilities: dict[str, Any] = {"permissions": permissions} if permissions else {}
    prepared = wallet.prepare({"to": FRIEND}, **capabilities)
    signed = {key: prepared[key] for key in ("type", "data", "chainId")}
    signed["signature"] = {"type": "secp256k1", "data": signature}
    if permissions:
        signed["capabilities"] = {"permissions": permissions}
    return str(client.rpc("wallet_sendPreparedCalls", signed)["id"])


def test_a_contract_can_be_a_session_key(wallet: Wallet, signer: str) -> None:
    grant: Grant = wallet.grant({"type": "root"}, contract=signer)
    for _ in range(2):  # installing, then installed
        assert wallet.wait_until_final(send(wallet.client, wallet, grant.permissions, SIGNATURE))["status"] == 200
    with pytest.raises(RpcError) as error_info:
        send(wallet.client, wallet, grant.permissions, "0xc0ffef")
    assert (error_info.value.code, error_info.value.reason) == (-32507, "signature_invalid")


def test_a_contract_owns_an_account(client: Client, signer: str) -> None:
    account = client.rpc("wallet_requestAccount", {"signerAddress": signer})["accountAddress"]
    wallet = Wallet(client)
    wallet.account = account
    assert wallet.wait_until_final(send(client, wallet, None, SIGNATURE))["status"] == 200
    with pytest.raises(RpcError, match="not by the owner"):
        send(client, wallet, None, "0x1234")


def test_a_contract_owner_grants_a_session(client: Client, signer: str) -> None:
    wallet = Wallet(client)
    wallet.account = client.rpc("wallet_requestAccount", {"signerAddress": signer})["accountAddress"]
    created, key = wallet.create_session({"type": "root"})
    permissions = {"sessionId": created["sessionId"], "signature": SIGNATURE}
    with pytest.raises(RpcError) as error_info:
        wallet.prepare({"to": FRIEND}, permissions={**permissions, "signature": "0x1234"})
    assert error_info.value.reason == "session_signature_invalid"
    prepared = wallet.prepare({"to": FRIEND}, permissions=permissions)
    assert wallet.wait_until_final(wallet.send(prepared, key, permissions))["status"] == 200
