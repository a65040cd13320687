"""Which credentials an open server holds its callers to."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from tests.tenants.acceptance import CHECKSUMMED, FOUR, entry, minted
from tests.tenants.granting import CHAINS
from tests.tenants.tenant import Tenant, new_key
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import KeyScope, key_id

ASKED = entry("wallet_getCapabilities", "0x" + "11" * 20)
UNKNOWN = "wrk_" + "A" * 43


def asked(url: str, path: str = "", **headers: str) -> tuple[int, str | None]:
    """The status, and the reason of an error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = httpx2.post(url + path, json=ASKED, headers=named)
    return answer.status_code, answer.json().get("error", {}).get("data", {}).get("reason")


@pytest.mark.parametrize("path", ["", "/v2", "/v2/docs-demo", "/v2/any.json.token"])
@pytest.mark.parametrize("authorization", ["Bearer any-word", "Bearer any.json.token", "Bearer", "Basic dXNlcjpwYXNz"])
def test_a_made_up_key_is_taken_for_none(tenants_url: str, path: str, authorization: str) -> None:
    assert asked(tenants_url, path) == (200, None)
    assert asked(tenants_url, path, authorization=authorization) == (200, None)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/v2/{UNKNOWN}", {}),
        ("", {"authorization": f"Bearer {UNKNOWN}"}),
        ("", {"x_api_key": UNKNOWN}),
        ("", {"x_api_key": "any-word"}),
        ("", {"x_api_key": ""}),
        ("/v2/docs-demo", {"x_api_key": "any-word"}),
    ],
)
def test_a_key_that_is_meant_as_ours_must_hold(tenants_url: str, path: str, headers: dict[str, str]) -> None:
    assert asked(tenants_url, path, **headers) == (401, "api_key_invalid")


@pytest.mark.parametrize("token", ["eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.AAAA"])
def test_a_token_must_hold(tenants_url: str, tenant: Tenant, token: str) -> None:
    bearer = f"Bearer {token}"

    assert asked(tenants_url, authorization=bearer) == (401, "session_token_invalid")
    assert asked(tenants_url, f"/v2/{tenant.key}", authorization=bearer) == (401, "session_token_invalid")
    assert asked(tenants_url, authorization=bearer, x_api_key=tenant.key) == (401, "session_token_invalid")


def test_a_key_is_taken_in_three_places_until_it_is_revoked(tenant: Tenant, redis_server: RedisServer) -> None:
    places: list[tuple[str, dict[str, str]]] = [
        (f"/v2/{tenant.key}", {}),
        (f"/v2/{tenant.key}/", {}),
        ("", {"authorization": f"Bearer {tenant.key}"}),
        ("", {"x_api_key": tenant.key}),
        ("/v2/docs-demo", {"authorization": f"bearer {tenant.key}"}),
    ]
    assert {asked(tenant.url, path, **headers) for path, headers in places} == {(200, None)}

    async def revoke() -> None:
        async with RedisStore.open(redis_server.url) as store:
            await store.directory.revoke_key(key_id(tenant.key), at=int(time.time()))

    asyncio.run(revoke())

    assert {asked(tenant.url, path, **headers) for path, headers in places} == {(401, "api_key_revoked")}


def chain_answer(tenant: Tenant, path: str, method: str, headers: dict[str, str]) -> tuple[int, str | None]:
    answer = tenant.http.post(tenant.url + path, json=entry(method), headers=headers)
    return answer.status_code, answer.json().get("error", {}).get("data", {}).get("reason")


def test_the_chains_own_methods_are_for_keys_and_their_writes_for_those_that_write(
    tenant: Tenant, redis_server: RedisServer
) -> None:
    page = {"authorization": f"Bearer {minted(tenant, CHECKSUMMED, *FOUR)}"}
    key, kept = new_key(tenant.organization, scope=KeyScope.READ)

    async def keep() -> None:
        async with RedisStore.open(redis_server.url) as store:
            await store.directory.add_key(kept)

    asyncio.run(keep())
    reader = {"x-api-key": key}

    for path in ("", f"/chain/{CHAINS[0]}"):
        assert chain_answer(tenant, path, "eth_chainId", page) == (403, "insufficient_scope")
        assert chain_answer(tenant, path, "eth_chainId", tenant.headers) == (200, None)
        assert chain_answer(tenant, path, "evm_mine", reader) == (403, "key_scope")
        assert chain_answer(tenant, path, "evm_mine", tenant.headers) == (200, None)
    assert chain_answer(tenant, "", "eth_chainId", reader) == (200, None)
