"""A chain over real HTTP, for clients that need it: a dispatcher behind a third-party HTTP server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from tests.support.http_stub import Answer, serve_stub


@contextmanager
def serve_rpc(answer: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """Serve `answer`, one request at a time, and return the URL."""
    turn = Lock()

    def one(body: bytes) -> Answer:
        with turn:
            return Answer(answer(body) or b"", headers={"content-type": "application/json"})

    with serve_stub(one) as url:
        yield f"{url}/"
