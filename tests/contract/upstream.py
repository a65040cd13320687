"""Fake JSON-RPC upstream that gives configured responses and records its requests; a `PostClient`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.http_post import PostResponse
from wallet_rpc.adapters.limits import ClientLimits

KEY = "sk-3141592653"
URL = f"https://upstream.test/v2/{KEY}"
FAST = ClientLimits(deadline_seconds=5.0, backoff_seconds=0.001)


class UpstreamError(Exception):  # a configured response, not an error
    """Response with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **({} if data is None else {"data": data})}


class BrokenResponse(Exception):  # a configured response, not an error
    """Response to the whole POST that is not JSON-RPC."""

    def __init__(self, status: int = 200, body: bytes = b"") -> None:
        super().__init__(status)
        self.response = PostResponse(status, body)


class NoResponse(Exception):  # a configured response, not an error
    """No response ever."""


@dataclass
class Upstream:
    """Upstream whose `answers` map a method to its result, or to a function of its params that returns it or raises."""

    answers: dict[str, Any] = field(default_factory=dict)
    batches: bool | PostResponse = True
    """Response to a batch: True for a batch response, False for a single error object, or a `PostResponse`."""
    posts: list[list[str]] = field(default_factory=list)
    """Methods of each POST."""
    params: list[Any] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        return [method for post in self.posts for method in post]

    def client(self, limits: ClientLimits = FAST, part: str = "node") -> JsonRpcClient:
        return JsonRpcClient(self, URL, part=part, limits=limits)

    async def post(self, url: str, content: bytes, *, connect_seconds: float, max_bytes: int) -> PostResponse:
        response = await self._answer_post(json.loads(content))
        return replace(response, body=None) if len(response.body or b"") > max_bytes else response

    async def _answer_post(self, body: Any) -> PostResponse:
        entries = body if isinstance(body, list) else [body]
        self.posts.append([entry["method"] for entry in entries])
        try:
            if isinstance(body, list) and self.batches is not True:
                if isinstance(self.batches, PostResponse):
                    return self.batches
                return _json({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no batches"}})
            responses = [self._answer(entry) for entry in entries]
        except BrokenResponse as broken:
            return broken.response
        except NoResponse:
            await asyncio.Event().wait()
            raise
        return _json(responses[::-1] if isinstance(body, list) else responses[0])

    def _answer(self, entry: dict[str, Any]) -> dict[str, Any]:
        self.params.append(entry["params"])
        answer = self.answers[entry["method"]]
        try:
            result = answer(*entry["params"]) if callable(answer) else answer
        except UpstreamError as failure:
            return {"jsonrpc": "2.0", "id": entry["id"], "error": failure.error}
        return {"jsonrpc": "2.0", "id": entry["id"], "result": result}


def _json(body: Any) -> PostResponse:
    return PostResponse(200, json.dumps(body).encode())


def answer_in_turn(*answers: Any) -> Callable[..., Any]:
    """Return a function that gives one answer per call and then repeats the last; exceptions are raised."""
    remaining = list(answers)

    def answer(*_: Any) -> Any:
        current = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(current, Exception):
            raise current
        return current

    return answer
