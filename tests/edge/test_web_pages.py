"""Requests from web pages: JSON-RPC and the routes for session tokens, from the origins that the operator names."""

from __future__ import annotations

import pytest

from tests.edge.rest_sample import GOOD, NEW_TOKEN, OPERATIONS, THINGS, TOKENS, FakeAuthenticator
from tests.edge.sample import Journal, browser, dispatcher, request
from wallet_rpc.edge.guard import MAX_BODY_BYTES
from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.request_sources import Origins, Sources
from wallet_rpc.edge.rest import RestApi

PING = request("ping", id=0)


@pytest.mark.parametrize("path", ["/", "/v2/some-key"])
async def test_a_web_page_may_call_with_the_headers_of_the_clients(path: str) -> None:
    requested_headers = "authorization, content-type, alchemy-aa-sdk-version, x-api-key"
    headers = {
        "origin": "https://dapp.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": requested_headers,
    }

    async with browser() as client:
        response = await client.options(path, headers=headers)

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-headers"] == requested_headers
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-max-age"] == "86400"
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    ("origins", "is_granted"),
    [
        (Origins(allowed=("https://dapp.example",)), True),
        (Origins(allowed=("https://dapp.example", "https://other.example"), has_local=True), True),
        (Origins(), False),
        (Origins(allowed=(), has_local=True), False),
        (Origins(allowed=("https://other.example",)), False),
    ],
)
async def test_only_named_pages_of_the_public_network_may_call_a_server_in_a_private_one(
    origins: Origins, is_granted: bool
) -> None:
    headers = {
        "origin": "https://dapp.example",
        "access-control-request-method": "POST",
        "access-control-request-private-network": "true",
    }

    app = build_app(wallet_handlers(dispatcher().dispatch), sources=Sources(are_checked=False, origins=origins))
    async with browser(app) as client:
        response = await client.options("/", headers=headers)

    assert (response.headers.get("access-control-allow-private-network") == "true") == is_granted
    assert (response.status_code == 200) == ("https://dapp.example" in origins)


@pytest.mark.parametrize("path", ["/", "/v2/some-key"])
@pytest.mark.parametrize("kind", [None, "", "text/plain", "text/plain; application/json", "multipart/form-data"])
async def test_a_web_page_needs_a_content_type_with_a_preflight(path: str, kind: str | None) -> None:
    headers = {"origin": "https://dapp.example", **({} if kind is None else {"content-type": kind})}

    async with browser() as client:
        rejected = await client.post(path, content=b"{}", headers=headers)
        accepted = await client.post(path, json=PING, headers={"origin": "https://dapp.example"})

    assert (rejected.status_code, rejected.json()["error"]["data"]["reason"]) == (415, "unsupported_media_type")
    assert accepted.status_code == 200


@pytest.mark.parametrize(("content", "status"), [(b"{}", 200), (b"x" * (MAX_BODY_BYTES + 1), 413)])
async def test_a_web_page_may_read_responses_and_rejections(content: bytes, status: int) -> None:
    async with browser() as client:
        headers = {"origin": "https://dapp.example", "content-type": "application/json"}
        response = await client.post("/", content=content, headers=headers)

    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    exposed = "x-request-id, x-ratelimit-limit, x-ratelimit-remaining, retry-after"
    assert response.headers["access-control-expose-headers"] == exposed


@pytest.mark.parametrize(("origin", "is_granted"), [("https://dapp.example", True), ("https://evil.example", False)])
async def test_only_pages_of_named_origins_may_call(origin: str, is_granted: bool) -> None:
    app = build_app(
        wallet_handlers(dispatcher().dispatch),
        sources=Sources(are_checked=False, origins=Origins(allowed=("https://dapp.example", "https://other.example"))),
    )

    async with browser(app) as client:
        preflight = await client.options("/", headers={"origin": origin, "access-control-request-method": "POST"})
        read = await client.post("/", json=PING, headers={"origin": origin})

    assert (preflight.headers.get("access-control-allow-origin") == origin) == is_granted
    assert (read.headers.get("access-control-allow-origin") == origin) == is_granted
    assert read.headers["vary"] == "Origin"


TOKEN = {"authorization": "Bearer a.b.c", "origin": "https://dapp.example"}


@pytest.mark.parametrize("path", [f"{TOKENS}/me", f"{TOKENS}/me/", "/v1/things/me"])
@pytest.mark.parametrize(
    ("origins", "allowed_origin"),
    [
        (Origins(allowed=("https://dapp.example",)), "https://dapp.example"),
        (Origins(), "*"),
        (Origins(allowed=("https://other.example",), has_local=True), None),
    ],
)
async def test_a_web_page_may_call_routes_for_session_tokens(
    path: str, origins: Origins, allowed_origin: str | None
) -> None:
    mounts = RestApi(operations=OPERATIONS, context=Journal, authenticator=FakeAuthenticator()).build_mounts(origins)
    preflight_headers = {
        "origin": "https://dapp.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }

    async with browser(build_app({}, mounts=mounts)) as client:
        preflight = await client.options(path, headers=preflight_headers)
        answers = [await client.get(path, headers=headers) for headers in (TOKEN, {**TOKEN, "authorization": "x"})]
        plain = await client.options(path)

    assert (preflight.status_code == 200) == (allowed_origin is not None)
    assert [answer.status_code for answer in answers] == [200, 401]
    for response in (preflight, *answers):
        assert response.headers.get("access-control-allow-origin") == allowed_origin
    assert (plain.status_code, plain.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(("verb", "path"), [("POST", TOKENS), ("DELETE", f"{TOKENS}/1"), ("GET", THINGS)])
async def test_a_web_page_may_not_call_routes_for_keys(verb: str, path: str) -> None:
    mounts = RestApi(operations=OPERATIONS, context=Journal, authenticator=FakeAuthenticator()).build_mounts()
    headers = {"origin": "https://dapp.example", "access-control-request-method": verb}

    async with browser(build_app({}, mounts=mounts)) as client:
        answers = [
            await client.options(path, headers=headers),
            await client.request(verb, path, json=NEW_TOKEN, headers={**GOOD, "origin": "https://dapp.example"}),
        ]

    assert not [answer for answer in answers if "access-control-allow-origin" in answer.headers]
