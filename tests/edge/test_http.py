"""The HTTP rules: which path, which verb, which media type, which size, and what a web page may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from tests.edge.sample import SECRET, browser, door, request
from wallet_rpc.edge.guard import BODY_BYTES, BodyLimit, LastResort
from wallet_rpc.edge.http import application, wallet

PING = request("ping", id=0)
PONG = {"jsonrpc": "2.0", "result": None, "id": 0}


@pytest.mark.parametrize("path", ["/", "/?chainId=8453", "/v2", "/v2/", "/v2/some-key", "/v2/some-key/?a=b&a=c"])
async def test_the_wallet_answers_on_every_path_of_the_clients(path: str) -> None:
    async with browser() as client:
        response = await client.post(path, json=PING)

    assert (response.status_code, response.json()) == (200, PONG)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/v3", "/v2/a/b", "/chain/1", "/../etc"])
async def test_another_path_is_not_there(path: str) -> None:
    async with browser() as client:
        response = await client.post(path, json=PING)

    assert response.status_code == 404
    assert response.json()["error"]["data"] == {"reason": "no_such_path"}
    assert response.json()["id"] is None


async def test_a_second_door_stands_at_a_path_of_its_own() -> None:
    async def chain(body: bytes) -> bytes:
        return b'"chain"'

    async with browser(application({**wallet(door().answer), "/chain/{id}": chain})) as client:
        responses = [await client.post(path, json=PING) for path in ("/chain/31337", "/chain/31337/")]

    assert [response.json() for response in responses] == ["chain", "chain"]


async def test_an_error_of_json_rpc_has_status_200() -> None:
    async with browser() as client:
        response = await client.post("/", content=b"{", headers={"content-type": "application/json"})

    assert response.status_code == 200
    assert response.json()["error"]["code"] == -32700


async def test_notifications_alone_are_answered_with_204_and_no_body() -> None:
    async with browser() as client:
        response = await client.post("/", json=[request("ping"), request("ping")])

    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/json;charset=utf8; x=y",
        "application/json-rpc",
        "application/jsonrequest",
        None,
    ],
)
async def test_json_is_taken_by_any_of_its_names_or_none(kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}

    async with browser() as client:
        response = await client.post("/", content=b'{"jsonrpc":"2.0","method":"ping","id":0}', headers=headers)

    assert response.json() == PONG


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_another_media_type_is_refused_with_415(headers: dict[str, str]) -> None:
    async with browser() as client:
        response = await client.post("/", content=b"{}", headers=headers)

    assert response.status_code == 415
    assert response.json()["error"]["data"] == {"reason": "unsupported_media_type"}


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "BREW"])
async def test_another_verb_is_refused_with_405_and_the_right_ones(verb: str) -> None:
    async with browser() as client:
        response = await client.request(verb, "/", json=PING)

    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


async def test_get_greets_at_the_root_and_is_refused_elsewhere() -> None:
    async with browser() as client:
        root, other = await client.get("/"), await client.get("/v2/some-key")

    assert (root.status_code, "POST JSON-RPC 2.0 here" in root.text) == (200, True)
    assert (other.status_code, other.headers["allow"]) == (405, "POST, OPTIONS")


async def test_options_without_an_origin_names_the_verbs() -> None:
    async with browser() as client:
        response = await client.options("/v2")

    assert (response.status_code, response.headers["allow"]) == (204, "POST, OPTIONS")


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


@pytest.mark.parametrize(("content", "status"), [(b"{}", 200), (b"x" * (BODY_BYTES + 1), 413)])
async def test_a_web_page_may_read_answers_and_refusals(content: bytes, status: int) -> None:
    async with browser() as client:
        response = await client.post("/", content=content, headers={"origin": "https://dapp.example"})

    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-expose-headers"] == "x-request-id"


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 1 << 16):
        yield b" " * min(1 << 16, size - start)


@pytest.mark.parametrize(("size", "status"), [(BODY_BYTES, 200), (BODY_BYTES + 1, 413)])
async def test_a_body_may_have_one_mebibyte_with_or_without_a_length(size: int, status: int) -> None:
    async with browser() as client:
        whole = await client.post("/", content=b" " * size)
        chunked = await client.post("/", content=_pieces(size))

    assert (whole.status_code, chunked.status_code) == (status, status)
    reason = "parse_error" if status == 200 else "body_too_large"
    assert {whole.json()["error"]["data"]["reason"], chunked.json()["error"]["data"]["reason"]} == {reason}


async def _serve(app: Any, messages: list[Message], *, stall: bool = False, headers: Any = ()) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        if not messages and stall:
            await asyncio.sleep(60)
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers), "query_string": b""}
    await app(scope, receive, send)
    return sent


async def test_a_body_that_stalls_is_refused_with_408() -> None:
    app = application(wallet(door().answer), body_seconds=0.02)

    sent = await _serve(app, [{"type": "http.request", "body": b"{", "more_body": True}], stall=True)

    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b"body_too_slow" in sent[1]["body"]


async def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    app = application(wallet(door().answer))

    sent = await _serve(app, [], stall=True, headers=[(b"content-length", str(BODY_BYTES + 1).encode())])

    assert sent[0]["status"] == 413


async def test_a_client_that_hangs_up_is_not_answered() -> None:
    app = application(wallet(door().answer))

    assert await _serve(app, [{"type": "http.request", "body": b"{", "more_body": True}]) == []


async def test_after_the_body_an_app_hears_what_the_connection_says() -> None:
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.extend([(await receive())["type"], (await receive())["type"]])

    await _serve(BodyLimit(app), [{"type": "http.request", "body": b"{}", "more_body": False}])

    assert heard == ["http.request", "http.disconnect"]


async def test_a_bug_of_the_http_code_is_an_incident_with_status_500() -> None:
    async def broken(body: bytes) -> bytes:
        raise RuntimeError(SECRET)

    with capture_logs() as logs:
        async with browser(application({"/": broken})) as client:
            response = await client.post("/", json=PING, headers={"origin": "https://dapp.example"})

    number = next(line["incident"] for line in logs if line["event"] == "incident")
    assert response.status_code == 500
    assert response.json()["error"]["message"] == f"internal error, incident {number}"
    assert "hunter2" not in response.text
    assert response.headers["access-control-allow-origin"] == "*"


async def test_a_bug_after_half_an_answer_cuts_the_connection() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError(SECRET)

    with capture_logs() as logs, pytest.raises(RuntimeError):
        await _serve(LastResort(broken), [])

    assert [line["event"] for line in logs] == ["incident"]


async def test_a_websocket_is_closed() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    await application(wallet(door().answer))(scope, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1000}]
