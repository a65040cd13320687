"""Health, readiness and the API document routes."""

from __future__ import annotations

import pytest

from tests.edge.sample import OPERATIONS, Journal, browser, request
from wallet_rpc.edge.health import document_route, health_routes
from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.edge.openrpc import add_discovery


async def test_a_running_process_is_healthy() -> None:
    async with browser(build_app({}, routes=health_routes(lambda: {"redis": "unavailable"}))) as client:
        response = await client.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_server_is_ready_while_every_dependency_is_ok() -> None:
    parts = {"redis": "ok", "chain 1": "ok"}

    async with browser(build_app({}, routes=health_routes(lambda: parts))) as client:
        ready = await client.get("/ready")
        parts["chain 1"] = "timeout"
        not_ready = await client.get("/ready")

    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "parts": {"redis": "ok", "chain 1": "ok"}})
    assert not_ready.status_code == 503
    assert not_ready.json() == {"status": "unavailable", "parts": {"redis": "ok", "chain 1": "timeout"}}


@pytest.mark.parametrize("path", ["/health", "/ready", "/openrpc.json"])
async def test_health_routes_accept_only_get(path: str) -> None:
    routes = [*health_routes(dict), document_route(dict)]

    async with browser(build_app({}, routes=routes)) as client:
        response = await client.post(path, json={})

    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_the_document_is_the_same_by_path_and_by_method() -> None:
    operations, document = add_discovery(OPERATIONS, version="0.1.0")
    app = build_app(wallet_handlers(JsonRpcDispatcher(operations, Journal).dispatch), routes=[document_route(document)])

    async with browser(app) as client:
        by_path = await client.get("/openrpc.json")
        by_method = await client.post("/", json=request("rpc.discover", id=1))

    assert by_path.json() == by_method.json()["result"] == document()


async def test_a_document_is_built_once_by_the_first_request() -> None:
    built: list[dict[str, str]] = []

    def build() -> dict[str, str]:
        built.append({"number": str(len(built))})
        return built[-1]

    app = build_app({}, routes=[document_route(build)])
    assert built == []
    async with browser(app) as client:
        answers = [(await client.get("/openrpc.json")).json() for _ in range(2)]

    assert answers == [{"number": "0"}] * 2


async def test_an_unknown_path_is_never_a_redirect() -> None:
    async with browser(build_app({}, routes=health_routes(dict))) as client:
        response = await client.get("/health/")

    assert response.status_code == 404
