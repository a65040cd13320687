"""The HTTP rules over a real socket: the server of `edge.listener` on 127.0.0.1."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx2
import pytest

from tests.edge.rest_sample import BODY_BYTES as REST_BYTES
from tests.edge.rest_sample import GOOD, NEW_TOKEN, OPERATIONS, THINGS, TOKENS, FakeAuthenticator
from tests.edge.sample import SECRET, Journal, dispatcher, request
from tests.support.thread_context import run_in_thread
from wallet_rpc.edge.connections import WAIT_SECONDS, ConnectionLimits, Wait
from wallet_rpc.edge.guard import MAX_BODY_BYTES
from wallet_rpc.edge.health import health_routes
from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.listener import serve_in_background
from wallet_rpc.edge.rest import RestApi


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    mounts = RestApi(operations=OPERATIONS, context=Journal, authenticator=FakeAuthenticator()).build_mounts()
    app = build_app(wallet_handlers(dispatcher().dispatch), routes=health_routes(dict), mounts=mounts)
    limits = ConnectionLimits(seconds={**WAIT_SECONDS, Wait.BODY: 1.0})
    with socket.create_server(("127.0.0.1", 0)) as at, run_in_thread(serve_in_background(app, at, limits=limits)):
        yield at.getsockname()


@pytest.fixture
def client(server: tuple[str, int]) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://{server[0]}:{server[1]}", timeout=10) as http:
        yield http


def test_one_connection_serves_request_after_request(client: httpx2.Client) -> None:
    answers = [client.post("/v2/key", json=request("sum", [number, 1], id=number)).json() for number in range(5)]

    assert [answer["result"] for answer in answers] == [1, 2, 3, 4, 5]


def test_a_batch_is_answered(client: httpx2.Client) -> None:
    response = client.post("/?chainId=1", json=[request("sum", [1, 2], id="a"), request("ping"), 7])

    assert [answer["id"] for answer in response.json()] == ["a", None]


def test_a_secret_does_not_leak(client: httpx2.Client) -> None:
    response = client.post("/", json=request("leak", id=1))

    assert response.status_code == 200
    assert SECRET not in response.text
    assert response.json()["error"]["data"]["reason"] == "internal_error"


def test_204_405_415_and_health(client: httpx2.Client) -> None:
    assert client.post("/", json=request("ping")).status_code == 204
    assert client.put("/", json={}).status_code == 405
    assert client.post("/", content="{}", headers={"content-type": "text/plain"}).status_code == 415
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_rejected_and_the_server_keeps_running(
    client: httpx2.Client, chunked: bool
) -> None:
    body = b"x" * (MAX_BODY_BYTES + 1)

    response = client.post("/", content=iter([body]) if chunked else body)

    assert response.status_code == 413
    assert response.json()["error"]["data"] == {"reason": "body_too_large"}
    assert client.post("/", json=request("ping", id=1)).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("headers", "status"), [({}, 401), (GOOD, 413)])
def test_a_body_that_was_not_read_does_not_spoil_the_connection(
    client: httpx2.Client, headers: dict[str, str], status: int, chunked: bool
) -> None:
    body = b"x" * 100 * REST_BYTES

    rejected = client.post(THINGS, content=iter([body]) if chunked else body, headers=headers)
    accepted = client.post(TOKENS, json=NEW_TOKEN, headers=GOOD)

    assert (rejected.status_code, rejected.json()["code"] // 1000) == (status, status)
    assert (accepted.status_code, accepted.json()) == (200, NEW_TOKEN)


@pytest.mark.parametrize("length", ["content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"])
@pytest.mark.parametrize(
    ("path", "code"),
    [("/", b'"reason":"body_too_slow"'), (THINGS, b'"code":408001'), (TOKENS, b'"error":"Request Timeout"')],
)
def test_a_body_that_stalls_is_rejected(server: tuple[str, int], path: str, code: bytes, length: str) -> None:
    with socket.create_connection(server, timeout=10) as raw:
        raw.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: good\r\n{length}".encode())
        answer = raw.recv(65536)
        while part := raw.recv(65536):  # until the server closes the connection
            answer += part

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close\r\n" in answer
    assert code in answer


def test_a_wrong_content_length_is_rejected(server: tuple[str, int]) -> None:
    with socket.create_connection(server, timeout=10) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999999\r\n\r\n{")
        answer = raw.recv(65536)

    assert answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))
