"""Health, readiness and the API document routes."""

from __future__ import annotations

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from tests.edge.sample import OPERATIONS, SECRET, Journal, browser, request
from wallet_rpc.edge.health import KEPT_SECONDS, Readiness, document_route, health_routes
from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.edge.openrpc import add_discovery


async def _check_ok() -> None:
    return None


async def _check_broken() -> None:
    raise ConnectionError(SECRET)


async def _check_stuck() -> None:
    await asyncio.sleep(60)


async def test_a_running_process_is_healthy() -> None:
    async with browser(build_app({}, routes=health_routes({"redis": _check_broken}))) as client:
        response = await client.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_server_is_ready_when_every_dependency_is() -> None:
    async with browser(build_app({}, routes=health_routes({"redis": _check_ok, "chain 1": _check_ok}))) as client:
        response = await client.get("/ready")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "parts": {"redis": "ok", "chain 1": "ok"}}


async def test_failing_dependencies_are_named_and_their_causes_are_only_logged() -> None:
    checks = {"redis": _check_broken, "chain 1": _check_stuck, "clock": _check_ok}
    started = time.monotonic()

    with capture_logs() as logs:
        async with browser(build_app({}, routes=health_routes(checks, seconds=0.02))) as client:
            response = await client.get("/ready")

    assert time.monotonic() - started < 30
    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "parts": {"redis": "unavailable", "chain 1": "timeout", "clock": "ok"},
    }
    causes = {line["part"]: line["why"] for line in logs if line["event"] == "not_ready"}
    assert causes == {"redis": "ConnectionError", "chain 1": "timeout"}
    assert "hunter2" not in str(logs) + response.text


async def test_readiness_is_cached_for_any_number_of_requests() -> None:
    checks_run, is_broken = 0, False

    async def part() -> None:
        nonlocal checks_run
        checks_run += 1
        await asyncio.sleep(0)
        if is_broken:
            raise ConnectionError

    async with browser(build_app({}, routes=health_routes({"redis": part}, kept_seconds=3600))) as client:
        statuses = {(await client.get("/ready")).status_code for _ in range(20)}
        is_broken = True
        responses = await asyncio.gather(*(client.get("/ready") for _ in range(20)))

    assert (checks_run, statuses, {answer.status_code for answer in responses}) == (1, {200}, {200})


@pytest.mark.parametrize("is_ok", [True, False])
async def test_readiness_is_checked_again_after_the_cache_time(is_ok: bool) -> None:
    checks_run = 0

    async def part() -> None:
        nonlocal checks_run
        checks_run += 1
        if not is_ok:
            raise ConnectionError

    readiness = Readiness({"redis": part}, seconds=30, kept_seconds=0)
    states = [await readiness.states() for _ in range(3)]

    assert (checks_run, states) == (3, [{"redis": "ok" if is_ok else "unavailable"}] * 3)


async def test_concurrent_requests_share_one_readiness_check() -> None:
    checks_run, go = 0, asyncio.Event()

    async def part() -> None:
        nonlocal checks_run
        checks_run += 1
        await go.wait()

    readiness = Readiness({"redis": part}, seconds=30, kept_seconds=0)
    impatient, *patient = [asyncio.create_task(readiness.states()) for _ in range(20)]
    await asyncio.sleep(0)
    impatient.cancel()
    go.set()

    assert await asyncio.gather(*patient) == [{"redis": "ok"}] * 19
    assert checks_run == 1


def test_readiness_is_cached_for_one_second() -> None:
    assert KEPT_SECONDS == 1


@pytest.mark.parametrize("path", ["/health", "/ready", "/openrpc.json"])
async def test_health_routes_accept_only_get(path: str) -> None:
    routes = [*health_routes({}), document_route({})]

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

    assert by_path.json() == by_method.json()["result"] == document


async def test_an_unknown_path_is_never_a_redirect() -> None:
    async with browser(build_app({}, routes=health_routes({}))) as client:
        response = await client.get("/health/")

    assert response.status_code == 404
