"""Idle connections: they leave enough files for Redis and the chain, and the server stays reachable."""

from __future__ import annotations

import resource
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import pytest

from tests.e2e.process import InstalledServer, until
from tests.edge.raw_http import Raw, head
from tests.support.wallet import Wallet

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are set and read by Linux")

SOFT, HARD = 200, 256


def open_files(process_id: int) -> int:
    return len(list(Path(f"/proc/{process_id}/fd").iterdir()))


def half_heads(at: tuple[str, int], number: int, clients: ExitStack) -> None:
    for _ in range(number):
        with suppress(ConnectionError):  # disconnected in favour of newer connections
            clients.enter_context(Raw(at)).send(b"GET / HTTP/1.1\r\nx: ")


def test_a_server_with_few_files_serves_despite_400_incomplete_requests(tmp_path: Path) -> None:
    starting = InstalledServer("dev", "--ephemeral", folder=tmp_path)
    resource.prlimit(starting.process.pid, resource.RLIMIT_NOFILE, (SOFT, HARD))  # before it runs
    with starting as server, ExitStack() as clients:
        process_id, url = server.process.pid, httpx2.URL(server.url)
        at = (url.host, url.port or 0)
        assert resource.prlimit(process_id, resource.RLIMIT_NOFILE) == (HARD, HARD)

        half_heads(at, 400, clients)
        wallet = Wallet(server.client()).fund()
        assert server.ready() == (200, {"redis": "ok", "chain 31337": "ok"})
        assert wallet.client.token_balance(wallet.account) == 1000
        assert open_files(process_id) <= HARD - 100

        # no file is left: the server accepts the waiting connection later
        resource.prlimit(process_id, resource.RLIMIT_NOFILE, (3, HARD))
        half_heads(at, 20, clients)
        waiting = clients.enter_context(Raw(at)).send(head(verb=b"GET", target=b"/health"))
        until(lambda: "cannot_accept" in server.output(), "a connection that could not be accepted")
        resource.prlimit(process_id, resource.RLIMIT_NOFILE, (HARD, HARD))
        assert waiting.answer().status == 200
        assert server.ready()[0] == 200
        assert "Traceback" not in server.output()
