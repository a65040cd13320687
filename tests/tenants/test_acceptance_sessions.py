"""Acceptance table of the two REST APIs, rows 3 to 5: organisation sessions over real HTTP.

Row 7 is a grant format of another kind of account: it is recognised and rejected by name.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.api_keys import issue_api_key
from tests.support.constants import CHAINS, FRIEND
from tests.support.keys import new_key, random_signature
from tests.support.wallet import Wallet
from tests.tenants.acceptance import (
    CHECKSUMMED,
    SOLANA,
    create_token,
)
from tests.tenants.granting import grant_sessions
from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import KeyScope


def test_the_curl_of_the_seed_gets_every_missing_field(tenant: Tenant) -> None:
    headers = {"Authorization": f"Bearer {tenant.key}", "Content-Type": "application/json"}

    answer = tenant.http.post(tenant.url + tenant.sessions, content=b"{}", headers=headers)

    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, 400002)
    assert [detail["field"] for detail in body["details"]] == [
        "expiresAt",
        "installs",
        "policies",
        "sessionAddress",
        "walletId",
    ]
    assert {detail["message"] for detail in body["details"]} == {"is required"}
    assert body["requestId"] == answer.headers["x-request-id"]
    assert body["requestId"].startswith("req_")


def test_every_error_has_the_format_of_organisations(tenant: Tenant, other: Tenant) -> None:
    at = tenant.url + tenant.sessions
    unknown = f"{tenant.url}/v1/organizations/string/sessions"
    responses = {
        "no key": tenant.http.post(at, json={}),
        "unknown": tenant.http.post(unknown, json={}, headers=tenant.headers),
        "foreign": tenant.http.get(tenant.url + other.sessions, headers=tenant.headers),
        "list": tenant.http.get(at, headers=tenant.headers),
        "verb": tenant.http.put(at, json={}, headers=tenant.headers),
        "path": tenant.http.get(f"{tenant.url}/v1/organizations/x/y/z", headers=tenant.headers),
        "token": tenant.http.get(
            at, headers={"authorization": f"Bearer {create_token(tenant, SOLANA, 'wallet:read')}"}
        ),
    }

    assert {name: answer.status_code for name, answer in responses.items()} == {
        "no key": 401,
        "unknown": 404,
        "foreign": 404,
        "list": 200,
        "verb": 405,
        "path": 404,
        "token": 401,
    }
    assert responses["list"].json() == {"hasMore": False, "items": [], "limit": 20, "offset": 0}
    assert responses["unknown"].json()["code"] == responses["foreign"].json()["code"] == 404001
    assert responses["no key"].json()["code"] == 401001
    for name in set(responses) - {"list"}:
        assert set(responses[name].json()) == {"code", "message", "details", "requestId"}, name


async def test_a_read_only_key_may_list_and_no_more(tenant: Tenant, directory: RedisStore) -> None:
    key, record = issue_api_key(organization=tenant.organization, scope=KeyScope.READ)
    await directory.directory.add_key(record)
    reader = replace(tenant, key=key)

    assert reader.rest("GET", reader.sessions)[0] == 200
    assert reader.rest("POST", reader.sessions, {})[1]["code"] == 403001
    assert reader.rest("DELETE", f"{reader.sessions}/0x{'00' * 16}")[1]["code"] == 403001


def test_a_group_on_two_chains_is_registered_idempotently(tenant: Tenant) -> None:
    grants = grant_sessions(tenant)

    status, made = tenant.rest("POST", tenant.sessions, grants.body())
    again = tenant.rest("POST", tenant.sessions, grants.body())

    assert status == 200
    assert [part["chainId"] for part in made["sessions"]] == list(CHAINS)
    assert [part["id"] for part in made["sessions"]] == grants.session_ids
    assert made["sessionGroupId"].startswith("sgrp_")
    assert set(made) == {"createdAt", "sessionAddress", "sessionGroupId", "sessions", "walletId"}
    assert again == (200, made)


def swap_chains(body: dict[str, Any]) -> None:
    one, two = body["installs"]
    one["chainId"], two["chainId"] = two["chainId"], one["chainId"]


def repeat_chain(body: dict[str, Any]) -> None:
    body["installs"][1] = {**body["installs"][1], "chainId": body["installs"][0]["chainId"]}


def add_private_key(body: dict[str, Any]) -> None:
    blob = json.dumps({"permissionParams": {}, "a": [{"privateKey": "0x1"}]}).encode()
    body["installs"][0]["serialized"] = base64.b64encode(blob).decode()


def use_zerodev_grant(body: dict[str, Any]) -> None:
    blob = json.dumps({"permissionParams": {"permissionId": "0x01020304"}, "enableSignature": "0x"}).encode()
    body["installs"][0]["serialized"] = base64.b64encode(blob).decode()


def sign_with_other_key(body: dict[str, Any]) -> None:
    serialized = body["installs"][0]["serialized"]
    body["installs"][0]["serialized"] = serialized[: 2 + 34] + random_signature()[2:]


INVALID: list[tuple[str, Callable[[dict[str, Any]], Any], int]] = [
    ("25 installs", lambda body: body.update(installs=body["installs"][:1] * 25), 400002),
    ("no install", lambda body: body.update(installs=[]), 400002),
    ("a chain twice", repeat_chain, 400005),
    ("wrong signer", sign_with_other_key, 400007),
    ("swapped chains", swap_chains, 400008),
    ("a private key", add_private_key, 400011),
    ("a grant of another account kind", use_zerodev_grant, 400006),
    ("another key", lambda body: body.update(sessionAddress=new_key().address), 400008),
    (
        "an address with a wrong checksum",
        lambda body: body.update(sessionAddress=CHECKSUMMED.replace("aA", "AA")),
        400003,
    ),
    ("an unknown chain", lambda body: body["installs"][1].update(chainId=999), 400004),
    ("the past", lambda body: body.update(expiresAt="2020-01-01T00:00:00Z"), 400009),
    ("a far future", lambda body: body.update(expiresAt="2120-01-01T00:00:00Z"), 400009),
    ("a naive time", lambda body: body.update(expiresAt="2030-01-01T00:00:00"), 400002),
    ("other permissions", lambda body: body.update(policies={"permissions": [{"type": "gas-limit"}]}), 400008),
    ("a chain as a flag", lambda body: body["installs"][0].update(chainId=True), 400002),
]


@pytest.mark.parametrize(("change", "code"), [case[1:] for case in INVALID], ids=[case[0] for case in INVALID])
def test_an_invalid_registration_stores_nothing(
    tenant: Tenant, change: Callable[[dict[str, Any]], Any], code: int
) -> None:
    body = grant_sessions(tenant).body()
    change(body)

    status, answer = tenant.rest("POST", tenant.sessions, body)

    assert (status, answer["code"]) == (400, code), answer
    assert tenant.rest("GET", tenant.sessions)[1]["items"] == []


def test_an_unknown_wallet_is_not_found(tenant: Tenant) -> None:
    body = grant_sessions(tenant).body() | {"walletId": "11111111-2222-4333-8444-555555555555"}

    assert tenant.rest("POST", tenant.sessions, body)[1]["code"] == 404002


@pytest.mark.parametrize(("query", "code"), [("limit=0", 400010), ("limit=101", 400010), ("offset=-1", 400010)])
def test_an_invalid_page_is_rejected(tenant: Tenant, query: str, code: int) -> None:
    assert tenant.rest("GET", f"{tenant.sessions}?{query}")[1]["code"] == code


def test_sessions_are_paged(tenant: Tenant) -> None:
    made = [tenant.rest("POST", tenant.sessions, grant_sessions(tenant).body())[1] for _ in range(3)]

    _, full_list = tenant.rest("GET", f"{tenant.sessions}?limit=100")
    pages = [tenant.rest("GET", f"{tenant.sessions}?limit=1&offset={offset}")[1] for offset in range(6)]

    assert [page["hasMore"] for page in pages] == [True] * 5 + [False]
    assert [item for page in pages for item in page["items"]] == full_list["items"]
    assert {item["sessionGroupId"] for item in full_list["items"]} == {group["sessionGroupId"] for group in made}
    assert not full_list["hasMore"]


def test_revoking_one_session_of_a_group_leaves_the_other_chain(tenant: Tenant) -> None:
    grants = grant_sessions(tenant)
    tenant.rest("POST", tenant.sessions, grants.body())
    first, second = grants.session_ids

    status, revoked = tenant.rest("DELETE", f"{tenant.sessions}/{first}")

    assert (status, set(revoked)) == (200, {"id", "revokedAt"})
    assert revoked["id"] == first
    assert [item["id"] for item in tenant.rest("GET", tenant.sessions)[1]["items"]] == [second]
    assert tenant.rest("GET", f"{tenant.sessions}/{first}")[1]["status"] == "revoked"
    assert tenant.rest("GET", f"{tenant.sessions}/{second}")[1]["status"] == "active"
    error = tenant.rpc("wallet_prepareCalls", grants.calls(0))["error"]
    assert (error["code"], error["message"]) == (4100, "Session revoked")
    assert "result" in tenant.rpc("wallet_prepareCalls", grants.calls(1))
    assert tenant.rest("DELETE", f"{tenant.sessions}/{first}")[1]["code"] == 409001


def test_a_whole_group_is_revoked(tenant: Tenant, other: Tenant) -> None:
    grants = grant_sessions(tenant)
    group = tenant.rest("POST", tenant.sessions, grants.body())[1]["sessionGroupId"]

    assert other.rest("DELETE", f"{other.sessions}/{group}")[1]["code"] == 404003
    assert tenant.rest("DELETE", f"{tenant.sessions}/nonsense")[1]["code"] == 400002
    status, revoked = tenant.rest("DELETE", f"{tenant.sessions}/{group}")

    assert (status, revoked["id"]) == (200, group)
    assert {(part["id"], part["chainId"]) for part in revoked["sessions"]} == {
        (session_id, chain) for session_id, chain in zip(grants.session_ids, CHAINS, strict=True)
    }
    assert tenant.rest("DELETE", f"{tenant.sessions}/{group}")[1]["code"] == 409001
    assert tenant.rest("GET", tenant.sessions)[1]["items"] == []
    assert tenant.rest("GET", f"{tenant.sessions}/{group}")[1]["status"] == "revoked"


def test_calls_prepared_before_a_revocation_are_not_sent(tenant: Tenant) -> None:
    client = tenant.client()
    wallet = Wallet(client).fund(tokens=0)
    grants = grant_sessions(tenant, wallet)
    tenant.rest("POST", tenant.sessions, grants.body())
    before = client.balance(FRIEND)
    prepared = wallet.prepare({"to": FRIEND, "value": "0x1"}, permissions=grants.permissions(0))
    tenant.rest("DELETE", f"{tenant.sessions}/{grants.session_ids[0]}")

    response = tenant.rpc("wallet_sendPreparedCalls", wallet.sign(prepared, grants.key, grants.permissions(0)))

    assert (response["error"]["code"], response["error"]["message"]) == (4100, "Session revoked")
    assert client.balance(FRIEND) == before
