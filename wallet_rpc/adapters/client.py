"""JSON-RPC client of one HTTP upstream: a node, bundler, paymaster or quote provider.

Every call has a deadline, at most the rest of its request's time budget, and fails at once while the server is marked
down (`adapters/health.py`). Reads are retried, and the reads of a few event-loop ticks are batched into one POST. A
write is sent once, in its own POST. No error contains a URL, a key or a text of the upstream.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from pydantic_core import to_json

from wallet_rpc import tracing
from wallet_rpc.adapters.health import DEPENDENCY_DOWN, WRONG_CHAIN, Mark, ServerHealth
from wallet_rpc.adapters.http_post import PostClient, PostFailed
from wallet_rpc.adapters.limits import ClientLimits
from wallet_rpc.errors import InvalidParams, LimitExceeded, OutcomeUnknown, Unavailable, WalletError
from wallet_rpc.primitives import ChainId
from wallet_rpc.time_budget import BUDGET_USED, STORE_SECONDS, require_time
from wallet_rpc.time_limits import TimeLimit
from wallet_rpc.wire import decode, parse_json

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """Error object of a JSON-RPC response."""

    code: int
    message: str
    data: Any = None


ErrorMapper: TypeAlias = Callable[[ErrorObject], WalletError]
"""Function from an upstream's error object to the error that the caller gets."""
_BATCH_TICKS = 4
"""Event-loop ticks for which a read waits for others: the reads of nested `gather` calls start on different ticks."""
_Work: TypeAlias = Callable[[], Awaitable[Any]]
_UNSENT_REASONS = frozenset({DEPENDENCY_DOWN, WRONG_CHAIN, BUDGET_USED})
"""Reasons of errors for requests that were not sent."""


class _RpcError(Exception):
    def __init__(self, error: ErrorObject) -> None:
        super().__init__(error.code)
        self.error = error


class _NoAnswerError(Exception):
    """No readable response; `sent` is False when the request cannot have reached the server."""

    def __init__(self, *, sent: bool = True, batch_rejected: bool = False, too_large: bool = False) -> None:
        super().__init__()
        self.sent = sent
        self.batch_rejected = batch_rejected
        self.too_large = too_large


@dataclass(slots=True)
class _PendingRequest:
    request: dict[str, Any]
    answer: asyncio.Future[Any]
    trace: tracing.TraceContext


class JsonRpcClient:
    """Client of one upstream server; `part` is its name in errors."""

    def __init__(self, http: PostClient, url: str, *, part: str, limits: ClientLimits | None = None) -> None:
        self._http = http
        self.url = url
        """The server's URL, which contains a key: for probes only, never for a message."""
        self.part = part
        self.health = ServerHealth(part)
        self._peer = tracing.peer_of_url(part, url)
        self._limits = ClientLimits() if limits is None else limits
        seconds = self._limits.deadline_seconds
        self._connect_seconds = min(seconds, self._limits.connect_seconds)
        self._is_batching = self._limits.batch_size > 1
        self._ids = itertools.count(1)
        self._queue: list[_PendingRequest] = []
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def servers(self) -> tuple[JsonRpcClient, ...]:
        """The client of each server: this one."""
        return (self,)

    async def read(
        self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None, unbatched: bool = False
    ) -> Any:
        """Return the result of a read-only method; `unbatched` gives a slow call a POST of its own.

        Raises: the error that `map_error` returns; LimitExceeded (answer_too_large); Unavailable.
        """
        attempts = partial(self._read, method, params, unbatched=unbatched)
        with tracing.watch_call(self._peer, method):
            return await self._limit(attempts, self._limits.read_seconds, map_error, timeout_error=Unavailable)

    async def write(self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None) -> Any:
        """Return the result of a method, sent once. Raises: as `read`; OutcomeUnknown if it may have taken effect."""
        sending = partial(self._write, method, params)
        with tracing.watch_call(self._peer, method):
            return await self._limit(sending, self._limits.deadline_seconds, map_error, timeout_error=OutcomeUnknown)

    async def check_chain(self, chain_id: int) -> None:
        """Check that the server serves the chain; a failure marks it as not usable, until a probe succeeds.

        Raises: Unavailable (wrong_chain) when it serves another.
        """
        kind: Any = ChainId
        try:
            found = self.decode_result(kind, await self.read("eth_chainId", []))
        except Unavailable as error:
            if is_no_response(error):
                self.health.mark = Mark.UNAVAILABLE
            raise
        if found != chain_id:
            self.health.mark = Mark.WRONG_CHAIN
            text = f"the {self.part} serves chain {found}, expected chain {chain_id}"
            raise Unavailable(text, reason=WRONG_CHAIN, part=self.part)

    def decode_result(self, kind: type[_T], value: Any) -> _T:
        """Decode a result as a typed value. Raises: Unavailable when it is malformed."""
        return decode_result(kind, value, part=self.part)

    async def _read(self, method: str, params: Sequence[Any], *, unbatched: bool) -> Any:
        for attempt in itertools.count(1):
            self.health.require_usable()
            try:
                return await self._enqueue(method, params, unbatched=unbatched)
            except _NoAnswerError as error:
                if attempt >= self._limits.attempts or error.too_large:
                    raise
            pause = self._limits.backoff_seconds * 2 ** (attempt - 1)
            await asyncio.sleep(pause * (1 + random.random()))  # noqa: S311  # spreads load, hides nothing
        raise AssertionError  # pragma: no cover  # the loop ends by return or raise

    async def _write(self, method: str, params: Sequence[Any]) -> Any:
        request = self._build_request(method, params)
        return _extract_result(await self._post(request), request["id"])

    async def _limit(
        self, work: _Work, seconds: float, map_error: ErrorMapper | None, *, timeout_error: type[Unavailable]
    ) -> Any:
        """Await work within its deadline, and map its errors to those of the caller."""
        self.health.require_usable()
        until = require_time(seconds, part=self.part, reserve=STORE_SECONDS)
        try:
            with TimeLimit(until):
                return await work()
        except _RpcError as failure:
            raise (self._unavailable_error if map_error is None else map_error)(failure.error) from None
        except _NoAnswerError as error:
            if error.too_large and timeout_error is Unavailable:
                raise self._too_large_error() from None
            raise self._no_response_error(timeout_error if error.sent else Unavailable) from error
        except TimeoutError as error:
            raise self._no_response_error(timeout_error) from error

    def _no_response_error(self, kind: type[Unavailable]) -> Unavailable:
        return kind(f"the {self.part} does not answer", part=self.part)

    def _too_large_error(self) -> LimitExceeded:
        text = f"the {self.part}'s response is too large: expected {self._limits.answer_limits}; request less data"
        return LimitExceeded(text, reason="answer_too_large", part=self.part)

    def _unavailable_error(self, error: ErrorObject) -> Unavailable:
        return Unavailable(f"the {self.part} returned an error", part=self.part, upstreamCode=error.code)

    def _build_request(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}

    def _enqueue(self, method: str, params: Sequence[Any], *, unbatched: bool) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        request = self._build_request(method, params)
        waiting = _PendingRequest(request, loop.create_future(), tracing.copy_trace_context())
        if unbatched or not self._is_batching:
            self._start([waiting])
            return waiting.answer
        if not self._queue:
            loop.call_soon(self._flush, _BATCH_TICKS)
        self._queue.append(waiting)
        return waiting.answer

    def _flush(self, ticks: int) -> None:
        """Send the queued reads after so many ticks."""
        if ticks > 1:
            asyncio.get_running_loop().call_soon(self._flush, ticks - 1)
            return
        waiting = [one for one in self._queue if not one.answer.done()]
        self._queue = []
        for group in tracing.split_by_trace(waiting, lambda one: one.trace, size=self._limits.batch_size):
            self._start(group)

    def _start(self, waiting: Sequence[_PendingRequest]) -> None:
        task = asyncio.get_running_loop().create_task(self._send(waiting), context=waiting[0].trace.context)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, waiting: Sequence[_PendingRequest]) -> None:
        """Send the requests and complete all their futures, after a failure with an exception."""
        too_large = False
        try:
            with TimeLimit.after(self._limits.read_seconds):
                await (self._send_one(waiting[0]) if len(waiting) == 1 else self._send_batch(waiting))
        except TimeoutError:
            pass
        except _NoAnswerError as error:
            too_large = error.too_large
        finally:
            for one in waiting:
                if not one.answer.done():
                    one.answer.set_exception(_NoAnswerError(too_large=too_large))

    async def _send_one(self, one: _PendingRequest) -> None:
        _resolve(one, await self._post(one.request))

    async def _send_batch(self, waiting: Sequence[_PendingRequest]) -> None:
        try:
            answers = await self._post([one.request for one in waiting])
        except _NoAnswerError as error:
            if not (error.batch_rejected or error.too_large):
                raise
            answers = None
            self._is_batching = error.too_large
        else:
            self._is_batching = isinstance(answers, list)  # without support for batches: one POST per call from now on
        if not isinstance(answers, list):
            await asyncio.gather(*(self._send([one]) for one in waiting))
            return
        found = {answer["id"]: answer for answer in answers if _has_integer_id(answer)}
        for one in waiting:
            if one.request["id"] in found:
                _resolve(one, found[one.request["id"]])

    async def _post(self, body: Any) -> Any:
        """Send one POST and return the response as parsed JSON."""
        content = to_json(body)
        try:
            response = await self._http.post(
                self.url, content, connect_seconds=self._connect_seconds, max_bytes=self._limits.answer_bytes
            )
        except PostFailed as failure:
            raise _NoAnswerError(sent=failure.sent) from failure
        if response.status == 429 or response.status >= 500:
            raise _NoAnswerError
        if response.body is None or not self._limits.allows(response.body):
            raise _NoAnswerError(too_large=True)
        try:
            parsed = parse_json(response.body)
        except ValueError as error:
            raise _NoAnswerError(batch_rejected=response.status >= 400) from error
        self.health.record_answer()
        return parsed


def is_no_response(error: Unavailable) -> bool:
    """Return True when there was no readable response, False when the upstream returned an error."""
    return error.reason in _UNSENT_REASONS or isinstance(error.__cause__, _NoAnswerError | TimeoutError)


def decode_result(kind: type[_T], value: Any, *, part: str) -> _T:
    """Decode a result as a typed value. Raises: Unavailable when it is malformed."""
    try:
        return decode(kind, value, at="result")
    except InvalidParams as error:
        raise Unavailable(f"the {part} returned a malformed response", part=part) from error


def _has_integer_id(answer: Any) -> bool:
    """Return True when the response's `id` is an integer, as the ids of all requests are."""
    return isinstance(answer, dict) and isinstance(answer.get("id"), int)


def _resolve(one: _PendingRequest, answer: Any) -> None:
    if one.answer.done():  # the caller was cancelled or timed out
        return
    try:
        one.answer.set_result(_extract_result(answer, one.request["id"]))
    except (_RpcError, _NoAnswerError) as error:
        one.answer.set_exception(error)


def _extract_result(answer: Any, request_id: int) -> Any:
    match answer:
        case {"error": {"code": int(code), "message": str(message), **more}}:
            raise _RpcError(ErrorObject(code, message, more.get("data")))
        case {"result": result, "id": found} if found == request_id:
            return result
        case _:
            raise _NoAnswerError
