"""Webhook of an operator: an HTTP server with a configured response that records its requests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_stub import Answer, serve_stub

YES = b'{"approved": true}'


@dataclass
class Hook:
    """Next response of the webhook, and the request bodies so far."""

    status: int = 200
    body: bytes = YES
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    requests: list[Any] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve_hook() -> Iterator[Hook]:
    hook = Hook()

    def answer(body: bytes) -> Answer:
        hook.requests.append(json.loads(body))
        time.sleep(hook.delay_seconds)
        return Answer(hook.body, hook.status, hook.headers)

    with serve_stub(answer) as url:
        hook.url = f"{url}/approve"
        yield hook
