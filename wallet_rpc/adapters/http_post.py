"""POST of a JSON body to another server, with a limit on the size of the response."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2


@dataclass(frozen=True, slots=True)
class PostResponse:
    """The status and the body of a response; the body is None when it exceeds the limit."""

    status: int
    body: bytes | None


async def post_json(
    http: httpx2.AsyncClient, url: str, content: bytes, *, timeouts: httpx2.Timeout, max_bytes: int
) -> PostResponse:
    """Send JSON and read the response, without following redirects; stop reading a body above `max_bytes`.

    Raises: httpx2.HTTPError, httpx2.InvalidURL, OSError.
    """
    async with http.stream(
        "POST",
        url,
        content=content,
        headers={"content-type": "application/json"},
        timeout=timeouts,
        follow_redirects=False,
    ) as response:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > max_bytes:
                return PostResponse(response.status_code, None)
        return PostResponse(response.status_code, bytes(body))
