"""What a web page may do: call the JSON-RPC door, from where the operator lets it."""

from __future__ import annotations

import pytest

from tests.edge.sample import browser, door, request
from wallet_rpc.edge.guard import BODY_BYTES
from wallet_rpc.edge.http import application, wallet

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


async def test_a_page_of_the_public_network_may_call_a_server_on_its_own_machine() -> None:
    headers = {
        "origin": "https://dapp.example",
        "access-control-request-method": "POST",
        "access-control-request-private-network": "true",
    }

    async with browser() as client:
        response = await client.options("/", headers=headers)

    assert response.status_code == 200
    assert response.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize(("content", "status"), [(b"{}", 200), (b"x" * (BODY_BYTES + 1), 413)])
async def test_a_web_page_may_read_answers_and_refusals(content: bytes, status: int) -> None:
    async with browser() as client:
        response = await client.post("/", content=content, headers={"origin": "https://dapp.example"})

    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    exposed = "x-request-id, x-ratelimit-limit, x-ratelimit-remaining, retry-after"
    assert response.headers["access-control-expose-headers"] == exposed


@pytest.mark.parametrize(("origin", "granted"), [("https://dapp.example", True), ("https://evil.example", False)])
async def test_where_origins_are_named_only_their_pages_may_call(origin: str, granted: bool) -> None:
    app = application(wallet(door().reply), origins=["https://dapp.example", "https://other.example"])

    async with browser(app) as client:
        asked = await client.options("/", headers={"origin": origin, "access-control-request-method": "POST"})
        read = await client.post("/", json=PING, headers={"origin": origin})

    assert (asked.headers.get("access-control-allow-origin") == origin) == granted
    assert (read.headers.get("access-control-allow-origin") == origin) == granted
    assert read.headers["vary"] == "Origin"
