"""Constants and helpers for the rows of the acceptance table."""

from __future__ import annotations

import base64
import calendar
import json
import time
from typing import Any

import httpx2

from tests.tenants.tenant import Tenant

SOLANA = "DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy"
CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
FOUR = ["wallet:read", "wallet:stream", "transactions:build", "transactions:submit"]
THREE = ["wallet:read", "transactions:build", "transactions:submit"]
TOKENS = "/api/v1/burner/sessions"
PREFIX = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
DENIED = {"statusCode": 401, "message": "Invalid API key"}


def seconds(text: str) -> int:
    assert text.endswith(".000Z")
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S.000Z"))


def post_with_token(tenant: Tenant, token: str, body: Any, *, path: str = "") -> httpx2.Response:
    """Post a JSON body with a session token and return the HTTP response."""
    return tenant.http.post(tenant.url + path, json=body, headers={"authorization": f"Bearer {token}"})


def entry(method: str, *params: Any, number: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def create_token(tenant: Tenant, wallet: str, *scopes: str, **more: Any) -> str:
    status, answer = tenant.rest("POST", TOKENS, {"walletAddress": wallet, "scopes": list(scopes), **more})
    assert status == 200, answer
    return str(answer["token"])


def claims_of(token: str) -> dict[str, Any]:
    """Decode a session token's claims without verifying its signature."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
