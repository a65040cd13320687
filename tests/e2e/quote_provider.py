"""Quote provider stub: a real HTTP server that returns the test's response and records the requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.constants import CHAINS
from tests.support.http_stub import Answer, serve_stub

HERE = CHAINS[0]
QUOTE = {"fromAmount": "0x7", "minimumToAmount": "0x5", "expiry": "0x7fffffff"}
SECRET = "sk-2718281828"


@dataclass
class Provider:
    """Response of the provider to every request, and the requests so far."""

    answer: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""

    def quotes(self, *calls: dict[str, Any], **more: Any) -> None:
        raw = {"rawCalls": True, "chainId": hex(HERE), "quote": QUOTE, "calls": list(calls)}
        self.answer = {"result": {**raw, **more}}

    def fails(self, code: int) -> None:
        self.answer = {"error": {"code": code, "message": f"at http://x/{SECRET}", "data": SECRET}}


@contextmanager
def serve_quotes() -> Iterator[Provider]:
    provider = Provider()

    def answer(body: bytes) -> Answer:
        request = json.loads(body)
        provider.requests.append((request["method"], request["params"]))
        return Answer(json.dumps({"jsonrpc": "2.0", "id": request["id"], **provider.answer}).encode())

    with serve_stub(answer) as url:
        provider.url = f"{url}/{SECRET}"
        yield provider
