"""Acceptance table of the two REST APIs, rows 1 and 2: session tokens over real HTTP."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import pytest

from tests.tenants.acceptance import (
    CHECKSUMMED,
    DENIED,
    FOUR,
    PREFIX,
    SOLANA,
    THREE,
    TOKENS,
    create_token,
    entry,
    post_with_token,
    seconds,
)
from tests.tenants.tenant import Tenant, new_tenant
from wallet_rpc.adapters.redis_store import RedisStore


@pytest.mark.parametrize("path", [TOKENS, "/v1/sessions", TOKENS + "/", "/v1/sessions/"])
def test_the_request_of_the_seed_creates_a_token(tenant: Tenant, path: str) -> None:
    body = {"walletAddress": SOLANA, "scopes": THREE, "ttlSeconds": 600}

    began = int(time.time())
    answer = tenant.http.post(tenant.url + path, json=body, headers={"X-Api-Key": tenant.key})

    assert answer.status_code == 200
    assert list(answer.json()) == ["token", "expiresAt", "scopes"]
    assert answer.json()["scopes"] == THREE
    assert began <= seconds(answer.json()["expiresAt"]) - 600 <= time.time()
    assert answer.json()["token"].startswith(PREFIX)
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


def test_a_token_has_four_scopes_and_five_minutes_by_default(tenant: Tenant) -> None:
    began = int(time.time())
    _, answer = tenant.rest("POST", TOKENS, {"walletAddress": SOLANA})

    assert answer["scopes"] == FOUR
    assert began <= seconds(answer["expiresAt"]) - 300 <= time.time()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ttlSeconds": 0}, "ttlSeconds must not be less than 1"),
        ({"ttlSeconds": -1}, "ttlSeconds must not be less than 1"),
        ({"ttlSeconds": 3601}, "ttlSeconds must not be greater than 3600"),
        ({"ttlSeconds": "600"}, "ttlSeconds must be an integer number"),
        ({"ttlSeconds": True}, "ttlSeconds must be an integer number"),
        ({"ttlSeconds": 1.5}, "ttlSeconds must be an integer number"),
        ({"scopes": []}, "scopes must contain at least 1 element"),
        ({"scopes": "wallet:read"}, "scopes must be an array"),
        ({"walletAddress": ""}, "walletAddress should not be empty"),
        ({"walletAddress": 7}, "walletAddress must be a string"),
        ({"walletAddress": CHECKSUMMED.replace("aA", "AA")}, "Invalid wallet address"),
        ({"walletAddress": "z" * 44}, "Invalid wallet address"),
        ({"walletAddress": "1" * 32}, "Invalid wallet address"),
        ({"walletAddress": "0x" + "00" * 20}, "Invalid wallet address"),
    ],
)
def test_an_invalid_field_of_a_token_is_named(tenant: Tenant, fields: dict[str, Any], message: str) -> None:
    status, answer = tenant.rest("POST", TOKENS, {"walletAddress": SOLANA, **fields})

    assert status == 400
    assert answer == {"statusCode": 400, "message": message, "error": "Bad Request"}


def test_an_unknown_scope_is_rejected(tenant: Tenant) -> None:
    status, answer = tenant.rest("POST", TOKENS, {"walletAddress": SOLANA, "scopes": ["wallet:read", "wallet:write"]})

    assert status == 400
    assert answer["message"].startswith("each value in scopes must be one of the following values: wallet:read")


@pytest.mark.parametrize("ttl", [600.0, 1, 3600, None])
def test_a_whole_number_of_seconds_is_accepted(tenant: Tenant, ttl: Any) -> None:
    assert tenant.rest("POST", TOKENS, {"walletAddress": SOLANA, "ttlSeconds": ttl, "more": 1})[0] == 200


@pytest.mark.parametrize("wallet", [CHECKSUMMED, CHECKSUMMED.lower(), "0x" + CHECKSUMMED[2:].upper()])
def test_three_spellings_of_an_address_are_one_wallet(tenant: Tenant, wallet: str) -> None:
    token = create_token(tenant, wallet, "wallet:read")

    answer = tenant.http.get(f"{tenant.url}{TOKENS}/me", headers={"authorization": f"Bearer {token}"})

    assert answer.json()["walletAddress"] == CHECKSUMMED


@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": "nobody"}, {"X-Api-Key": "wrk_" + "A" * 43}, {"X-Api-Key": ""}])
def test_no_key_and_an_unknown_one_get_no_token(tenants_url: str, headers: dict[str, str]) -> None:
    answer = httpx2.post(tenants_url + TOKENS, json={"walletAddress": SOLANA}, headers=headers)

    assert (answer.status_code, answer.json()) == (401, DENIED)
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_revoked_key_gets_no_token_and_its_tokens_end(tenant: Tenant, directory: RedisStore) -> None:
    token = create_token(tenant, SOLANA, "wallet:read")
    (record,) = await directory.directory.keys_of(tenant.organization)
    await directory.directory.revoke_key(record.id, at=int(time.time()))

    status, answer = tenant.rest("POST", TOKENS, {"walletAddress": SOLANA})
    used = post_with_token(tenant, token, entry("wallet_requestAccount"))

    assert (status, answer) == (401, {"statusCode": 401, "message": "API key revoked"})
    assert (used.status_code, used.json()["error"]["message"]) == (401, "API key revoked")


async def test_a_request_above_the_limit_gets_retry_after(
    directory: RedisStore, tenants_url: str, http: httpx2.Client
) -> None:
    tenant = await new_tenant(directory, tenants_url, http, requests_per_minute=30)
    answers = [
        tenant.http.post(tenants_url + TOKENS, json={"walletAddress": SOLANA}, headers=tenant.headers)
        for _ in range(31)
    ]

    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    assert answers[0].headers["x-ratelimit-limit"] == "30"
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in answers] == [*range(29, -1, -1), 0]
    assert 1 <= int(answers[30].headers["retry-after"]) <= 60
    assert answers[30].json() == {"statusCode": 429, "message": "Rate limit exceeded", "error": "Too Many Requests"}
    response = tenant.http.get(tenant.url + tenant.sessions, headers=tenant.headers)
    assert (response.status_code, response.json()["code"], response.json()["details"]) == (429, 429001, [])
    call_response = tenant.http.post(tenants_url, json=entry("wallet_getCapabilities"), headers=tenant.headers)
    assert (call_response.status_code, call_response.json()["error"]["code"]) == (429, -32005)
    assert "retry-after" in response.headers.keys() & call_response.headers.keys()
