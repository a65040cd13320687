"""A chain over real HTTP, for the tests that need one: a dispatcher behind a server of somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from tests.http_stub import Answer, serve_stub


@contextmanager
def serve_rpc(answer: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """The URL at which `answer` is asked, one request after the other."""
    turn = Lock()

    def one(body: bytes) -> Answer:
        with turn:
            return Answer(answer(body) or b"", headers={"content-type": "application/json"})

    with serve_stub(one) as url:
        yield f"{url}/"
