"""POST client that reports the outcome and the duration of each POST to an observer of its URL."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeAlias

from wallet_rpc.adapters.http_post import PostClient, PostFailed, PostResponse


class PostOutcome(StrEnum):
    """Outcomes of a POST; all but the first mean that the server gave no usable response."""

    ANSWERED = "answered"
    """A response with a body, also one with a JSON-RPC error."""
    NOT_SENT = "not_sent"
    """No connection, so the server cannot have received the request."""
    NO_ANSWER = "no_answer"
    """The connection ended before the response was complete."""
    OVERLOADED = "overloaded"
    """HTTP status 429."""
    HTTP_ERROR = "http_error"
    """HTTP status 401 or above, such as that for a rejected key; some servers answer in JSON-RPC with 400."""
    TOO_LARGE = "too_large"
    CANCELED = "canceled"
    """The time limit passed, or the server that sent the request ended."""


PostObserver: TypeAlias = Callable[[PostOutcome, float], None]
"""Receives the outcome of a POST and its duration in seconds."""


class MeasuredPostClient:
    """`PostClient` over another one."""

    def __init__(self, client: PostClient, observers: Mapping[str, PostObserver]) -> None:
        """Create a client; `observers` has the observer of each URL."""
        self._client = client
        self._observers = observers

    async def post(self, url: str, content: bytes, *, connect_seconds: float, max_bytes: int) -> PostResponse:
        """Send JSON once and read the response. Raises: PostFailed."""
        outcome = PostOutcome.CANCELED
        began = time.perf_counter()
        try:
            response = await self._client.post(url, content, connect_seconds=connect_seconds, max_bytes=max_bytes)
        except PostFailed as failure:
            outcome = PostOutcome.NO_ANSWER if failure.sent else PostOutcome.NOT_SENT
            raise
        else:
            outcome = _outcome_of(response)
            return response
        finally:
            self._observers[url](outcome, time.perf_counter() - began)


def _outcome_of(response: PostResponse) -> PostOutcome:
    if response.status == 429:
        return PostOutcome.OVERLOADED
    if response.status > 400:
        return PostOutcome.HTTP_ERROR
    return PostOutcome.TOO_LARGE if response.body is None else PostOutcome.ANSWERED
