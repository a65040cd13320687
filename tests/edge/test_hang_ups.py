"""Clients that hang up, at any point of a request: no incident, no traceback and no line above `info` in the log."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

import pytest

from tests.edge.raw_http import Raw, chunked_post, head, post
from tests.edge.rest_sample import HOME
from tests.edge.test_drain import KEY, Draining, pause, request, serve

LARGE = {"jsonrpc": "2.0", "id": 1, "method": "large"}
WAITING = head(KEY, verb=b"GET", target=f"/v1/organizations/{HOME}/pause?name=org&seconds=0.3".encode())
BEFORE_A_REQUEST_RUNS = {
    "nothing": b"",
    "half a head": head()[:-4],
    "half a body": post()[:-5],
    "half a chunk": chunked_post()[:-20],
    "no body after the interim response": head(b"expect: 100-continue", b"content-length: 10"),
    "an unread body": head(b"content-length: 1000000", b"content-type: x") + b"unread",
    "nonsense": b"?",
}
WHILE_IT_RUNS = {
    "a call": request(pause("one", 0.3)),
    "a batch": request(*(pause(f"{each}", 0.3) for each in range(5))),
    "a REST call": WAITING,
    "pipelined requests": request(pause("one", 0.3)) + request(pause("two", 0.3)) + request(pause("three", 0.3)),
    "a request, then half of one": request(pause("one", 0.3)) + post()[:-3],
}


def hang_up(raw: Raw, *, resets: bool) -> None:
    """Close the connection, with a reset or without."""
    if resets:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.socket.close()


def assert_quiet(server: Draining) -> None:
    """End the server, and check its log."""
    with Raw(server.at) as other:
        assert other.send(post()).answer().status == 200
    server.signal()
    server.end()
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert {line["level"] for line in lines} == {"info"}, server.log()
    assert not any("incident" in line or "exception" in line for line in lines)


@pytest.mark.parametrize("resets", [False, True])
def test_a_client_may_hang_up_before_its_request_is_complete(tmp_path: Path, resets: bool) -> None:
    with serve(tmp_path) as server:
        for data in BEFORE_A_REQUEST_RUNS.values():
            raw = Raw(server.at).send(data)
            with Raw(server.at) as other:
                other.send(post()).answer()  # the server has read the data
            hang_up(raw, resets=resets)
        assert_quiet(server)


@pytest.mark.parametrize("resets", [False, True])
def test_a_client_may_hang_up_while_its_request_runs(tmp_path: Path, resets: bool) -> None:
    with serve(tmp_path) as server:
        for data in WHILE_IT_RUNS.values():
            raw = Raw(server.at).send(data)
            server.until("began ")
            server.lines.append("")
            hang_up(raw, resets=resets)
        assert_quiet(server)  # after the end of these requests


@pytest.mark.parametrize("resets", [False, True])
def test_a_client_may_hang_up_during_a_long_answer(tmp_path: Path, resets: bool) -> None:
    with serve(tmp_path) as server:
        for follows in (b"", request(pause("next", 0)), request(LARGE)):
            raw = Raw(server.at).send(request(LARGE) + follows)
            assert raw.socket.recv(1000)
            hang_up(raw, resets=resets)
        assert_quiet(server)
