"""POST of a JSON body to another server; the only module of the server that knows the HTTP library.

A failure says if the server can have received the request, since a write must not be repeated if it can.
"""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from yarl import URL

from wallet_rpc.tracing import trace_headers

_CONNECTIONS = 100
"""Maximum number of connections of one client; further requests wait for a free one."""
_IDLE_SECONDS = 4.0
"""Time for which an idle connection is kept: less than the 5 s after which Node.js servers, as bundlers are, close it.

A request on a connection that the server is closing has an unknown outcome."""
_HEADERS = {"content-type": "application/json"}
_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
"""Errors of a request that got no connection: its URL, its host's name, the connection, TLS, or a full pool failed."""


@dataclass(frozen=True, slots=True)
class PostResponse:
    """The status and the body of a response; the body is None when it exceeds the limit."""

    status: int
    body: bytes | None


class PostFailed(Exception):
    """No complete response; `sent` is False when the server cannot have received the request.

    It has no cause, since the library's errors contain URLs.
    """

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self.sent = sent


class PostClient(Protocol):
    """Client that posts JSON: over HTTP, or to a chain's process over a pipe."""

    async def post(self, url: str, content: bytes, *, connect_seconds: float, max_bytes: int) -> PostResponse:
        """Send JSON once and read the response, up to `max_bytes` after decompression. Raises: PostFailed.

        `connect_seconds` limits the time until a connection is there. The caller limits the time of the whole request.
        """


class HttpClient:
    """`PostClient` over HTTP with a connection pool of its own, which is open in an `async with` block.

    It follows no redirects and keeps no cookies. It uses the proxies that the environment names.
    """

    _session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_IDLE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, url: str, content: bytes, *, connect_seconds: float, max_bytes: int) -> PostResponse:
        """Send JSON once and read the response. Raises: PostFailed, also after the end of the `async with` block."""
        if self._session.closed:  # as for reads that go on when the first of them has failed
            raise PostFailed(sent=False)
        try:
            target, proxy = _find_route(url)
        except ValueError:
            raise PostFailed(sent=False) from None
        try:
            async with self._session.post(
                target,
                data=content,
                headers={**_HEADERS, **trace_headers()},
                timeout=aiohttp.ClientTimeout(connect=connect_seconds),
                proxy=proxy,
                allow_redirects=False,
            ) as response:
                return PostResponse(response.status, await _read_body(response, max_bytes))
        except _NOT_SENT:
            raise PostFailed(sent=False) from None
        except (aiohttp.ClientError, OSError):
            raise PostFailed(sent=True) from None


async def _read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes | None:
    """Read the body; None, and the connection is closed, when it exceeds the limit."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > max_bytes:
            response.close()
            return None
    return bytes(body)


@lru_cache(maxsize=1024)
def _find_route(url: str) -> tuple[URL, URL | None]:
    """Return a URL in parsed form and its proxy. Raises: ValueError for an invalid URL."""
    target = URL(url)
    (target.raw_host or "").encode("idna")  # `getaddrinfo` does so, and aiohttp passes on the error for a long label
    proxy = urllib.request.getproxies().get(target.scheme)
    if proxy is None or urllib.request.proxy_bypass(target.authority):
        return target, None
    return target, URL(proxy)
