"""Credentials on an open server: accepted, rejected, and combined."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

import httpx2
import pytest

from tests.support.api_keys import issue_api_key
from tests.support.constants import CHAINS
from tests.tenants.acceptance import CHECKSUMMED, FOUR, create_token, entry
from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import KeyScope, derive_key_id, sha256_hex

REQUEST = entry("wallet_getCapabilities", "0x" + "11" * 20)
UNKNOWN = "wrk_" + "A" * 43


def post_request(url: str, path: str = "", **headers: str) -> tuple[int, str | None]:
    """Post a request and return the status and the reason of an error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = httpx2.post(url + path, json=REQUEST, headers=named)
    return answer.status_code, answer.json().get("error", {}).get("data", {}).get("reason")


@pytest.mark.parametrize("path", ["", "/v2", "/v2/docs-demo", "/v2/any.json.token"])
@pytest.mark.parametrize("authorization", ["Bearer any.json.token", "bearer your-api-key", "Bearer", ""])
def test_a_short_word_counts_as_no_key(tenants_url: str, path: str, authorization: str) -> None:
    assert post_request(tenants_url, path) == (200, None)
    assert post_request(tenants_url, path, authorization=authorization) == (200, None)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/v2/{UNKNOWN}", {}),
        ("", {"authorization": f"Bearer {UNKNOWN}"}),
        ("", {"x_api_key": UNKNOWN}),
        ("", {"x_api_key": "any-word"}),
        ("", {"x_api_key": ""}),
        ("/v2/wrk_short", {}),
        ("", {"authorization": "Bearer wrk_short"}),
        (f"/v2/{UNKNOWN[1:]}", {}),
        (f"/v2/{UNKNOWN.upper()}", {}),
        ("/v2/unknown-api-key", {}),
        ("", {"authorization": "Bearer unknown-api-key"}),
        ("/v2/docs-demo", {"authorization": f"Bearer {UNKNOWN[:20]}"}),
        (f"/v2/{UNKNOWN[:20]}", {"authorization": "Bearer docs-demo"}),
        ("/v2/a%20b", {}),
        ("", {"authorization": UNKNOWN}),
        ("", {"authorization": f"Bearer: {UNKNOWN}"}),
        ("", {"authorization": f"ApiKey {UNKNOWN}"}),
        ("", {"authorization": "Basic dXNlcjpwYXNz"}),
        (f"/?apiKey={UNKNOWN}", {}),
        ("/v2/docs-demo", {"x_api_key": "any-word"}),
    ],
)
def test_an_unknown_key_is_rejected_although_none_is_required(
    tenants_url: str, path: str, headers: dict[str, str]
) -> None:
    assert post_request(tenants_url, path, **headers) == (401, "api_key_invalid")


@pytest.mark.parametrize("token", ["eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.AAAA"])
def test_an_invalid_token_is_rejected(tenants_url: str, tenant: Tenant, token: str) -> None:
    bearer = f"Bearer {token}"

    assert post_request(tenants_url, authorization=bearer) == (401, "session_token_invalid")
    assert post_request(tenants_url, f"/v2/{tenant.key}", authorization=bearer) == (401, "session_token_invalid")
    assert post_request(tenants_url, authorization=bearer, x_api_key=tenant.key) == (401, "session_token_invalid")


def post_with_headers(tenant: Tenant, *headers: tuple[str, str], path: str = "") -> tuple[int, str | None]:
    """Do as `post_request`, with headers that may occur twice."""
    answer = tenant.http.post(tenant.url + path, json=REQUEST, headers=list(headers))
    return answer.status_code, answer.json().get("error", {}).get("data", {}).get("reason")


def test_a_repeated_header_must_have_one_value(tenant: Tenant) -> None:
    word = ("authorization", "Bearer any-word")
    unknown = ("x-api-key", UNKNOWN)
    bearer = ("authorization", f"Bearer {tenant.key}")
    key = ("x-api-key", tenant.key)
    basic = ("authorization", "Basic dXNlcjpwYXNz")

    for same in ((bearer, bearer), (key, key), (key, key, word)):
        assert post_with_headers(tenant, *same) == (200, None)
    for one, two in ((bearer, word), (key, unknown), (bearer, basic)):
        assert post_with_headers(tenant, one, two) == (401, "api_key_invalid")
        assert post_with_headers(tenant, two, one, path=f"/v2/{tenant.key}") == (401, "api_key_invalid")
        response = tenant.http.get(tenant.url + tenant.sessions, headers=[one, two])
        assert (response.status_code, response.json()["code"]) == (401, 401002)


def test_a_token_takes_precedence_over_a_key_in_any_order(tenant: Tenant) -> None:
    token, other = (("authorization", f"Bearer {create_token(tenant, CHECKSUMMED, *FOUR)}") for _ in range(2))
    key = ("authorization", f"Bearer {tenant.key}")

    for headers in ([key, token], [token, key], [token, token, key], [("x-api-key", tenant.key), key, token]):
        assert post_with_headers(tenant, *headers) == (403, "insufficient_scope")
        response = tenant.http.get(tenant.url + tenant.sessions, headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, 401001)
    assert post_with_headers(tenant, token, other) == (401, "session_token_invalid")


def add_key_header(redis_server: RedisServer, tenant: Tenant, **more: Any) -> dict[str, str]:
    """Store a new key of the tenant and return its header."""
    key, record = issue_api_key(organization=tenant.organization, **more)

    async def store_key() -> None:
        async with RedisStore.open(redis_server.url) as store:
            await store.directory.add_key(record)

    asyncio.run(store_key())
    return {"x-api-key": key}


@pytest.mark.parametrize(("length", "status"), [(0, 401), (1, 200), (256, 200), (257, 401)])
def test_a_key_has_1_to_256_characters(tenant: Tenant, redis_server: RedisServer, length: int, status: int) -> None:
    key = secrets.token_hex(200)[:length]
    headers = add_key_header(redis_server, tenant, id=derive_key_id(key), digest=sha256_hex(key))

    assert tenant.http.post(tenant.url, json=REQUEST, headers={**headers, "x-api-key": key}).status_code == status


EVERY_PATH = ["", "/v2", f"/?chainId={CHAINS[0]}", f"/chain/{CHAINS[0]}", f"/chain/{CHAINS[1]}/"]


@pytest.mark.parametrize("path", EVERY_PATH)
def test_each_entry_of_a_batch_counts_on_every_path(tenant: Tenant, redis_server: RedisServer, path: str) -> None:
    headers = add_key_header(redis_server, tenant, requests_per_minute=7)
    url = tenant.url + path
    bodies: list[Any] = [[entry("eth_chainId")] * 3, entry("eth_chainId"), [], [1, {}]]

    left = [tenant.http.post(url, json=body, headers=headers).headers["x-ratelimit-remaining"] for body in bodies]

    assert left == ["4", "3", "2", "0"]


@pytest.mark.parametrize("path", EVERY_PATH)
def test_a_rate_limit_error_has_the_id_of_the_request(tenant: Tenant, redis_server: RedisServer, path: str) -> None:
    headers = add_key_header(redis_server, tenant, requests_per_minute=1)
    url = tenant.url + path
    tenant.http.post(url, json=entry("eth_chainId"), headers=headers)
    single = {name: {**entry("eth_chainId"), "id": name} for name in ("seven", 0, 7.5, None)}
    whole: list[Any] = [[entry("eth_chainId")], {"jsonrpc": "2.0", "method": "eth_chainId"}, 5, {"id": {}}]

    answers = {name: tenant.http.post(url, json=body, headers=headers) for name, body in single.items()}
    others = [tenant.http.post(url, json=body, headers=headers) for body in whole]
    unread = tenant.http.post(url, content=b"{", headers={**headers, "content-type": "application/json"})

    assert {name: answer.json()["id"] for name, answer in answers.items()} == {name: name for name in single}
    assert [answer.json()["id"] for answer in (*others, unread)] == [None] * 5
    assert {answer.status_code for answer in (*answers.values(), *others, unread)} == {429}


@pytest.mark.parametrize("path", ["", f"/chain/{CHAINS[0]}"])
@pytest.mark.parametrize("limit", ["requests_per_minute", "requests_per_month"])
def test_a_batch_above_the_limit_gets_no_retry_after(
    tenant: Tenant, redis_server: RedisServer, limit: str, path: str
) -> None:
    headers = add_key_header(redis_server, tenant, **{limit: 3})

    answer = tenant.http.post(tenant.url + path, json=[REQUEST] * 4, headers=headers)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (200, -32600)
    assert error["message"] == "batch: expected at most 3 entries for this key, got 4"
    assert error["data"] == {"reason": "batch_too_large"}
    assert "retry-after" not in answer.headers
    assert [answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining")] == ["3", "3"]
    assert len(tenant.http.post(tenant.url, json=[REQUEST] * 3, headers=headers).json()) == 3


def test_a_body_that_cannot_be_read_counts_as_one_request(tenant: Tenant, redis_server: RedisServer) -> None:
    headers = {**add_key_header(redis_server, tenant, requests_per_minute=2), "content-type": "application/json"}

    answers = [tenant.http.post(tenant.url, content=b"{", headers=headers) for _ in range(3)]

    assert [each.json()["error"]["code"] for each in answers] == [-32700, -32700, -32005]
    assert [each.headers["x-ratelimit-remaining"] for each in answers] == ["1", "0", "0"]


def test_a_key_is_accepted_in_three_locations_until_it_is_revoked(tenant: Tenant, redis_server: RedisServer) -> None:
    locations: list[tuple[str, dict[str, str]]] = [
        (f"/v2/{tenant.key}", {}),
        (f"/v2/{tenant.key}/", {}),
        ("", {"authorization": f"Bearer {tenant.key}"}),
        ("", {"x_api_key": tenant.key}),
        ("/v2/docs-demo", {"authorization": f"bearer {tenant.key}"}),
    ]
    assert {post_request(tenant.url, path, **headers) for path, headers in locations} == {(200, None)}

    async def revoke() -> None:
        async with RedisStore.open(redis_server.url) as store:
            await store.directory.revoke_key(derive_key_id(tenant.key), at=int(time.time()))

    asyncio.run(revoke())

    assert {post_request(tenant.url, path, **headers) for path, headers in locations} == {(401, "api_key_revoked")}


def chain_answer(tenant: Tenant, path: str, method: str, headers: dict[str, str]) -> tuple[int, str | None]:
    answer = tenant.http.post(tenant.url + path, json=entry(method), headers=headers)
    return answer.status_code, answer.json().get("error", {}).get("data", {}).get("reason")


def test_methods_of_the_chain_require_a_key_and_writes_a_read_write_key(
    tenant: Tenant, redis_server: RedisServer
) -> None:
    page = {"authorization": f"Bearer {create_token(tenant, CHECKSUMMED, *FOUR)}"}
    reader = add_key_header(redis_server, tenant, scope=KeyScope.READ)

    for path in ("", f"/chain/{CHAINS[0]}"):
        assert chain_answer(tenant, path, "eth_chainId", page) == (403, "insufficient_scope")
        assert chain_answer(tenant, path, "eth_chainId", tenant.headers) == (200, None)
        assert chain_answer(tenant, path, "evm_mine", reader) == (403, "key_scope")
        assert tenant.http.post(tenant.url + path, json=entry("evm_mine", number=9), headers=reader).json()["id"] == 9
        assert chain_answer(tenant, path, "evm_mine", tenant.headers) == (200, None)
    assert chain_answer(tenant, "", "eth_chainId", reader) == (200, None)
