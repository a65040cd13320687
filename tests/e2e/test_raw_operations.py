"""`eth_sendUserOperation` by clients that build user operations themselves: stops hold for it too."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from tests.e2e.stacks import Stack
from tests.support.constants import CHAINS, ENTRY_POINT, FRIEND, ROOT
from tests.support.keys import new_key, sign_request
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Grant, Wallet
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction
from wallet_rpc.domain.signature import SignerKind, prefix_signer_kind
from wallet_rpc.primitives import Data

SEND = "eth_sendUserOperation"


@pytest.fixture
def wallet(client: Client) -> Wallet:
    return Wallet(client).fund(tokens=0)


def carried_grant(grant: Grant) -> str:
    """Return the grant as the signature of the operation that installs the session carries it, in hex."""
    message = grant.message
    action = DeferredAction(
        nonce=int(message["nonce"], 16), deadline=message["deadline"], call=Data.parse(message["call"])
    )
    authorization = prefix_signer_kind(SignerKind.KEY, Data.parse(grant.signature))
    signed = SignedDeferredAction(action=action, has_execution_hooks=False, authorization=authorization)
    return str(signed.signature_prefix.hex())


def build_raw(wallet: Wallet, grant: Grant, *, by: Any = None, is_installed: bool = True) -> dict[str, Any]:
    """Return a signed user operation of the session, which the client could send to any bundler."""
    prepared = wallet.prepare({"to": FRIEND, "value": "0x1"}, sponsored=False, permissions=grant.permissions)
    own = "ff00" + sign_request(by or grant.key, prepared["signatureRequest"])[2:]
    prefix = "" if is_installed else carried_grant(grant)
    return {**prepared["data"], "signature": f"0x{prefix}{own}"}


def owner_signature(wallet: Wallet, action: str, **selector: Any) -> dict[str, Any]:
    prepared = wallet.client.rpc("wallet_prepareSessionChange", {"action": action, **selector})
    signature = sign_request(wallet.owner, prepared["signatureRequest"])
    return {"nonce": prepared["nonce"], "deadline": prepared["deadline"], "signature": signature}


def change(wallet: Wallet, grant: Grant, action: str) -> None:
    """Pause, resume or revoke the session, signed by the owner."""
    entity_id = int(grant.message["nonce"], 16) >> 72 & 0xFFFFFFFF
    session = {"account": wallet.account, "chainId": wallet.chain_id, "entityId": entity_id}
    request = {**session, "ownerSignature": owner_signature(wallet, action, **session)}
    wallet.client.rpc(f"wallet_{action}Session", request)


def reason_of(client: Client, *params: Any) -> str | None:
    with pytest.raises(RpcError) as refused:
        client.rpc(SEND, *params)
    assert str(refused.value.data["field"]).startswith("params["), "a field of this method"
    return refused.value.reason


@pytest.mark.parametrize(
    ("stack", "action", "reason", "is_installed"),
    [
        ("dev", "pause", "session_paused", True),
        ("dev", "pause", "session_paused", False),
        ("dev", "revoke", "session_revoked", True),
        ("real", "revoke", "session_revoked", False),
        ("real", "pause", "session_paused", True),
    ],
    indirect=["stack"],
)
def test_a_raw_operation_of_a_stopped_session_is_refused(
    stack: Stack, client: Client, wallet: Wallet, action: str, reason: str, is_installed: bool
) -> None:
    grant = wallet.grant(ROOT)
    if is_installed:
        assert wallet.act(grant, {"to": FRIEND}, sponsored=False)["status"] == 200
    raw = build_raw(wallet, grant, is_installed=is_installed)
    before = client.balance(FRIEND)
    change(wallet, grant, action)

    assert reason_of(client, raw, ENTRY_POINT) == reason
    forms = [{**raw, "sender": raw["sender"].lower()}, {**raw, "nonce": "0x0" + raw["nonce"][2:]}]
    assert {reason_of(client, form, ENTRY_POINT) for form in forms} == {reason}
    if stack.is_embedded:
        direct = Client(f"{stack.url}/chain/{CHAINS[0]}", http=client.http)
        assert reason_of(direct, raw, ENTRY_POINT) == reason
    assert client.balance(FRIEND) == before

    if action == "pause":
        change(wallet, grant, "resume")
        operation_hash = client.rpc(SEND, raw, ENTRY_POINT)
        call_id = f"0x{int(wallet.chain_id, 16):064x}{operation_hash[2:]}"
        assert wallet.wait_until_final(call_id)["status"] == 200
        assert client.balance(FRIEND) == before + 1


def test_the_session_key_must_have_signed_a_raw_operation(client: Client, wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    wallet.act(grant, {"to": FRIEND}, sponsored=False)
    raw = build_raw(wallet, grant)
    for forged in (build_raw(wallet, grant, by=new_key())["signature"], "0x", "0xff", raw["signature"] + "00"):
        assert reason_of(client, {**raw, "signature": forged}, ENTRY_POINT) == "signature_invalid"
    assert client.rpc(SEND, raw, ENTRY_POINT), "a forged copy does not keep the operation out"
    assert client.rpc(SEND, raw, ENTRY_POINT) == client.rpc(SEND, raw, ENTRY_POINT), "a repeat returns the same hash"


def test_the_owners_raw_operations_pass(client: Client, wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    wallet.act(grant, {"to": FRIEND}, sponsored=False)
    change(wallet, grant, "revoke")
    prepared = wallet.prepare({"to": FRIEND, "value": "0x1"}, sponsored=False)
    signature = "0xff00" + sign_request(wallet.owner, prepared["signatureRequest"])[2:]
    assert client.rpc(SEND, {**prepared["data"], "signature": signature}, ENTRY_POINT)


@pytest.mark.parametrize("sender", [7, None, "0x12", FRIEND[2:] + "00"])
def test_an_operation_that_cannot_be_read_is_not_forwarded(client: Client, sender: Any) -> None:
    assert reason_of(client, {"sender": sender, "nonce": "0x10000000000000000000"}, ENTRY_POINT) == (
        "user_operation_unreadable"
    )


@pytest.mark.parametrize("nonce", ["0x0", "0x10000000000000000000", hex((7 << 72) | (2 << 64)), hex(1 << 255)])
def test_operations_of_other_accounts_are_forwarded(client: Client, nonce: str) -> None:
    """The bundler refuses them itself, for what it expects of every operation."""
    with pytest.raises(RpcError) as refused:
        client.rpc(SEND, {"sender": new_key().address, "nonce": nonce, "signature": "0x12"}, ENTRY_POINT)
    assert refused.value.reason not in {"user_operation_unreadable", "session_paused", "signature_invalid"}


@pytest.mark.parametrize("path", ["", f"/chain/{CHAINS[0]}"])
@pytest.mark.parametrize("escaped", [False, True])
def test_the_other_entries_of_a_batch_are_answered(client: Client, wallet: Wallet, path: str, escaped: bool) -> None:
    grant = wallet.grant(ROOT)
    wallet.act(grant, {"to": FRIEND}, sponsored=False)
    raw = build_raw(wallet, grant)
    change(wallet, grant, "pause")
    entries = [
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": 2, "method": SEND, "params": [raw, ENTRY_POINT]},
        {"jsonrpc": "2.0", "id": 3, "method": "eth_blockNumber", "params": []},
        7,
    ]
    body = json.dumps(entries).replace(SEND, "eth_sendUser\\u004fperation" if escaped else SEND)
    answers = httpx2.post(client.url + path, content=body, headers={"content-type": "application/json"}).json()

    by_id = {answer["id"]: answer for answer in answers}
    assert by_id[1]["result"] == wallet.chain_id
    assert by_id[2]["error"]["data"]["reason"] == "session_paused"
    assert int(by_id[3]["result"], 16) > 0
    assert by_id[None]["error"]["code"] == -32600
