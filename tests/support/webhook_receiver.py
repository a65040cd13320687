"""Receiver of webhooks over real HTTP: verifies each signature by the rules of Standard Webhooks, without our code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import Any

from tests.support.constants import LONGEST_SECONDS
from tests.support.http_stub import Answer, open_stub


def expected_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.partition("_")[2])
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


@dataclass(frozen=True)
class Delivery:
    """One received message."""

    id: str
    event: dict[str, Any]
    signature: str
    timestamp: str
    body: bytes

    def is_signed_with(self, secret: str) -> bool:
        is_recent = abs(time.time() - int(self.timestamp)) < 300
        return is_recent and self.signature == expected_signature(secret, self.id, self.timestamp, self.body)


@dataclass
class Receiver:
    """An endpoint whose answers a test sets."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    status: Callable[[Delivery], int] = lambda _: 204
    headers: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def handle(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        values = [request.headers[f"webhook-{name}"] for name in ("id", "signature", "timestamp")]
        message_id, signature, timestamp = values
        delivery = Delivery(message_id, json.loads(body), signature, timestamp, body)
        with self._lock:
            self.deliveries.append(delivery)
        return Answer(b"", self.status(delivery), self.headers)

    def types(self) -> list[str]:
        return [each.event["type"] for each in self.deliveries]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.types()
            time.sleep(0.02)


@contextmanager
def open_receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with open_stub(receiver.handle) as url:
        receiver.url = f"{url}/hook"
        yield receiver
