"""JSON-RPC 2.0, transport-free: bytes in, bytes out. The one module that knows jsonrpcserver.

The library (5.0.9) runs each entry: it finds the method, calls it and makes the response object or, for a
notification, none. What it does badly is kept from it (tests/edge/test_jsonrpc.py and test_leaks.py): entries come
parsed and checked, one at a time, so that a bad one fails alone; its jsonschema pass (two thirds of a call's time) is
switched off; and no exception reaches it, because it would send the exception's text to the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, cast

from jsonrpcserver import Error, Success, async_dispatch_to_serializable

from wallet_rpc import wire
from wallet_rpc.edge import envelope, observe
from wallet_rpc.edge.envelope import Reply, RequestObject, ResponseObject
from wallet_rpc.edge.outcome import DEADLINE_SECONDS, encode_result, run_until, to_wallet_error
from wallet_rpc.edge.parameters import Params, build_binding
from wallet_rpc.errors import InvalidRequest, MethodNotFound, WalletError
from wallet_rpc.operations.operation import Operation

C = TypeVar("C")
RpcMethod: TypeAlias = Callable[..., Awaitable[Any]]
"""What the library calls: the context, then the parameters by position or by name."""

Fallback: TypeAlias = Callable[[dict[str, Any]], Awaitable[ResponseObject | None]]
"""Answers a request object whose method is not ours, as another server would."""

MAX_BATCH_ENTRIES = 100
"""How many entries one batch may have."""


async def _accept_all(_: int) -> None:
    """Let everyone in."""


class JsonRpcDispatcher(Generic[C]):
    """Answers JSON-RPC with the given operations, each run in a `context` that is made for the body.

    Before anything is run, `admit` is told how many entries a body has, 1 when it cannot be read; what it raises is the
    answer to all of it.

    The entries of a batch start in their order, at most `at_once` run together: with 1, each ends before the next
    begins. One deadline holds for the whole body; an entry that misses it is answered as unavailable. An entry for
    a method that is none of the operations goes to `otherwise`, if there is one.
    """

    def __init__(
        self,
        operations: Sequence[Operation[C, Any, Any]],
        context: Callable[[], C],
        *,
        at_once: int = 1,
        deadline_seconds: float = DEADLINE_SECONDS,
        fallback: Fallback | None = None,
        enforce_rate_limit: Callable[[int], Awaitable[None]] = _accept_all,
    ) -> None:
        self._methods = {operation.name: _wrap_operation(operation) for operation in operations}
        if len(self._methods) != len(operations):
            raise ValueError("two operations of one name")
        self._context = context
        self._at_once = at_once
        self._fallback = fallback
        self._deadline_seconds = deadline_seconds
        self._enforce_rate_limit = enforce_rate_limit

    async def dispatch(self, body: bytes) -> Reply:
        """What answers a body; it has no text when the body holds notifications only. Never raises an Exception."""
        parsed: Any = None
        try:
            try:
                parsed = envelope.parse_body(body)
            finally:
                await self._enforce_rate_limit(envelope.count_entries(parsed))
        except Exception as raised:  # as in `_method`: the caller gets a coded answer
            return envelope.build_reply(
                self._reject(to_wallet_error(raised, observe.UNREADABLE), envelope.response_id(parsed))
            )
        return envelope.build_reply(await self.dispatch_value(parsed))

    async def dispatch_value(self, parsed: Any) -> ResponseObject | list[ResponseObject] | None:
        """As `answer`, from parsed JSON to JSON values."""
        call = _Call(self._context(), asyncio.get_running_loop().time() + self._deadline_seconds)
        if not isinstance(parsed, list):
            return await self._run_entry(parsed, call)
        observe.record_batch(len(parsed))
        if not 1 <= len(parsed) <= MAX_BATCH_ENTRIES:
            text = f"batch: expected 1 to {MAX_BATCH_ENTRIES} entries, got {len(parsed)}"
            reason = "batch_too_large" if parsed else None
            return self._reject(InvalidRequest(text, reason=reason), None)
        answers = [answer for answer in await self._run_batch(parsed, call) if answer is not None]
        return answers if len(answers) > 0 else None

    async def _run_batch(self, entries: list[Any], call: _Call[C]) -> list[ResponseObject | None]:
        gate = asyncio.Semaphore(self._at_once)  # lets waiters in first come, first served
        turn = asyncio.Lock()

        async def run_in_turn(entry: Any) -> ResponseObject | None:
            async with gate:
                async with turn:
                    await asyncio.sleep(0)  # at most one entry is decoded in one turn of the loop
                return await self._run_entry(entry, call)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run_in_turn(entry)) for entry in entries]
        return [task.result() for task in tasks]

    async def _run_entry(self, given: Any, call: _Call[C]) -> ResponseObject | None:
        try:
            entry = envelope.parse_request(given)
        except WalletError as error:
            return self._reject(error, envelope.response_id(given))
        request: dict[str, Any] = {"method": entry.method, "params": entry.params}
        if not entry.is_notification:
            request["id"] = entry.id
        if entry.method not in self._methods:
            return await self._run_fallback(entry, request, call.until)
        answer = await async_dispatch_to_serializable(
            "",
            self._methods,
            context=call,
            deserializer=lambda _: request,
            validator=_pass_through,
        )
        return _hide_library_error(cast("ResponseObject | None", answer))

    async def _run_fallback(self, entry: RequestObject, request: dict[str, Any], until: float) -> ResponseObject | None:
        """What `otherwise` answers; a method that it does not know either is not found."""
        if self._fallback is None:
            observe.record_result(observe.UNKNOWN, MethodNotFound.code)
            missing = MethodNotFound.from_name(entry.method)
            return None if entry.is_notification else envelope.error_response(missing, entry.id)
        try:
            wire.check_size(entry.params)
            answer = await run_until(self._fallback({"jsonrpc": "2.0", **request}), until)
        except Exception as raised:  # as in `_method`: the caller gets a coded answer
            answer = envelope.error_response(to_wallet_error(raised, observe.OTHER), entry.id)
        error = None if answer is None else answer.get("error")
        observe.record_result(observe.OTHER, None if error is None else error["code"])
        return None if entry.is_notification else answer

    @staticmethod
    def _reject(error: WalletError, request_id: envelope.Id) -> ResponseObject:
        observe.record_result(observe.UNREADABLE, error.code)
        return envelope.error_response(error, request_id)


class _Call(Generic[C]):
    """What one body's calls are given beside their parameters: the context, and until when (loop time) they may run."""

    __slots__ = ("context", "until")

    def __init__(self, context: C, until: float) -> None:
        self.context = context
        self.until = until


def _pass_through(request: Any) -> Any:
    return request


def _hide_library_error(answer: ResponseObject | None) -> ResponseObject | None:
    """The library's answer, unless it is an error of its own making: those hold an exception's text."""
    if answer is None or "result" in answer or isinstance(answer["error"].get("data"), dict):
        return answer
    return envelope.error_response(observe.log_incident(RuntimeError("jsonrpcserver answered by itself")), answer["id"])


def _wrap_operation(operation: Operation[C, Any, Any]) -> RpcMethod:
    """`operation` as the library wants it: takes any parameters and always returns, never raises."""
    bound = build_binding(operation)

    async def run_operation(context: C, params: Params) -> Any:
        await operation.authorize(context)
        if not operation.has_own_limits:
            wire.check_size(params)
        request = wire.decode(operation.request, bound(params), at="params")
        return await encode_result(operation, await operation.run(context, request))

    async def call(given: _Call[C], /, *positions: Any, **names: Any) -> Any:
        try:
            answer = await run_until(run_operation(given.context, names or list(positions)), given.until)
        except Exception as raised:  # the door: whatever it is, the caller gets a coded answer
            error = to_wallet_error(raised, operation.name)
            observe.record_result(operation.name, error.code)
            return Error(error.code, error.message, envelope.to_json_value(error.data))
        observe.record_result(operation.name, None)
        return Success(answer)

    return call
