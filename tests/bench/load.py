"""Load generator that uses little time compared with the server: raw HTTP/1.1 on keep-alive loopback connections."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Rate:
    """Measurements of one run."""

    count: int
    seconds: float
    latencies: Sequence[float]
    """In seconds, unordered."""
    load_share: float = 0.0
    """The part of one core that the load generator used, from 0 to 1."""

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    def percentile(self, part: float) -> float:
        """Return the latency that `part` of the requests did not exceed, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000

    def line(self, name: str) -> str:
        return (
            f"{name:44} {self.per_second:8.0f} /s   median {self.percentile(0.5):7.2f} ms"
            f"   99th {self.percentile(0.99):7.2f} ms   ({self.count} in {self.seconds:.1f} s)"
        )


class UnexpectedResponse(RuntimeError):
    """A response without the expected bytes, or a closed connection."""


class Connection(asyncio.Protocol):
    """Keep-alive connection with one request at a time; `on_response` gets the body of each response."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname == "127.0.0.1", "the load generator connects to 127.0.0.1 only"
        self._head = (
            f"POST {parts.path or '/'}{'?' if parts.query else ''}{parts.query} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
            "content-type: application/json\r\ncontent-length: "
        ).encode()
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self.on_response: Callable[[bytes], None] = self._set_answer
        self.on_close: Callable[[BaseException], None] = self._set_error

    @classmethod
    async def open(cls, url: str) -> Self:
        made = cls(url)
        parts = urlsplit(url)
        await asyncio.get_running_loop().create_connection(lambda: made, "127.0.0.1", parts.port or 80)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transport is no subclass

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n") + 4
        if end > 3:
            head = received[:end].lower()
            start = head.find(b"content-length:") + 15
            if len(received) >= end + int(head[start : head.find(b"\r\n", start)]):
                self._received = b""
                self.on_response(received[end:])
                return
        self._received = received

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_close(exc or UnexpectedResponse("the server closed the connection"))

    def send(self, body: bytes) -> None:
        """Send a request, whose response `on_response` gets."""
        assert self._transport is not None
        self._transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    async def post(self, body: bytes) -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        self.send(body)
        return await self._answer

    async def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        answer = json.loads(await self.post(body))
        if "error" in answer:
            raise UnexpectedResponse(f"{method}: {answer['error']}")
        return answer["result"]

    def close(self) -> None:
        self.on_close = lambda _: None
        if self._transport is not None:
            self._transport.close()

    def _set_answer(self, body: bytes) -> None:
        assert self._answer is not None
        self._answer.set_result(body)

    def _set_error(self, error: BaseException) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class _ClosedLoop:
    """One run: each connection sends its next request when it has the response to the one before."""

    def __init__(self, bodies: Sequence[bytes], expected: bytes) -> None:
        self._bodies = iter(bodies)
        self._expected = expected
        self._open = 0
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []

    def attach(self, connection: Connection) -> None:
        started = 0.0

        def send_next() -> None:
            nonlocal started
            body = next(self._bodies, None)
            if body is None:
                self._open -= 1
                if self._open == 0 and not self._finished.done():
                    self._finished.set_result(None)
                return
            started = time.perf_counter()
            connection.send(body)

        def receive(answer: bytes) -> None:
            self.latencies.append(time.perf_counter() - started)
            if self._expected not in answer:
                self._fail(UnexpectedResponse(f"expected {self._expected!r} in {answer[:1000]!r}"))
                return
            send_next()

        connection.on_response = receive
        connection.on_close = self._fail
        self._open += 1
        send_next()

    def _fail(self, error: BaseException) -> None:
        if not self._finished.done():
            self._finished.set_exception(error)

    async def finish(self) -> None:
        await self._finished


async def send_all(url: str, bodies: Sequence[bytes], *, connections: int, expected: bytes = b'"result":') -> Rate:
    """Send every body once over `connections` connections; each response must contain the `expected` bytes.

    Raises: UnexpectedResponse.
    """
    opened = [await Connection.open(url) for _ in range(connections)]
    run = _ClosedLoop(bodies, expected)
    started, used = time.perf_counter(), time.process_time()
    for connection in opened:
        run.attach(connection)
    try:
        await run.finish()
    finally:
        for connection in opened:
            connection.close()
    seconds = time.perf_counter() - started
    return Rate(len(run.latencies), seconds, run.latencies, (time.process_time() - used) / seconds)


async def measure(jobs: Sequence[Callable[[], Awaitable[object]]], *, at_once: int) -> Rate:
    """Run every job, at most `at_once` concurrently."""
    waiting = list(reversed(jobs))
    latencies: list[float] = []

    async def work() -> None:
        while waiting:
            job = waiting.pop()
            started = time.perf_counter()
            await job()
            latencies.append(time.perf_counter() - started)

    started, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    seconds = time.perf_counter() - started
    return Rate(len(jobs), seconds, latencies, (time.process_time() - used) / seconds)
