"""The server whose exchanges are recorded, as an HTTP client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx2

from wallet_rpc.domain.web_url import is_local_url
from wallet_rpc.edge.guard import HttpRejection
from wallet_rpc.errors import Unavailable
from wallet_rpc.recording.received import describe_request
from wallet_rpc.recording.redaction import Redactor

MAX_RESPONSE_BYTES = 16 << 20
"""The maximum size of a response's body after decompression."""
_CONNECT_SECONDS = 10.0
_LONGEST_SECONDS = 120.0
_NOT_FORWARDED = frozenset(
    {"host", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"content-length", "accept-encoding", "expect", "cookie", "origin", "referer"}
)
"""Request fields of the connection, and those of a browser, whose origin the recorder has checked itself."""
_RPC_PATH = re.compile(r"/v2(?:/[^/]+)?$")
"""End of the URL of a server's JSON-RPC, with or without a key."""


class RecordedServerFailed(Unavailable):
    """The recorded server gave no response that can be recorded."""

    default_reason = "upstream_failed"
    retryable = False


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """A response with its body, which is decompressed."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class RecordedServer:
    """A client of the recorded server; it follows no redirects and keeps no cookies."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._parts = parts = urlsplit(url)
        self._http = http
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._root = _RPC_PATH.sub("", self._base)
        self._query = parts.query

    def add_credentials(self, redactor: Redactor) -> None:
        """Add the credentials in the server's URL to the known secrets, since a server may repeat them."""
        parts = self._parts
        scope = {"method": "GET", "path": unquote(parts.path), "query_string": parts.query.encode(), "headers": []}
        describe_request(scope, None, redactor)
        for each in (parts.username, parts.password):
            if each is not None:
                redactor.add_credential(unquote(each))

    async def send(
        self, verb: str, target: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> UpstreamResponse:
        """Send a request to the path `target` of the server. Raises: HttpRejection.

        Its JSON-RPC may be at `/v2` or `/v2/{key}` of the server's URL; other paths are those next to `/v2`.
        """
        url = self._base if target == "/" else self._root + target
        queries = "&".join(filter(None, [self._query, query]))
        fields = {name: text for name, text in headers.items() if name not in _NOT_FORWARDED}
        try:
            request = self._http.build_request(
                verb, f"{url}?{queries}" if queries else url, content=body or None, headers=fields
            )
            async with _open_response(self._http, request) as response:
                if response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise _reject(501, "expected a response that ends; streams of events are not recorded")
                content = bytearray()
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > MAX_RESPONSE_BYTES:
                        raise _reject(502, f"expected a response of at most {MAX_RESPONSE_BYTES} bytes, got more")
                return UpstreamResponse(response.status_code, response.headers.multi_items(), bytes(content))
        except httpx2.TimeoutException:
            raise _reject(504, "expected a response in time, got none: check --upstream and the server") from None
        except httpx2.DecodingError:
            raise _reject(502, "expected a response in its content encoding, got one that does not decode") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
            raise _reject(502, "expected a response, got none: check --upstream and the server") from None


@asynccontextmanager
async def open_upstream(url: str) -> AsyncIterator[RecordedServer]:
    """Open a client of the server at `url`, whose path and query may have a key."""
    timeout = httpx2.Timeout(_LONGEST_SECONDS, connect=_CONNECT_SECONDS)
    async with httpx2.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=not is_local_url(url)) as http:
        yield RecordedServer(http, url)


@asynccontextmanager
async def _open_response(http: httpx2.AsyncClient, request: httpx2.Request) -> AsyncIterator[httpx2.Response]:
    response = await http.send(request, stream=True)
    try:
        yield response
    finally:
        await response.aclose()


def _reject(status: int, text: str) -> HttpRejection:
    return HttpRejection(status, RecordedServerFailed(text, field="upstream"))
