"""Input after a head: bodies, pipelined requests, other protocols, and half-closed connections."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from starlette.types import Receive, Scope, Send

from tests.edge.raw_http import PING, Address, Raw, bytewise, chunked_post, head, pieces_of, post, serve_on_uvloop
from tests.edge.rest_sample import TOKENS, rest_app
from wallet_rpc.edge.guard import MAX_BODY_BYTES

PONG = {"jsonrpc": "2.0", "result": None, "id": 0}


HANDSHAKE = [
    b"connection: keep-alive, Upgrade",
    b"upgrade: WebSocket",
    b"sec-websocket-version: 13",
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
]


@pytest.fixture(scope="module")
def at() -> Iterator[Address]:
    with serve_on_uvloop(rest_app()) as address:
        yield address


@pytest.mark.parametrize("chunk", [None, 1, 1000])
def test_a_body_is_not_counted_as_a_head(at: Address, chunk: int | None) -> None:
    size = 40_000 if chunk == 1 else MAX_BODY_BYTES
    body = PING.ljust(size)
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces_of(body, chunk or size))
    request = post(body=body) if chunk is None else head(b"transfer-encoding: chunked") + framed + b"0\r\n\r\n"

    with Raw(at) as raw:
        assert raw.send(request).answer().json == PONG


def test_trailers_and_extensions_are_ignored(at: Address) -> None:
    with Raw(at) as raw:
        for request in (chunked_post(extension=b";a=b", trailers=[b"x-api-key: busy"]), chunked_post(), post()):
            assert raw.send(request).answer().json == PONG


def test_a_trailer_is_not_a_header_field(at: Address) -> None:
    body = b'{"wallet":"0x1"}'
    fields = [b"content-type: application/json"]
    without = status_of(at, chunked_post(*fields, body=body, trailers=[b"x-api-key: good"], target=TOKENS.encode()))
    with_key = status_of(
        at,
        chunked_post(*fields, b"x-api-key: good", body=body, trailers=[b"x-api-key: revoked"], target=TOKENS.encode()),
    )

    assert (without, with_key) == (401, 200)


def status_of(at: Address, request: bytes) -> int:
    with Raw(at) as raw:
        return raw.send(request).answer().status


def test_requests_in_one_packet_are_answered_in_order(at: Address) -> None:
    requests = [post(body=PING.replace(b"0}", b"%d}" % number)) for number in range(50)]

    with Raw(at) as raw:
        raw.send(b"".join(requests))
        answers = [raw.answer().json["id"] for _ in requests]

    assert answers == list(range(50))


def test_too_many_requests_in_one_packet_close_the_connection(at: Address) -> None:
    request = head(verb=b"GET")
    with Raw(at) as raw:
        with suppress(ConnectionError):
            raw.send(request * 20_000)
        received = raw.rest()

    assert 100 <= received.count(b"HTTP/1.1 200 ") <= 101
    assert received.count(b"connection: close") == 1


@pytest.mark.parametrize("verb", [b"POST", b"PUT", b"DELETE", b"GET"])
@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0, IRC/6.9"])
@pytest.mark.parametrize("make", [post, chunked_post])
def test_upgrade_of_a_request_with_a_body_is_ignored(
    at: Address, verb: bytes, protocol: bytes, make: Callable[..., bytes]
) -> None:
    fields = [
        b"connection: Upgrade, HTTP2-Settings",
        b"upgrade: " + protocol,
        b"http2-settings: AAEAAEAAAAIAAAABAAMAAABk",
    ]
    plain, upgraded = make(verb=verb), make(*fields, verb=verb)

    with Raw(at) as raw:
        expected = raw.send(plain).answer()
        answers = [raw.send(upgraded).answer(), raw.send(*bytewise(upgraded)).answer()]
        raw.send(upgraded + plain + upgraded)
        answers += [raw.answer() for _ in range(3)]

    assert [(answer.status, answer.body) for answer in answers] == [(expected.status, expected.body)] * 5


@pytest.mark.parametrize("fields", [[], [b"content-length: 0"]])
@pytest.mark.parametrize("verb", [b"POST", b"GET", b"OPTIONS"])
def test_upgrade_of_a_request_without_a_body_is_ignored(at: Address, verb: bytes, fields: list[bytes]) -> None:
    upgrade = [b"connection: upgrade", b"upgrade: h2c"] if verb == b"GET" else HANDSHAKE
    with Raw(at) as raw:
        expected = raw.send(head(*fields, verb=verb)).answer()
        answer = raw.send(head(*fields, *upgrade, verb=verb)).answer()

        assert (answer.status, answer.body) == (expected.status, expected.body)


def test_a_websocket_handshake_reaches_the_application() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})

    with serve_on_uvloop(app) as at, Raw(at) as raw:
        assert raw.send(head(*HANDSHAKE, verb=b"GET")).answer().status == 101


def test_a_websocket_handshake_waits_for_pending_requests(at: Address) -> None:
    with Raw(at) as raw:
        raw.send(post() + head(*HANDSHAKE, verb=b"GET") + post())
        answers = [raw.answer() for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert b"POST JSON-RPC 2.0 here" in answers[1].body


@pytest.mark.parametrize("requests", [1, 3])
@pytest.mark.parametrize("make", [post, chunked_post])
def test_a_client_that_half_closes_gets_its_responses(at: Address, requests: int, make: Callable[..., bytes]) -> None:
    with Raw(at) as raw:
        raw.send(make() * requests)
        raw.socket.shutdown(socket.SHUT_WR)
        answers = [raw.answer().json for _ in range(requests)]

        assert answers == [PONG] * requests
        assert raw.is_closed()


def test_a_client_that_half_closes_after_an_invalid_request_gets_the_error(at: Address) -> None:
    with Raw(at) as raw:
        raw.send(b"?")
        raw.socket.shutdown(socket.SHUT_WR)

        assert raw.answer().status == 400
        assert raw.is_closed()


@pytest.mark.parametrize("request_", [b"", head()[:-2], post()[:-1], chunked_post()[:-2]])
def test_a_client_that_half_closes_too_early_gets_no_response(at: Address, request_: bytes) -> None:
    with Raw(at) as raw:
        raw.send(request_)
        raw.socket.shutdown(socket.SHUT_WR)

        assert raw.is_closed()


def test_a_client_may_expect_100_continue(at: Address) -> None:
    with Raw(at) as raw:
        for _ in range(2):
            raw.send(head(b"expect: 100-continue", b"content-length: %d" % len(PING)))
            assert raw.answer().status == 100
            assert raw.send(PING).answer().json == PONG


@pytest.mark.parametrize(
    ("fields", "status"),
    [([b"content-length: %d" % (MAX_BODY_BYTES + 1)], 413), ([b"content-length: 9", b"content-type: x"], 415)],
)
def test_a_rejection_before_the_body_closes_the_connection(at: Address, fields: list[bytes], status: int) -> None:
    """The body may or may not follow, so further input would be ambiguous."""
    with Raw(at) as raw:
        answer = raw.send(head(b"expect: 100-continue", *fields)).answer()

        assert (answer.status, answer.headers["connection"]) == (status, "close")


def test_an_http_1_0_client_gets_no_100_continue(at: Address) -> None:
    with Raw(at) as raw:
        assert raw.send(post(b"expect: 100-continue", version=b"1.0")).answer().json == PONG
