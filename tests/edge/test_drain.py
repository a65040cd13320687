"""Drain: at a signal, running requests are finished within a time, and the rest is cut with errors in JSON."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.edge.draining_server import LARGE_BYTES
from tests.edge.raw_http import Raw, head, post
from tests.edge.rest_sample import HOME
from tests.support.constants import LONGEST_SECONDS
from tests.support.processes import run_watched
from wallet_rpc.edge.accepting import Acceptor
from wallet_rpc.edge.connections import ConnectionLimits, Connections
from wallet_rpc.edge.drain import CUT_TEXT

LONG = 600.0
"""Seconds that no test waits for."""
KEY = b"x-api-key: good"


class Draining:
    """A server process, and its lines and log."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self.process = process
        self._log = log
        self.lines: list[str] = []
        self.at = ("127.0.0.1", int(self.until("port").split()[1]))

    def until(self, start: str) -> str:
        """Read lines until one begins with `start`, and return it."""
        assert self.process.stdout is not None
        while not (self.lines and self.lines[-1].startswith(start)):
            line = self.process.stdout.readline()
            assert line, (self.lines, self.log())
            self.lines.append(line.strip())
        return self.lines[-1]

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def log(self) -> str:
        """Return the log so far."""
        self._log.seek(0)
        return self._log.read()

    def end(self) -> list[str]:
        """Wait for the end, which must be clean, and return the lines."""
        assert self.process.stdout is not None
        assert self.process.wait(LONGEST_SECONDS) == 0, self.log()
        self.lines += self.process.stdout.read().split("\n")
        levels = {json.loads(line)["level"] for line in self.log().splitlines()}
        assert levels <= {"info", "warning"}, self.log()
        assert "Traceback" not in self.log()
        return self.lines


@contextmanager
def serve(folder: Path, *, drain: float = LONG, work: float = 0.0) -> Iterator[Draining]:
    command = [sys.executable, "-m", "tests.edge.draining_server", str(drain), str(work)]
    with (
        (folder / "log").open("w+") as log,
        run_watched(command, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        yield Draining(process, log)


def pause(name: str, seconds: float) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": name, "method": "pause", "params": {"name": name, "seconds": str(seconds)}}


def request(*entries: dict[str, Any]) -> bytes:
    return post(body=json.dumps(entries[0] if len(entries) == 1 else entries).encode())


def is_accepting(server: Draining) -> bool:
    try:
        with socket.create_connection(server.at):
            return True
    except ConnectionError:
        return False


def until_refused(server: Draining) -> None:
    ends = time.monotonic() + LONGEST_SECONDS
    while is_accepting(server):
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_requests_are_finished_and_idle_connections_closed(tmp_path: Path, number: int) -> None:
    with serve(tmp_path) as server, Raw(server.at) as busy, Raw(server.at) as idle, Raw(server.at) as silent:
        idle.send(head(verb=b"GET", target=b"/health")).answer()
        busy.send(request(pause("busy", 1.5)))
        server.until("began busy")

        server.signal(number)

        until_refused(server)
        assert idle.is_closed()
        assert silent.is_closed()
        assert "requests done" not in server.lines
        answer = busy.answer()
        assert (answer.status, answer.json["result"], answer.headers["connection"]) == (200, "busy", "close")
        assert busy.is_closed()
        assert server.end()[-4:-1] == ["requests done", "work done", "closed"]


def test_a_request_whose_head_is_incomplete_is_served_but_the_server_is_not_ready(tmp_path: Path) -> None:
    with serve(tmp_path) as server, Raw(server.at) as health, Raw(server.at) as ready:
        for raw in (health, ready):
            raw.send(head(verb=b"GET", target=b"/ready")).answer()
        request_heads = [head(verb=b"GET", target=target) for target in (b"/health", b"/ready")]
        for raw, text in zip((health, ready), request_heads, strict=True):
            raw.send(text[:-2])
        with Raw(server.at) as watch:
            watch.send(head(verb=b"GET", target=b"/health")).answer()  # the halves were read before
        server.signal()
        until_refused(server)

        alive, draining = health.send(b"\r\n").answer(), ready.send(b"\r\n").answer()

        assert (alive.status, alive.headers["connection"]) == (200, "close")
        assert (draining.status, draining.headers["connection"]) == (503, "close")
        assert draining.json == {"status": "draining", "parts": {}}
        server.end()


@pytest.mark.anyio
async def test_all_connections_that_the_kernel_has_queued_are_accepted_at_the_end() -> None:
    opened: list[asyncio.Protocol] = []

    def open_protocol() -> asyncio.Protocol:
        opened.append(asyncio.Protocol())
        return opened[-1]

    with socket.create_server(("127.0.0.1", 0), backlog=100) as at, ExitStack() as clients:
        acceptor = Acceptor(at, open_protocol, Connections(set(), ConnectionLimits(), time.monotonic))
        acceptor.start()
        for _ in range(40):
            clients.enter_context(socket.create_connection(at.getsockname()))

        acceptor.close()  # before the event loop runs
        await acceptor.wait_closed()

    assert len(opened) == 40


def test_connections_that_the_kernel_has_queued_are_served(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        server.signal(signal.SIGSTOP)
        queued = [Raw(server.at).send(request(pause(str(each), 0))) for each in range(40)]
        server.signal()
        server.signal(signal.SIGCONT)

        assert [raw.answer().status for raw in queued] == [200] * 40
        server.end()
        for raw in queued:
            raw.socket.close()


def test_each_request_that_is_cut_gets_an_error_in_its_format(tmp_path: Path) -> None:
    organization = head(KEY, verb=b"GET", target=f"/v1/organizations/{HOME}/pause?name=org&seconds=600".encode())
    token = head(KEY, verb=b"GET", target=b"/v1/pause?name=token&seconds=600")
    with (
        serve(tmp_path, drain=1.0) as server,
        Raw(server.at) as one,
        Raw(server.at) as batch,
        Raw(server.at) as for_organization,
        Raw(server.at) as for_token,
        Raw(server.at) as sending,
    ):
        one.send(request(pause("one", LONG)))
        batch.send(request(pause("quick", 0), *(pause(f"slow {each}", LONG) for each in range(5))))
        for_organization.send(organization)
        for_token.send(token)
        sending.send(request(pause("sending", LONG))[:-5])
        for _ in range(1 + 3 + 2 + 1):
            server.until("began ")
            server.lines.append("")

        server.signal()

        answers = [raw.answer() for raw in (one, batch, for_organization, for_token, sending)]
        assert [answer.status for answer in answers] == [503, 200, 503, 503, 503]
        assert {answer.headers["connection"] for answer in answers} == {"close"}
        cut, entries, org, tok, unread = (answer.json for answer in answers)
        assert (cut["id"], cut["error"]["code"]) == ("one", -32603)
        assert cut["error"]["data"].items() >= {"reason": "shutting_down", "retryable": True, "statusCode": 503}.items()
        assert entries[0] == {"jsonrpc": "2.0", "id": "quick", "result": "quick"}
        assert [entry["id"] for entry in entries[1:]] == [f"slow {each}" for each in range(5)]
        assert {entry["error"]["data"]["reason"] for entry in entries[1:]} == {"shutting_down"}
        assert org["code"] == 503000
        assert tok["statusCode"] == 503
        assert org["message"] == tok["message"] == CUT_TEXT
        assert (unread["id"], unread["error"]["data"]["reason"]) == (None, "shutting_down")
        assert {answers[2].headers["retry-after"], answers[3].headers["retry-after"]} == {"1"}
        server.end()
        assert '"event":"requests_cut"' in server.log()


def test_a_second_signal_cuts_immediately(tmp_path: Path) -> None:
    with serve(tmp_path, work=LONG) as server, Raw(server.at) as raw:
        raw.send(request(pause("long", LONG)))
        server.until("began long")
        server.signal()
        until_refused(server)

        server.signal()

        answer = raw.answer()
        assert (answer.status, answer.json["id"], answer.reason) == (503, "long", "shutting_down")
        assert "work cut" in server.end()


def test_background_work_has_what_is_left_of_the_time(tmp_path: Path) -> None:
    with serve(tmp_path, drain=1.0, work=LONG) as server:
        server.signal()
        assert "work cut" in server.end()


def test_a_second_signal_cuts_background_work(tmp_path: Path) -> None:
    with serve(tmp_path, work=LONG) as server:
        server.signal()
        server.until("requests done")
        server.signal(signal.SIGINT)
        assert "work cut" in server.end()


def test_a_client_that_reads_nothing_delays_the_end_no_longer_than_the_time(tmp_path: Path) -> None:
    with serve(tmp_path, drain=1.0) as server, Raw(server.at) as raw:
        raw.send(request({"jsonrpc": "2.0", "id": 1, "method": "large"}, pause("after", 0)))
        server.until("began after")
        server.signal()
        server.end()
        assert len(raw.rest()) < LARGE_BYTES
