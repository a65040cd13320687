"""Load generator that uses little time compared with the server: raw HTTP/1.1 on keep-alive loopback connections."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Rate:
    """Measurements of one run."""

    count: int
    seconds: float
    latencies: Sequence[float]

    def line(self, name: str) -> str:
        ordered = sorted(self.latencies)
        median, slow = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 for part in (0.5, 0.99))
        return (
            f"{name:44} {self.count / self.seconds:8.0f} /s   median {median:7.2f} ms   99th {slow:7.2f} ms"
            f"   ({self.count} in {self.seconds:.1f} s)"
        )


class Connection:
    """Keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = urlsplit(url).netloc
        self._path = urlsplit(url).path or "/"

    @classmethod
    async def open(cls, url: str) -> Connection:
        parts = urlsplit(url)
        assert parts.hostname == "127.0.0.1", "the load generator connects to 127.0.0.1 only"
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        return cls(reader, writer, url)

    async def post(self, body: bytes) -> bytes:
        head = f"POST {self._path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
        self._writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return await self._reader.readexactly(length)

    async def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        answer = json.loads(await self.post(body))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def close(self) -> None:
        self._writer.close()


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

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return Rate(len(jobs), time.perf_counter() - started, latencies)
