"""Raw HTTP client: sends bytes that no library would send, and parses the responses."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvloop
from starlette.types import ASGIApp

from tests.support.thread_context import run_in_thread
from wallet_rpc.edge.connections import ConnectionLimits
from wallet_rpc.edge.listener import serve_in_background

Address = tuple[str, int]
PING = b'{"jsonrpc":"2.0","method":"ping","id":0}'
_LENGTH = re.compile(rb"content-length: (\d+)")
_PATIENCE = 30.0


@contextmanager
def serve_on_uvloop(app: ASGIApp, limits: ConnectionLimits | None = None) -> Iterator[Address]:
    """Serve an application on uvloop, the event loop of wallet-rpc, and yield its address."""
    at = socket.create_server(("127.0.0.1", 0))
    with at, run_in_thread(serve_in_background(app, at, limits=limits), loop_factory=uvloop.new_event_loop):
        yield at.getsockname()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason of a JSON-RPC error."""
        return str(self.json["error"]["data"]["reason"])


class Raw:
    """A TCP connection."""

    def __init__(self, at: Address) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(_PATIENCE)
        self.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14
        )  # a small buffer: the server stops sending soon
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(at)
        self._read = b""

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> Raw:
        """Send each piece in a packet of its own, if the kernel does so."""
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def answer(self) -> Answer:
        """Receive the next response, also an interim one (1xx)."""
        while b"\r\n\r\n" not in self._read:
            self._receive()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = 0 if length is None else int(length[1])
        while len(self._read) < size:
            self._receive()
        body = self._read[:size]
        self._read = self._read[size:]
        line, *fields = head.decode().split("\r\n")
        return Answer(int(line.split()[1]), dict(field.split(": ", 1) for field in fields), body)

    def rest(self) -> bytes:
        """Receive until the server closes or resets the connection."""
        with suppress(ConnectionError):
            while True:
                part = self.socket.recv(1 << 16)
                if not part:
                    break
                self._read += part
        return self._read

    def is_closed(self) -> bool:
        """Wait until the server closes the connection; True if it sent nothing before."""
        return self.rest() == b""

    def _receive(self) -> None:
        part = self.socket.recv(1 << 16)
        assert part, f"closed after {self._read!r}"
        self._read += part


def head(*fields: bytes, verb: bytes = b"POST", target: bytes = b"/", version: bytes = b"1.1") -> bytes:
    lines = [b"%s %s HTTP/%s" % (verb, target, version), b"host: localhost", *fields]
    return b"\r\n".join([*lines, b"", b""])


def post(*fields: bytes, body: bytes = PING, **more: bytes) -> bytes:
    return head(b"content-length: %d" % len(body), *fields, **more) + body


def chunked_post(
    *fields: bytes, body: bytes = PING, extension: bytes = b"", trailers: Iterable[bytes] = (), **more: bytes
) -> bytes:
    framed = b"%x%s\r\n%s\r\n0\r\n%s\r\n" % (
        len(body),
        extension,
        body,
        b"".join(b"%s\r\n" % each for each in trailers),
    )
    return head(b"transfer-encoding: chunked", *fields, **more) + framed


def pieces_of(request: bytes, size: int) -> list[bytes]:
    return [request[start : start + size] for start in range(0, len(request), size)]


def bytewise(request: bytes) -> list[bytes]:
    return pieces_of(request, 1)
