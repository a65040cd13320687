"""HTTP rules: paths, verbs, content types and body sizes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Message, Scope
from structlog.testing import capture_logs

from tests.edge.sample import SECRET, browser, dispatcher, request
from wallet_rpc.edge.envelope import Reply
from wallet_rpc.edge.guard import MAX_BODY_BYTES, ErrorMiddleware
from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.rpc_endpoint import jsonrpc_error_response
from wallet_rpc.errors import Forbidden, Unauthorized

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
async def test_an_unknown_path_is_not_found(path: str) -> None:
    async with browser() as client:
        response = await client.post(path, json=PING)

    assert response.status_code == 404
    assert response.json()["error"]["data"] == {"reason": "no_such_path"}
    assert response.json()["id"] is None


async def test_a_second_dispatcher_has_its_own_path() -> None:
    async def chain(body: bytes) -> Reply:
        return Reply(b'"chain"')

    async with browser(build_app({**wallet_handlers(dispatcher().dispatch), "/chain/{id}": chain})) as client:
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
async def test_json_is_accepted_with_any_of_its_content_types_or_none(kind: str | None) -> None:
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
async def test_another_content_type_is_rejected_with_415(headers: dict[str, str]) -> None:
    async with browser() as client:
        response = await client.post("/", content=b"{}", headers=headers)

    assert response.status_code == 415
    assert response.json()["error"]["data"] == {"reason": "unsupported_media_type"}


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "BREW"])
async def test_another_verb_is_rejected_with_405_and_the_allowed_ones(verb: str) -> None:
    async with browser() as client:
        response = await client.request(verb, "/", json=PING)

    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


async def test_get_returns_a_greeting_at_the_root_and_is_rejected_elsewhere() -> None:
    async with browser() as client:
        root, other = await client.get("/"), await client.get("/v2/some-key")

    assert (root.status_code, "POST JSON-RPC 2.0 here" in root.text) == (200, True)
    assert (other.status_code, other.headers["allow"]) == (405, "POST, OPTIONS")


async def test_options_without_an_origin_names_the_verbs() -> None:
    async with browser() as client:
        response = await client.options("/v2")

    assert (response.status_code, response.headers["allow"]) == (204, "POST, OPTIONS")


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 1 << 16):
        yield b" " * min(1 << 16, size - start)


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)])
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


async def test_a_body_with_a_large_content_length_is_rejected_unread() -> None:
    app = build_app(wallet_handlers(dispatcher().dispatch))

    sent = await _serve(app, [], stall=True, headers=[(b"content-length", str(MAX_BODY_BYTES + 1).encode())])

    assert sent[0]["status"] == 413


async def test_an_unauthenticated_request_is_rejected_before_its_body_is_read() -> None:
    async def reject(_: Scope) -> None:
        raise Unauthorized("API key required", reason="api_key_required")

    app = build_app(wallet_handlers(dispatcher().dispatch), authenticate=reject)

    sent = await _serve(app, [], stall=True, headers=[(b"content-length", str(MAX_BODY_BYTES + 1).encode())])

    assert sent[0]["status"] == 401
    assert (b"www-authenticate", b"Bearer") in sent[0]["headers"]
    assert b'"code":4100' in sent[1]["body"]


async def test_a_forbidden_request_is_not_challenged_for_a_credential() -> None:
    async def forbid(_: Scope) -> None:
        raise Forbidden("key scope does not allow this", reason="key_scope")

    async with browser(build_app(wallet_handlers(dispatcher().dispatch), authenticate=forbid)) as client:
        response = await client.post("/", json=PING)

    assert (response.status_code, response.json()["error"]["data"]["reason"]) == (403, "key_scope")
    assert "www-authenticate" not in response.headers


async def test_a_client_that_disconnects_gets_no_response() -> None:
    app = build_app(wallet_handlers(dispatcher().dispatch))

    assert await _serve(app, [{"type": "http.request", "body": b"{", "more_body": True}]) == []


async def test_a_mount_serves_all_requests_at_and_below_its_path() -> None:
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await Response(f"mount {scope['path']}")(scope, receive, send)

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await Response("inner")(scope, receive, send)

    app = build_app(wallet_handlers(dispatcher().dispatch), mounts={"/v1": mounted, "/v1/inner": inner})
    paths = ["/v1", "/v1/", "/v1/a", "/v1/inner", "/v1/inner/b", "/v1/inners", "/v11", "/v2"]
    async with browser(app) as client:
        responses = [(await client.get(path, headers={"origin": "https://dapp.example"})) for path in paths]

    results = [response.text if response.status_code == 200 else response.status_code for response in responses]
    assert results == ["mount /v1", "mount /v1/", "mount /v1/a", "inner", "inner", "mount /v1/inners", 404, 405]
    assert ["access-control-allow-origin" in response.headers for response in responses] == [False] * 6 + [True] * 2


async def test_an_unhandled_exception_is_an_incident_with_status_500() -> None:
    async def raise_error(body: bytes) -> Reply:
        raise RuntimeError(SECRET)

    with capture_logs() as logs:
        async with browser(build_app({"/": raise_error})) as client:
            response = await client.post("/", json=PING, headers={"origin": "https://dapp.example"})

    number = next(line["incident"] for line in logs if line["event"] == "incident")
    assert response.status_code == 500
    assert response.json()["error"]["message"] == f"internal error, incident {number}"
    assert "hunter2" not in response.text
    assert response.headers["access-control-allow-origin"] == "*"


async def test_an_exception_after_the_response_started_closes_the_connection() -> None:
    async def break_off(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError(SECRET)

    with capture_logs() as logs, pytest.raises(RuntimeError):
        await _serve(ErrorMiddleware(break_off, jsonrpc_error_response), [])

    assert [line["event"] for line in logs] == ["incident"]


async def test_a_websocket_is_closed() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    await build_app(wallet_handlers(dispatcher().dispatch))(scope, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1000}]
