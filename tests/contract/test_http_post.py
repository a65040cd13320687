"""POSTs over real sockets: each failure says if the server can have received the request, and bodies are bounded."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import struct
import traceback
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from wallet_rpc.adapters.http_post import HttpClient, PostFailed, PostResponse

KEY = "sk-3141592653"
MAX_BYTES = 1000
RESET = b"reset"
"""Instead of a response, or at its end: a TCP reset."""


@dataclass
class RawServer:
    """Server that writes the given bytes for each request, and then closes the connection unless it keeps them."""

    answer: bytes = b""
    keeps: bool = False
    requests: int = 0
    connections: int = 0
    port: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{KEY}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            self.requests += 1
            writer.write(self.answer.removesuffix(RESET))
            if not self.keeps:
                break
        if self.answer.endswith(RESET):
            linger = struct.pack("ii", 1, 0)  # on close, send RST
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()
        self.closed.set()


@asynccontextmanager
async def serve(answer: bytes, *, keeps: bool = False) -> AsyncIterator[RawServer]:
    raw = RawServer(answer, keeps)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await raw.handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):  # the client closed the connection
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1") as server:
        raw.port = server.sockets[0].getsockname()[1]
        yield raw


async def post(http: HttpClient, url: str, *, connect_seconds: float = 30.0) -> PostResponse:
    return await http.post(url, b"{}", connect_seconds=connect_seconds, max_bytes=MAX_BYTES)


def response(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


GZIP = b"content-encoding: gzip"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (response(b"[1]"), PostResponse(200, b"[1]")),
        (CHUNKED + b"2\r\n[]\r\n0\r\n\r\n", PostResponse(200, b"[]")),
        (b"HTTP/1.1 200 OK\r\n\r\n[]", PostResponse(200, b"[]")),
        (response(gzip.compress(b"[2]"), GZIP), PostResponse(200, b"[2]")),
        (b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno", PostResponse(503, b"no")),
        (response(b"x" * MAX_BYTES), PostResponse(200, b"x" * MAX_BYTES)),
        (response(b"x" * (MAX_BYTES + 1)), PostResponse(200, None)),
        (CHUNKED + b"800\r\n" + b"x" * 0x800, PostResponse(200, None)),
    ],
    ids=["plain", "chunked", "until closed", "gzip", "error", "full size", "too large", "too large without end"],
)
async def test_a_response_is_read_up_to_the_limit(answer: bytes, expected: PostResponse) -> None:
    async with serve(answer) as server, HttpClient() as http:
        assert await post(http, server.url) == expected


async def test_a_compressed_response_is_limited_by_its_content_and_never_expanded_as_a_whole() -> None:
    expanded = 100 << 20
    async with serve(response(gzip.compress(bytes(expanded)), GZIP)) as server, HttpClient() as http:
        tracemalloc.start()
        try:
            assert await post(http, server.url) == PostResponse(200, None)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < expanded / 10


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        RESET,
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{" + RESET,
        CHUNKED + b"zz\r\n[]\r\n0\r\n\r\n",
        CHUNKED + b"5\r\n[]",
        response(b"no gzip", GZIP),
        response(b"[]", b"content-encoding: br"),
        b"SSH-2.0-server\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12",
    ],
)
async def test_a_request_without_a_complete_response_may_have_been_received_and_is_not_repeated(answer: bytes) -> None:
    async with serve(answer) as server, HttpClient() as http:
        with pytest.raises(PostFailed) as error_info:
            await post(http, server.url)

        assert error_info.value.sent
        assert KEY not in "".join(traceback.format_exception(error_info.value))
        assert server.requests == 1


async def test_a_reset_of_a_used_connection_may_follow_a_received_request() -> None:
    async with serve(response(b"[]"), keeps=True) as server, HttpClient() as http:
        await post(http, server.url)
        server.answer, server.keeps = RESET, False

        with pytest.raises(PostFailed) as error_info:
            await post(http, server.url)

        assert error_info.value.sent
        assert (server.connections, server.requests) == (1, 2)


async def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async with serve(response(b"[]")) as server, HttpClient() as http:
        for _ in range(3):
            assert await post(http, server.url) == PostResponse(200, b"[]")
            await server.closed.wait()
            await asyncio.sleep(0.02)  # the end of the connection arrives

        assert (server.connections, server.requests) == (3, 3)


async def test_a_client_that_is_closed_sends_nothing() -> None:
    async with serve(response(b"[]")) as server:
        async with HttpClient() as http:
            pass
        with pytest.raises(PostFailed) as error_info:
            await post(http, server.url)
        assert not error_info.value.sent
        assert server.connections == 0


async def test_requests_share_a_connection() -> None:
    async with serve(response(b"[]"), keeps=True) as server, HttpClient() as http:
        for _ in range(3):
            await post(http, server.url)

        assert (server.connections, server.requests) == (1, 3)


async def test_no_redirect_is_followed_and_no_cookie_is_returned() -> None:
    async with serve(b"", keeps=True) as server, HttpClient() as http:
        head = f"HTTP/1.1 307 Moved\r\nlocation: {server.url}\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
        server.answer = head.encode()

        assert await post(http, server.url) == PostResponse(307, b"")
        assert server.requests == 1
        assert not list(http._session.cookie_jar)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://name.invalid/",
        "http://a..invalid/",
        "http://a:99999/",
        "http://a\x01/",
        "http://[::1/",
        "ftp://127.0.0.1/",
        "nonsense",
    ],
)
async def test_a_request_without_a_connection_was_not_sent(url: str) -> None:
    async with HttpClient() as http:
        with pytest.raises(PostFailed) as error_info:
            await post(http, url + KEY)

    assert not error_info.value.sent
    assert KEY not in "".join(traceback.format_exception(error_info.value))


async def test_a_request_to_a_server_without_tls_was_not_sent() -> None:
    async def speak_first(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"no TLS")
        writer.close()

    async with await asyncio.start_server(speak_first, "127.0.0.1") as server, HttpClient() as http:
        with pytest.raises(PostFailed) as error_info:
            await post(http, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    assert not error_info.value.sent


async def test_a_request_that_waits_for_a_connection_was_not_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}/{KEY}"
        with socket.create_connection(full.getsockname()), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            async with HttpClient() as http:
                with pytest.raises(PostFailed) as error_info:
                    await post(http, url, connect_seconds=0.1)

    assert not error_info.value.sent
    assert KEY not in "".join(traceback.format_exception(error_info.value))


async def test_proxies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(response(b"[]"), keeps=True) as proxy, HttpClient() as http:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "direct.invalid")

        assert await post(http, "http://upstream.invalid/") == PostResponse(200, b"[]")
        with pytest.raises(PostFailed):
            await post(http, "http://direct.invalid/")


async def test_nothing_logs_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve(response(b"[]")) as server, HttpClient() as http:
        await post(http, server.url)
        with pytest.raises(PostFailed):
            await post(http, f"http://127.0.0.1:1/{KEY}")

    assert KEY not in caplog.text
