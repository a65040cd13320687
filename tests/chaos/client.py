"""Client of the wallet servers that counts errors by code and measures the slowest answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.chaos.outages import OutageTimes
from tests.support.rpc_client import RpcError

CLIENT_SECONDS = 30.0
"""Timeout of a request, longer than that of the official clients (10 s), to measure slower answers too."""
RETRY_SECONDS = 0.2
_PREPARE_AGAIN = frozenset({"stale_nonce", "account_deployed", "session_install_pending", "session_not_installed"})
_INTERNAL = -32603


class NoAnswer(Exception):
    """A request without a JSON-RPC answer."""


@dataclass
class Limit:
    """Time at which clients give up; it moves when the failure ends."""

    at: float

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.at


@dataclass
class Tally:
    """Errors by code and reason, and the slowest answer."""

    errors: Counter[str] = field(default_factory=Counter)
    uncoded: int = 0
    """Answers that are no JSON-RPC error of a known cause: plain text, or an incident."""
    slowest: float = 0.0
    slowest_method: str = ""
    outage: OutageTimes = field(default_factory=OutageTimes)


@dataclass
class ReplicaClient:
    """Sends each request to a replica at random."""

    urls: list[str]
    http: httpx2.AsyncClient
    tally: Tally
    random: random.Random

    async def rpc(self, method: str, *params: Any) -> Any:
        """Send a request once. Raises: RpcError, NoAnswer."""
        started_at = time.monotonic()
        is_noticed = self.tally.outage.is_noticed(started_at)
        try:
            return await self._request(method, params)
        finally:
            took = time.monotonic() - started_at
            if is_noticed:
                self.tally.outage.record(seconds=took)
            if took > self.tally.slowest:
                self.tally.slowest, self.tally.slowest_method = took, method

    async def _request(self, method: str, params: tuple[Any, ...]) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        try:
            response = await self.http.post(self.random.choice(self.urls), json=body)
        except httpx2.TimeoutException:
            raise self._no_answer("timeout") from None
        except httpx2.HTTPError:
            raise self._no_answer("no connection") from None
        try:
            answer = response.json()
        except ValueError:
            self.tally.uncoded += 1
            raise self._no_answer(f"uncoded HTTP {response.status_code}") from None
        if "result" in answer:
            return answer["result"]
        error = RpcError(answer["error"])
        self.tally.errors[_label(error)] += 1
        self.tally.uncoded += error.reason in (None, "internal_error")
        raise error

    def _no_answer(self, cause: str) -> NoAnswer:
        self.tally.errors[cause] += 1
        return NoAnswer(cause)

    async def persist(self, limit: Limit, method: str, *params: Any) -> Any:
        """Repeat a request that is safe to repeat until it succeeds. Raises: NoAnswer at the limit."""
        while not limit.is_over:
            try:
                return await self.rpc(method, *params)
            except (RpcError, NoAnswer):
                await asyncio.sleep(RETRY_SECONDS)
        raise NoAnswer("limit")


def is_definite(error: RpcError) -> bool:
    """Return True when the error says that the payload was not sent: it is refused, or to be prepared again."""
    if error.reason in _PREPARE_AGAIN:
        return True
    return error.code != _INTERNAL and not error.data.get("retryable")


def _label(error: RpcError) -> str:
    """Return code and reason; a mark shows that the error is not retryable."""
    return f"{error.code} {error.reason}{'' if error.data.get('retryable') else ' (final)'}"
