"""Connections: the limits on their waits, and that `/health` is always served."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.edge.raw_http import Address, Answer, Raw, head, post, serve_on_uvloop
from tests.edge.sample import dispatcher
from tests.support.constants import LONGEST_SECONDS
from wallet_rpc.edge.connections import WAIT_SECONDS, ConnectionLimits, Wait
from wallet_rpc.edge.health import health_routes
from wallet_rpc.edge.http import build_app, wallet_handlers

ROOM = 8
SPARE = 2
LARGE = 12 << 20
"""More bytes than the kernel's buffers hold."""


class BusyApp:
    """An application whose POST waits for `go`, and whose `GET /large` has a large response."""

    def __init__(self) -> None:
        self.inner = build_app(wallet_handlers(dispatcher().dispatch), routes=health_routes(dict))
        self.running = 0
        self.go = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: ASGIApp = self.inner
        if scope["path"] == "/large":
            response = Response(b"x" * LARGE)
        elif scope["path"] == "/busy" and "wallet_rpc.rejection" not in scope:
            await _body(receive)
            self.running += 1
            while not self.go.is_set():  # noqa: ASYNC110  # set from another thread
                await asyncio.sleep(0.01)
            self.running -= 1
            response = PlainTextResponse("done")
        await response(scope, receive, send)


async def _body(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


def patient(**seconds: float) -> ConnectionLimits:
    """Build limits that no test reaches, except for those in the arguments."""
    named = {Wait[name]: value for name, value in seconds.items()}
    return ConnectionLimits(connections=ROOM, spare=SPARE, seconds={**dict.fromkeys(Wait, 3600.0), **named})


@pytest.fixture(scope="module")
def hasty() -> Iterator[Address]:
    """Serve with short limits on all waits except that for the next request."""
    with serve_on_uvloop(BusyApp(), patient(HEAD=0.3, BODY=0.3, REST=0.3, READING=0.3, CLOSE=0.3)) as at:
        yield at


def test_waits_have_documented_limits() -> None:
    assert (WAIT_SECONDS[Wait.HEAD], WAIT_SECONDS[Wait.BODY]) == (10, 10)
    assert set(WAIT_SECONDS) == set(Wait)


def test_a_silent_connection_is_closed(hasty: Address) -> None:
    with Raw(hasty) as silent, Raw(hasty) as other:
        assert other.send(b"\r\n\r\n").is_closed()
        assert silent.is_closed()


def test_an_incomplete_head_gets_an_error_and_the_connection_is_closed(hasty: Address) -> None:
    halves = [b"P", b"POST / HTTP/1.1\r\nhost: loc", head()[:-1]]
    with ExitStack() as clients:
        fresh, kept = ([clients.enter_context(Raw(hasty)) for _ in halves] for _ in range(2))
        for raw in kept:
            raw.send(post()).answer()
        for raw, half in zip((*fresh, *kept), halves * 2, strict=True):
            raw.send(half)
        for raw in (*fresh, *kept):
            answer = raw.answer()
            assert (answer.status, answer.reason, answer.headers["connection"]) == (408, "head_too_slow", "close")
            assert raw.is_closed()


def dribble(raw: Raw) -> None:
    """Send input without end. Raises: ConnectionError when the connection is closed."""
    for _ in range(10_000):
        raw.send(b"a")
        time.sleep(0.01)


def test_a_head_that_arrives_slowly_gets_no_more_time(hasty: Address) -> None:
    with Raw(hasty) as raw:
        raw.send(b"GET / HTTP/1.1\r\nx: ")
        with suppress(ConnectionError):
            dribble(raw)
        received = raw.rest()

    assert received.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_arrives_slowly_gets_no_more_time(hasty: Address) -> None:
    with Raw(hasty) as raw:
        raw.send(head(b"content-length: 1000000"))
        with suppress(ConnectionError):
            dribble(raw)
        received = raw.rest()

    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in received


def test_a_connection_may_be_idle_for_longer_than_a_head_may_take(hasty: Address) -> None:
    with Raw(hasty) as kept, Raw(hasty) as silent:
        kept.send(post()).answer()
        assert silent.is_closed()

        assert kept.send(post()).answer().status == 200


def test_an_idle_connection_is_closed_in_the_end() -> None:
    with serve_on_uvloop(BusyApp(), patient(NEXT=0.3)) as at, Raw(at) as raw:
        raw.send(post()).answer()
        raw.send(b"\r\n")

        assert raw.is_closed()


def test_a_body_whose_request_was_answered_must_end(hasty: Address) -> None:
    with Raw(hasty) as raw:
        assert raw.send(head(b"content-length: 1000000", b"content-type: x")).answer().status == 415
        with suppress(ConnectionError):
            dribble(raw)
        assert raw.is_closed()


def test_a_client_that_does_not_read_is_disconnected(hasty: Address) -> None:
    with Raw(hasty) as raw, Raw(hasty) as watch:
        raw.send(head(verb=b"GET", target=b"/large"))
        assert watch.is_closed()  # time for the server to stop reading
        time.sleep(0.5)

        assert len(raw.rest()) < LARGE


def test_a_rejected_client_that_does_not_close_is_disconnected(hasty: Address) -> None:
    with Raw(hasty) as raw:
        raw.send(b"?")
        assert raw.answer().status == 400
        with pytest.raises(ConnectionError):
            dribble(raw)


def test_health_is_served_with_any_number_of_waiting_clients() -> None:
    kinds = {
        "silent": b"",
        "half a head": b"POST / HT",
        "no body": head(b"content-length: 10"),
        "unread body": head(b"content-length: 1000000", b"content-type: x") + b"unread",
        "idle": post(),
        "not reading": head(verb=b"GET", target=b"/large"),
        "refused": b"?",
    }
    with serve_on_uvloop(BusyApp(), patient()) as at, ExitStack() as clients:
        for kind, data in kinds.items():
            for each in [clients.enter_context(Raw(at)) for _ in range(2 * ROOM)]:
                with suppress(ConnectionError):  # later ones are closed already
                    each.send(data)
            for _ in range(2):
                with Raw(at) as raw:
                    answer = raw.send(head(verb=b"GET", target=b"/health")).answer()
                    assert (kind, answer.json) == (kind, {"status": "ok"})


def test_the_connection_that_has_waited_longest_makes_room() -> None:
    with serve_on_uvloop(BusyApp(), patient()) as at, ExitStack() as clients:
        idle = [clients.enter_context(Raw(at)) for _ in range(ROOM)]
        for each in idle:
            each.send(post()).answer()
        idle[0].send(post()).answer()

        with Raw(at) as newcomer:
            newcomer.send(post()).answer()
            assert idle[1].is_closed()
            assert [each.send(post()).answer().status for each in (idle[0], *idle[2:])] == [200] * (ROOM - 1)


def test_an_incomplete_head_makes_room_before_a_connection_with_less_idle_time() -> None:
    with serve_on_uvloop(BusyApp(), patient()) as at, ExitStack() as clients:
        half = [clients.enter_context(Raw(at)).send(b"GET / HT") for _ in range(ROOM // 2)]
        idle = [clients.enter_context(Raw(at)) for _ in range(ROOM // 2)]
        for each in idle:
            each.send(post()).answer()
        for each in half:
            clients.enter_context(Raw(at)).send(post()).answer()
            assert each.is_closed()

        assert [each.send(post()).answer().status for each in idle] == [200] * (ROOM // 2)


def test_spare_connections_serve_only_health_while_all_others_are_busy() -> None:
    app = BusyApp()
    with serve_on_uvloop(app, patient()) as at, ExitStack() as clients:
        busy = [clients.enter_context(Raw(at)).send(post(target=b"/busy")) for _ in range(ROOM)]
        until(lambda: app.running == ROOM)

        seen: list[Answer] = []
        for _ in range(2):
            for _ in range(3 * SPARE):
                clients.enter_context(Raw(at))
            with Raw(at) as raw, Raw(at) as other:
                seen.append(raw.send(head(verb=b"GET", target=b"/health")).answer())
                seen.append(other.send(post(target=b"/busy")).answer())
        app.go.set()
        answers = [each.answer() for each in busy]
        with Raw(at) as raw:
            after = raw.send(post()).answer()

    assert [each.status for each in seen] == [200, 503, 200, 503]
    assert {each.headers["connection"] for each in seen} == {"close"}
    assert (seen[1].reason, seen[1].headers["retry-after"]) == ("busy", "1")
    assert seen[1].json["error"]["data"]["retryable"] is True
    assert [answer.body for answer in answers] == [b"done"] * ROOM
    assert after.status == 200


def test_a_pipelined_request_waits_for_the_one_before_it() -> None:
    app = BusyApp()
    with serve_on_uvloop(app, patient(HEAD=0.3)) as at, Raw(at) as raw, Raw(at) as silent:
        raw.send(post(target=b"/busy"))
        until(lambda: app.running == 1)
        raw.send(post() + post()[:-3])
        assert silent.is_closed()  # time in which the pipelined head is not counted
        app.go.set()

        assert [raw.answer().status, raw.answer().status] == [200, 200]
        assert raw.send(post()[-3:]).answer().status == 200


def test_a_client_that_half_closes_during_a_request_gets_its_response() -> None:
    app = BusyApp()
    with serve_on_uvloop(app, patient()) as at, Raw(at) as raw:
        raw.send(post(target=b"/busy") + post())
        until(lambda: app.running == 1)
        raw.socket.shutdown(1)
        time.sleep(0.05)
        app.go.set()

        assert [raw.answer().body, raw.answer().status] == [b"done", 200]
        assert raw.is_closed()


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + LONGEST_SECONDS
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)
