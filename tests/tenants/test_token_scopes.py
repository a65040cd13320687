"""Scopes of session tokens: a missing scope is reported before the parameters are checked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.standards import ask
from tests.support.keys import new_key
from tests.tenants.acceptance import TOKENS, create_token, entry
from tests.tenants.holding import token_client
from tests.tenants.tenant import Tenant
from wallet_rpc.domain.access import Scope
from wallet_rpc.operations.catalogue import OPERATIONS

CHAIN_METHODS = ["eth_chainId", "eth_getBalance", "eth_sendRawTransaction", "anvil_setBalance", "eth_sendUserOperation"]
FOR_TOKENS = {operation.name: operation.need.scopes for operation in OPERATIONS if operation.need.scopes}


@pytest.mark.parametrize("params", [[], [{}], [1, 2, 3], {"from": 7}], ids=str)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_scope_is_checked_before_parameters(tenant: Tenant, operation: Any, params: Any) -> None:
    is_stream = Scope.WALLET_STREAM in operation.need.scopes
    scope = Scope.TRANSACTIONS_SUBMIT if is_stream else Scope.WALLET_STREAM
    page = token_client(tenant, new_key().address, scope)
    answer = page.http.post(page.url, json={**entry(operation.name), "params": params}, headers=page.headers)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["data"]["statusCode"]) == (403, 4100, 403)
    assert error["message"].startswith("Insufficient scope: ")
    assert error["data"]["message"] == error["message"]
    assert "x-ratelimit-limit" in answer.headers


@pytest.mark.parametrize("method", FOR_TOKENS)
def test_with_the_scope_invalid_parameters_are_reported(tenant: Tenant, method: str) -> None:
    for scope in FOR_TOKENS[method]:
        page = token_client(tenant, new_key().address, scope)
        answer = page.http.post(page.url, json={**entry(method), "params": [7]}, headers=page.headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32602)


@pytest.mark.parametrize("path", ["", "/chain/31337"])
@pytest.mark.parametrize("method", CHAIN_METHODS)
def test_methods_of_the_chain_require_a_key(tenant: Tenant, method: str, path: str) -> None:
    page = token_client(tenant, new_key().address)
    answer = page.http.post(page.url + path, json=entry(method), headers=page.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, 4100)


def test_the_document_is_for_everyone(tenant: Tenant) -> None:
    assert ask(token_client(tenant, new_key().address, Scope.WALLET_STREAM), "rpc.discover")["openrpc"]


def test_a_request_with_a_token_and_a_key_has_the_tokens_rights(tenant: Tenant) -> None:
    page = token_client(tenant, new_key().address, Scope.WALLET_STREAM)
    body = entry("wallet_listAccounts", {"signerAddress": new_key().address})
    token_and_key = {**page.headers, **tenant.headers}

    for url, headers in ((page.url, token_and_key), (tenant.client().url, page.headers)):
        assert page.http.post(url, json=body, headers=headers).status_code == 403
    for verb, path in (("POST", TOKENS), ("GET", tenant.sessions)):
        response = page.http.request(
            verb, page.url + path, json={"walletAddress": new_key().address}, headers=token_and_key
        )
        assert response.status_code == 401


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {}"])
def test_the_scheme_is_read_in_any_letters(tenant: Tenant, form: str) -> None:
    token = create_token(tenant, new_key().address, "wallet:stream")
    described = tenant.http.get(f"{tenant.url}/v1/sessions/me", headers={"authorization": form.format(token)})
    assert (described.status_code, described.json()["scopes"]) == (200, ["wallet:stream"])


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer a.b", "Basic a.b.c", "Bearer a.b.c", "Bearer ..", "Bearer a.b.c.d"]
)
def test_an_invalid_token_is_not_described(tenant: Tenant, given: str) -> None:
    for headers in ({"authorization": given}, {"authorization": given, **tenant.headers}):
        response = tenant.http.get(f"{tenant.url}{TOKENS}/me", headers=headers)
        assert (response.status_code, response.json()) == (401, {"statusCode": 401, "message": "Invalid session token"})
