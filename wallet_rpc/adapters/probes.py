"""Probes: a small request to each server every second, whose result is the server's health mark.

A server is marked down when it responds to nothing for `patience_seconds` while a probe waits. Any response counts,
also one to another request, so a busy server stays up. A server that usually takes longer gets twice its usual time:
slow is not down. A failed connection, an HTTP status of 500 or above and an unreadable response count when they occur
twice in a row. The first usable response removes the mark.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from wallet_rpc.adapters.client import JsonRpcClient, decode_result
from wallet_rpc.adapters.health import WRONG_CHAIN, Mark, ServerHealth, start_probing
from wallet_rpc.adapters.http_post import PostClient, PostFailed
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import ChainId
from wallet_rpc.wire import parse_json

_log = structlog.get_logger("wallet_rpc")

_PAUSE_SECONDS = 0.05
"""Pause before the second attempt of a failed probe."""
_LATE_SECONDS = 0.1
"""Delay of a timer that shows that this process paused, so that responses may wait to be read."""
_CONNECT_SECONDS = 2.0
_MAX_BYTES = 1 << 16
"""Maximum size of the response to a probe."""
_BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTimes:
    """Times of the probes of one server, in seconds."""

    interval_seconds: float = 1.0
    """Time from the start of one probe to the start of the next, unless the first takes longer."""
    patience_seconds: float = 0.8
    """Silence after which a server is marked down; together with the interval less than 2 s."""
    longest_seconds: float = 4.0
    """Time after which a probe is repeated over a new connection."""


@dataclass(frozen=True, slots=True)
class ProbedServer:
    """A server with its name in the log, its health, and the request that probes it.

    `ask` returns for a usable response, and otherwise raises Unavailable (wrong_chain for another chain).
    """

    name: str
    health: ServerHealth
    ask: Callable[[], Awaitable[object]]


@asynccontextmanager
async def run_probes(servers: Iterable[ProbedServer], *, times: ProbeTimes | None = None) -> AsyncIterator[None]:
    """Probe the servers while the block runs, each in a task of its own, and log each change of a mark."""
    times = ProbeTimes() if times is None else times
    tasks = [asyncio.create_task(_Prober(server, times).run()) for server in servers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ask_chain_id(http: PostClient, client: JsonRpcClient, chain_id: int | None) -> None:
    """Request the chain id from the client's server, once and unbatched, and compare it.

    Without `chain_id`, every response with a status below 500 is usable. With it, so are an error response of JSON-RPC
    and a status of 429, since a server that limits rates works. Raises: Unavailable.
    """
    try:
        response = await http.post(client.url, _BODY, connect_seconds=_CONNECT_SECONDS, max_bytes=_MAX_BYTES)
    except PostFailed as error:
        raise Unavailable(f"the {client.part} does not answer", part=client.part) from error
    if response.status >= 500:
        raise Unavailable(f"the {client.part} returned HTTP status {response.status}", part=client.part)
    if chain_id is None:
        return
    if response.status == 429:
        _require_no_mismatch(client)
        return
    answer: Any = None
    with suppress(ValueError):
        answer = parse_json(response.body or b"")
    match answer:
        case {"error": {"code": int()}}:
            _require_no_mismatch(client)
            return
        case {"result": result}:
            kind: Any = ChainId
            found = decode_result(kind, result, part=client.part)
        case _:
            raise Unavailable(f"the {client.part} returned a malformed response", part=client.part)
    if found != chain_id:
        text = f"the {client.part} serves chain {found}, expected chain {chain_id}"
        raise Unavailable(text, reason=WRONG_CHAIN, part=client.part)


def _require_no_mismatch(client: JsonRpcClient) -> None:
    """Check that a server whose response does not show its chain id served no other chain before."""
    if client.health.mark is Mark.WRONG_CHAIN:
        raise Unavailable(f"the {client.part} does not report its chain", reason=WRONG_CHAIN, part=client.part)


class _Prober:
    def __init__(self, server: ProbedServer, times: ProbeTimes) -> None:
        self._server = server
        self._health = server.health
        self._times = times
        self._usual_seconds = 0.0
        """The longest recent response time; each faster response halves it at most."""
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Probe the server until the task is cancelled."""
        start_probing()
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            self._start_timer(began, began + self._patience_seconds)
            try:
                self._set_mark(await self._probe(began))
            finally:
                self._stop_timer()
            await asyncio.sleep(max(0.0, began + self._times.interval_seconds - loop.time()))

    @property
    def _patience_seconds(self) -> float:
        return max(self._times.patience_seconds, min(2 * self._usual_seconds, self._times.longest_seconds))

    async def _probe(self, began: float) -> Mark:
        """Send one probe, a failed one twice, and return the server's mark."""
        try:
            async with asyncio.timeout(self._times.longest_seconds):
                try:
                    await self._ask()
                except Unavailable as error:
                    if error.reason == WRONG_CHAIN or isinstance(error.__cause__, TimeoutError):
                        raise
                    await asyncio.sleep(_PAUSE_SECONDS)
                    await self._ask()
        except TimeoutError:
            return self._mark_of_silence(began)
        except Unavailable as error:
            if error.reason == WRONG_CHAIN:
                return Mark.WRONG_CHAIN
            return self._mark_of_silence(began) if isinstance(error.__cause__, TimeoutError) else Mark.UNAVAILABLE
        except Exception:  # as any failure of a check does, it means that the server is not usable
            return Mark.UNAVAILABLE
        return Mark.OK

    async def _ask(self) -> None:
        began = asyncio.get_running_loop().time()
        await self._server.ask()
        took = asyncio.get_running_loop().time() - began
        self._usual_seconds = max(took, self._usual_seconds / 2)

    def _mark_of_silence(self, began: float) -> Mark:
        """Return the mark after a probe without a response: unchanged if the server responded to other requests."""
        return self._health.mark if self._health.answered_at > began else Mark.TIMEOUT

    def _start_timer(self, began: float, at: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(at, self._check_silence, began, at)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _check_silence(self, began: float, at: float) -> None:
        """Mark the server down, unless it responded since `began` or this process paused: then wait again."""
        now = asyncio.get_running_loop().time()
        silent_at = max(began, self._health.answered_at) + self._patience_seconds
        if silent_at > now:
            self._start_timer(began, silent_at)
        elif now - at > _LATE_SECONDS:
            self._start_timer(now, now + self._patience_seconds)
        elif self._health.is_usable:
            self._set_mark(Mark.TIMEOUT)

    def _set_mark(self, mark: Mark) -> None:
        if mark is not self._health.mark:
            self._health.mark = mark
            _log.warning("dependency", part=self._server.name, state=mark)
