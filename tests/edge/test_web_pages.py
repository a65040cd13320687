"""Calls from web pages: JSON-RPC and the routes of session tokens, from the origins that the operator lists."""

from __future__ import annotations

import pytest

from tests.edge.rest_sample import GOOD, NEW_TOKEN, OPERATIONS, THINGS, TOKENS, FakeAuthenticator
from tests.edge.sample import Journal, browser, dispatcher, request
from wallet_rpc.edge.guard import MAX_BODY_BYTES
from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.request_sources import Origins
from wallet_rpc.edge.rest import RestApi

PING = request("ping", id=0)


@pytest.mark.parametrize("path", ["/", "/v2/some-key"])
async def test_a_web_page_may_call_with_the_headers_of_the_clients(path: str) -> None:
    wanted = "authorization, content-type, alchemy-aa-sdk-version, x-api-key"
    headers = {
        "origin": "https://dapp.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": wanted,
    }

    async with browser() as client:
        response = await client.options(path, headers=headers)

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-headers"] == wanted
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-max-age"] == "86400"
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    ("origins", "granted"),
    [
        (Origins(allowed=("https://dapp.example",)), True),
        (Origins(allowed=("https://dapp.example", "https://other.example"), has_local=True), True),
        (Origins(), False),
        (Origins(allowed=(), has_local=True), False),
        (Origins(allowed=("https://other.example",)), False),
    ],
)
async def test_only_named_pages_of_the_public_network_may_call_a_server_in_a_private_one(
    origins: Origins, granted: bool
) -> None:
    headers = {
        "origin": "https://dapp.example",
        "access-control-request-method": "POST",
        "access-control-request-private-network": "true",
    }

    async with browser(build_app(wallet_handlers(dispatcher().dispatch), origins=origins)) as client:
        response = await client.options("/", headers=headers)

    assert (response.headers.get("access-control-allow-private-network") == "true") == granted
    assert (response.status_code == 200) == ("https://dapp.example" in origins)


@pytest.mark.parametrize("path", ["/", "/v2/some-key"])
@pytest.mark.parametrize("kind", [None, "", "text/plain", "text/plain; application/json", "multipart/form-data"])
async def test_a_page_needs_a_type_that_its_browser_asks_for_first(path: str, kind: str | None) -> None:
    headers = {"origin": "https://dapp.example", **({} if kind is None else {"content-type": kind})}

    async with browser() as client:
        refused = await client.post(path, content=b"{}", headers=headers)
        granted = await client.post(path, json=PING, headers={"origin": "https://dapp.example"})

    assert (refused.status_code, refused.json()["error"]["data"]["reason"]) == (415, "unsupported_media_type")
    assert granted.status_code == 200


@pytest.mark.parametrize(("content", "status"), [(b"{}", 200), (b"x" * (MAX_BODY_BYTES + 1), 413)])
async def test_a_web_page_may_read_answers_and_refusals(content: bytes, status: int) -> None:
    async with browser() as client:
        headers = {"origin": "https://dapp.example", "content-type": "application/json"}
        response = await client.post("/", content=content, headers=headers)

    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    exposed = "x-request-id, x-ratelimit-limit, x-ratelimit-remaining, retry-after"
    assert response.headers["access-control-expose-headers"] == exposed


@pytest.mark.parametrize(("origin", "granted"), [("https://dapp.example", True), ("https://evil.example", False)])
async def test_where_origins_are_named_only_their_pages_may_call(origin: str, granted: bool) -> None:
    app = build_app(
        wallet_handlers(dispatcher().dispatch),
        origins=Origins(allowed=("https://dapp.example", "https://other.example")),
    )

    async with browser(app) as client:
        asked = await client.options("/", headers={"origin": origin, "access-control-request-method": "POST"})
        read = await client.post("/", json=PING, headers={"origin": origin})

    assert (asked.headers.get("access-control-allow-origin") == origin) == granted
    assert (read.headers.get("access-control-allow-origin") == origin) == granted
    assert read.headers["vary"] == "Origin"


TOKEN = {"authorization": "Bearer a.b.c", "origin": "https://dapp.example"}


@pytest.mark.parametrize("path", [f"{TOKENS}/me", f"{TOKENS}/me/", "/v1/things/me"])
@pytest.mark.parametrize(
    ("origins", "granted"),
    [
        (Origins(allowed=("https://dapp.example",)), "https://dapp.example"),
        (Origins(), "*"),
        (Origins(allowed=("https://other.example",), has_local=True), None),
    ],
)
async def test_a_page_may_call_what_is_for_session_tokens(path: str, origins: Origins, granted: str | None) -> None:
    sides = RestApi(operations=OPERATIONS, context=Journal, authenticator=FakeAuthenticator()).build_mounts(origins)
    asked = {
        "origin": "https://dapp.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }

    async with browser(build_app({}, mounts=sides)) as client:
        preflight = await client.options(path, headers=asked)
        answers = [await client.get(path, headers=headers) for headers in (TOKEN, {**TOKEN, "authorization": "x"})]
        plain = await client.options(path)

    assert (preflight.status_code == 200) == (granted is not None)
    assert [answer.status_code for answer in answers] == [200, 401]
    for response in (preflight, *answers):
        assert response.headers.get("access-control-allow-origin") == granted
    assert (plain.status_code, plain.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(("verb", "path"), [("POST", TOKENS), ("DELETE", f"{TOKENS}/1"), ("GET", THINGS)])
async def test_a_page_may_not_call_what_is_for_keys(verb: str, path: str) -> None:
    sides = RestApi(operations=OPERATIONS, context=Journal, authenticator=FakeAuthenticator()).build_mounts()
    headers = {"origin": "https://dapp.example", "access-control-request-method": verb}

    async with browser(build_app({}, mounts=sides)) as client:
        answers = [
            await client.options(path, headers=headers),
            await client.request(verb, path, json=NEW_TOKEN, headers={**GOOD, "origin": "https://dapp.example"}),
        ]

    assert not [answer for answer in answers if "access-control-allow-origin" in answer.headers]
