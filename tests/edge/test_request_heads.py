"""Heads of requests: size limits, rejections and their messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tests.edge.raw_http import (
    PING,
    Address,
    Answer,
    Raw,
    bytewise,
    chunked_post,
    head,
    pieces_of,
    post,
    serve_on_uvloop,
)
from tests.edge.rest_sample import THINGS, TOKENS, rest_app
from wallet_rpc.edge.request_parser import HEAD_BYTES, HEADER_FIELDS, TARGET_BYTES

PONG = {"jsonrpc": "2.0", "result": None, "id": 0}
HOST_FIELDS = 2
"""`host` and `content-length`, which every request of this module has."""


@pytest.fixture(scope="module")
def at() -> Iterator[Address]:
    with serve_on_uvloop(rest_app()) as address:
        yield address


def send_request(at: Address, *pieces: bytes) -> Answer:
    """Send one request and return the response; check that a rejection closes the connection."""
    with Raw(at) as raw:
        answer = raw.send(*pieces).answer()
        assert (answer.headers.get("connection") == "close") == (answer.status != 200)
        assert answer.status == 200 or raw.is_closed()
        assert "x-request-id" in answer.headers
        return answer


def padded_request(size: int) -> bytes:
    """Build a request whose head has this size."""
    spare = size - len(post(b"x-pad: ")) + len(PING)
    return post(b"x-pad: " + b"a" * spare)


@pytest.mark.parametrize("first", [b"", post()], ids=["alone", "behind another in the same packet"])
@pytest.mark.parametrize("piece", [1 << 20, 1000], ids=["whole", "in pieces"])
@pytest.mark.parametrize(("size", "status"), [(HEAD_BYTES, 200), (HEAD_BYTES + 1, 431), (3 * HEAD_BYTES, 431)])
def test_a_head_may_have_32_kib(at: Address, size: int, status: int, piece: int, first: bytes) -> None:
    request = first + padded_request(size)

    with Raw(at) as raw:
        raw.send(*pieces_of(request, piece))
        answers = [raw.answer() for _ in range(2 if first else 1)]

    assert answers[-1].status == status
    assert answers[0].json == PONG or not first
    assert status == 200 or answers[-1].reason == "head_too_large"


@pytest.mark.parametrize(("size", "status"), [(TARGET_BYTES, 200), (TARGET_BYTES + 1, 414), (9 * TARGET_BYTES, 414)])
def test_a_target_may_have_8_kib(at: Address, size: int, status: int) -> None:
    request = post(target=b"/?" + b"a" * (size - 2))

    answers = [send_request(at, request), send_request(at, *pieces_of(request, 100))]

    assert [answer.status for answer in answers] == [status, status]
    assert status == 200 or {answer.reason for answer in answers} == {"target_too_long"}


@pytest.mark.parametrize(("fields", "status"), [(HEADER_FIELDS, 200), (HEADER_FIELDS + 1, 431), (HEAD_BYTES // 8, 431)])
def test_a_head_may_have_128_fields(at: Address, fields: int, status: int) -> None:
    request = post(*[b"a: b"] * (fields - HOST_FIELDS))

    assert send_request(at, request).status == send_request(at, request[:-100], request[-100:]).status == status


ENDLESS = b"x" * (3 * HEAD_BYTES)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + ENDLESS, 431),  # an endless name
        (b"GET / HTTP/1.1\r\na: " + ENDLESS, 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1000, 431),
        (b"GET / HTTP/1.1\r\na:" + b" " * len(ENDLESS), 431),
        (b"\r\n" * HEAD_BYTES, 400),  # only empty lines
        (ENDLESS, 400),  # an endless method
        (b"GET http://" + b"a" * TARGET_BYTES, 414),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;" + ENDLESS, 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + ENDLESS, 400),
    ],
    ids=["name", "value", "fields", "spaces", "empty lines", "method", "authority", "extension", "trailer"],
)
def test_endless_input_is_rejected_and_the_connection_closed(at: Address, request_: bytes, status: int) -> None:
    assert [send_request(at, request_).status, send_request(at, *pieces_of(request_, 4000)).status] == [status, status]


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nhost: x\n\n",
        head(b"a: b\r\n c"),  # folded over two lines
        head(b"a: b\0c"),
        head(b"a : b"),
        head(b": b"),
        head(b"content-length: 1", b"content-length: 2"),
        head(b"content-length: 1", b"content-length: 1"),
        head(b"content-length: 1", b"transfer-encoding: chunked"),
        head(b"transfer-encoding: chunked", b"content-length: 1"),
        head(b"transfer-encoding: gzip"),
        head(b"transfer-encoding: chunked, identity"),
        head(b"content-length: +1"),
        head(b"content-length: 0x1"),
        head(b"content-length: 99999999999999999999"),
        head(target=b"/\xc3\xa9"),
        head(target=b"/a b"),
        head(target=b"http://:::/"),
        chunked_post()[:-5] + b"x\r\n",
        head(b"transfer-encoding: chunked") + b"-1\r\n",
        head(b"transfer-encoding: chunked") + b"2\r\n{}x",
    ],
)
def test_malformed_http_is_rejected_in_json(at: Address, request_: bytes) -> None:
    answers = [send_request(at, request_), send_request(at, *bytewise(request_))]

    assert [(answer.status, answer.reason) for answer in answers] == [(400, "malformed_http")] * 2


@pytest.mark.parametrize("path", ["/", THINGS, TOKENS])
@pytest.mark.parametrize("status", [400, 414, 431])
def test_a_rejection_has_the_error_format_of_its_path(at: Address, path: str, status: int) -> None:
    fields, query = ENDLESS if status == 431 else b"?", ENDLESS if status == 414 else b""

    answer = send_request(at, b"GET %s?%s HTTP/1.1\r\n%s" % (path.encode(), query, fields))

    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    if path == "/":
        assert (answer.json["error"]["code"], answer.json["id"]) == (-32600, None)
    elif path == THINGS:
        assert answer.json["code"] == {400: 400012, 414: 414000, 431: 431000}[status]
        assert answer.json["requestId"] == answer.headers["x-request-id"]
    else:
        words = {400: "Bad Request", 414: "URI Too Long", 431: "Request Header Fields Too Large"}
        assert (answer.json["statusCode"], answer.json["error"]) == (status, words[status])


def test_a_web_page_can_read_a_rejection(at: Address) -> None:
    answer = send_request(at, head(b"origin: https://dapp.example", b"x: " + ENDLESS))

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (431, "*")


def test_a_rejected_client_may_send_a_mebibyte_more_and_can_read_the_response(at: Address) -> None:
    size = 64 << 20
    with Raw(at) as raw:
        with pytest.raises(ConnectionError):
            raw.send(head()[:-2] + b"x: " + b"a" * size)
        received = raw.rest()

    assert received.startswith(b"HTTP/1.1 431 ")


def test_a_rejection_waits_for_earlier_responses(at: Address) -> None:
    with Raw(at) as raw:
        raw.send(post() * 3 + b"GARBAGE\r\n\r\n" + post())
        answers = [raw.answer() for _ in range(4)]
        assert raw.is_closed()

    assert [answer.status for answer in answers] == [200, 200, 200, 400]


def test_a_connect_request_is_rejected(at: Address) -> None:
    answer = send_request(at, b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n")

    assert (answer.status, answer.reason) == (405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("field", "version"), [(b"x: y", b"1.0"), (b"connection: keep-alive", b"1.0"), (b"connection: close", b"1.1")]
)
def test_a_connection_without_keep_alive_is_closed(at: Address, field: bytes, version: bytes) -> None:
    with Raw(at) as raw:
        answer = raw.send(post(field, version=version)).answer()

        assert (answer.json, answer.headers["connection"]) == (PONG, "close")
        assert raw.is_closed()


@pytest.fixture(scope="module")
def echo() -> Iterator[Address]:
    """Serve an application that returns the path and all hosts that it receives."""

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        hosts = [value.decode() for name, value in scope["headers"] if name == b"host"]
        await JSONResponse([scope["path"], *hosts])(scope, _, send)

    with serve_on_uvloop(app) as address:
        yield address


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"/a?b", "/a", "localhost"),
        (b"http://evil.example/a?b", "/a", "evil.example"),
        (b"http://user:word@evil.example:80", "/", "evil.example:80"),
        (b"http://[::1]:4337?b", "/", "[::1]:4337"),
        (b"//evil.example/a", "//evil.example/a", "localhost"),
        (b"/%61%2e", "/a.", "localhost"),
    ],
)
def test_the_host_of_an_absolute_url_takes_precedence_over_the_field(
    echo: Address, target: bytes, path: str, host: str
) -> None:
    with Raw(echo) as raw:
        assert raw.send(head(verb=b"GET", target=target)).answer().json == [path, host]
