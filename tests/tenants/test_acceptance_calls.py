"""Acceptance table of the two REST APIs, row 6: session tokens with JSON-RPC."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.constants import FRIEND
from tests.support.keys import new_key
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from tests.tenants.acceptance import (
    CHECKSUMMED,
    FOUR,
    SOLANA,
    TOKENS,
    claims_of,
    create_token,
    entry,
    post_with_token,
)
from tests.tenants.conftest import SECRET
from tests.tenants.tenant import Tenant


def open_wallet(tenant: Tenant) -> tuple[Wallet, Client]:
    client = tenant.client()
    return Wallet(client).fund(tokens=0), client


def build_request(wallet: Wallet, **more: Any) -> dict[str, Any]:
    return {**wallet.build_calls({"to": FRIEND}), **more}


def test_a_token_with_build_scope_cannot_send(tenant: Tenant) -> None:
    wallet, _ = open_wallet(tenant)
    token = create_token(tenant, wallet.owner.address, "transactions:build")

    prepared = post_with_token(tenant, token, entry("wallet_prepareCalls", build_request(wallet)))
    sent = post_with_token(tenant, token, entry("wallet_sendPreparedCalls", {}))

    assert (prepared.status_code, "result" in prepared.json()) == (200, True)
    assert sent.status_code == 403
    assert sent.json()["error"]["message"] == "Insufficient scope: transactions:submit required"
    assert sent.json()["error"]["data"]["statusCode"] == 403


def test_a_token_with_submit_scope_sends_operations_of_this_server_only(tenant: Tenant) -> None:
    wallet, _ = open_wallet(tenant)
    builder = create_token(tenant, wallet.owner.address, "transactions:build")
    sender = create_token(tenant, wallet.owner.address, "transactions:submit")
    prepared = post_with_token(tenant, builder, entry("wallet_prepareCalls", build_request(wallet))).json()["result"]
    signed = wallet.sign(prepared, wallet.owner, None)

    without = post_with_token(tenant, sender, entry("wallet_sendPreparedCalls", signed))
    first = post_with_token(tenant, sender, entry("wallet_sendPreparedCalls", {**signed, **_ticket(prepared)}))
    again = post_with_token(tenant, sender, entry("wallet_sendPreparedCalls", {**signed, **_ticket(prepared)}))

    assert without.json()["error"]["code"] == 4100
    assert "result" in first.json(), first.json()
    assert first.json()["result"]["id"] == again.json()["result"]["id"]
    assert wallet.wait_until_final(first.json()["result"]["id"])["status"] == 200


def _ticket(prepared: dict[str, Any]) -> dict[str, Any]:
    return {"submissionTicket": prepared["submissionTicket"]}


@pytest.mark.parametrize("wallet", ["another", SOLANA])
def test_a_token_of_another_wallet_gets_wallet_mismatch(tenant: Tenant, wallet: str) -> None:
    own, _ = open_wallet(tenant)
    token = create_token(tenant, new_key().address if wallet == "another" else wallet, *FOUR)

    answer = post_with_token(tenant, token, entry("wallet_prepareCalls", build_request(own)))

    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "Wallet mismatch")


def forge_token(header: dict[str, Any], claims: dict[str, Any], key: bytes = SECRET) -> str:
    """Sign a token with any header, claims and key."""
    texts = [json.dumps(each, separators=(",", ":")).encode() for each in (header, claims)]
    parts = [base64.urlsafe_b64encode(text).rstrip(b"=") for text in texts]
    signature = hmac.new(key, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


FORGED: dict[str, Callable[[str], str]] = {
    "no algorithm": lambda token: forge_token({"alg": "none", "typ": "JWT"}, claims_of(token)).rpartition(".")[0] + ".",
    "another algorithm": lambda token: forge_token({"alg": "RS256", "typ": "JWT"}, claims_of(token)),
    "altered": lambda token: ".".join(
        [
            token.split(".")[0],
            forge_token({}, {**claims_of(token), "scope": " ".join(FOUR)}).split(".")[1],
            token.split(".")[2],
        ]
    ),
    "another audience": lambda token: forge_token(
        {"alg": "HS256", "typ": "JWT"}, {**claims_of(token), "aud": "others"}
    ),
    "another secret": lambda token: forge_token({"alg": "HS256", "typ": "JWT"}, claims_of(token), b"x" * 32),
    "expired": lambda token: forge_token(
        {"alg": "HS256", "typ": "JWT"}, {**claims_of(token), "exp": int(time.time()) - 1}
    ),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_token_is_rejected(tenant: Tenant, forgery: str) -> None:
    token = create_token(tenant, CHECKSUMMED, "wallet:read")
    body = entry("wallet_requestAccount", {"signerAddress": CHECKSUMMED})

    answers = [post_with_token(tenant, FORGED[forgery](token), each) for each in (body, [body, body])]

    for answer in answers:
        message = "Session expired" if forgery == "expired" else "Invalid session token"
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, message)
        assert answer.json()["error"]["data"]["statusCode"] == 401
    assert post_with_token(tenant, token, body).status_code == 200
    assert (
        post_with_token(tenant, forge_token({"alg": "HS256", "typ": "JWT"}, claims_of(token)), body).status_code == 200
    )


def test_each_request_of_a_batch_has_its_own_response(tenant: Tenant) -> None:
    wallet, _ = open_wallet(tenant)
    token = create_token(tenant, wallet.owner.address, "wallet:read")
    batch = [
        entry("wallet_requestAccount", {"signerAddress": wallet.owner.address}, number=1),
        entry("wallet_requestAccount", {"signerAddress": FRIEND}, number=2),
        entry("wallet_prepareCalls", build_request(wallet), number=3),
        entry("eth_chainId", number=4),
        entry("wallet_requestAccount", {}, number=5),
    ]

    answer = post_with_token(tenant, token, batch)

    assert answer.status_code == 200
    codes = {each["id"]: each.get("error", {}).get("code") for each in answer.json()}
    assert codes == {1: None, 2: 4100, 3: 4100, 4: 4100, 5: -32602}


def test_a_revoked_token_is_rejected(tenant: Tenant) -> None:
    token = create_token(tenant, CHECKSUMMED, "wallet:read")
    name = claims_of(token)["jti"]
    body = entry("wallet_requestAccount", {"signerAddress": CHECKSUMMED})
    assert post_with_token(tenant, token, body).status_code == 200

    status, answer = tenant.rest("DELETE", f"{TOKENS}/{name}")

    assert (status, answer["id"]) == (200, name)
    assert post_with_token(tenant, token, body).status_code == 401
    assert tenant.rest("DELETE", f"{TOKENS}/{name}")[0] == 409
    assert tenant.rest("DELETE", f"{TOKENS}/{secrets.token_hex(16)}")[0] == 404
