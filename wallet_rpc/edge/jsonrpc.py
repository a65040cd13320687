"""JSON-RPC 2.0 dispatcher without a transport: bytes in, bytes out. The only module that uses jsonrpcserver.

The library (5.0.9) calls the method of each entry and builds the response object. This module works around its defects
(tests/edge/test_jsonrpc.py and test_leaks.py). It calls the library's functions for one parsed and checked entry, so
that an invalid entry fails alone: the entry point for a body validates it with jsonschema and inspects the method's
signature, which takes nine tenths of the time. It catches every exception, since the library would send the exception's
text to the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, cast

from jsonrpcserver import Error, Success
from jsonrpcserver import request as library_request
from jsonrpcserver.async_dispatcher import call as call_method
from jsonrpcserver.dispatcher import to_response
from jsonrpcserver.response import to_serializable
from jsonrpcserver.sentinels import NOID

from wallet_rpc import wire
from wallet_rpc.edge import envelope, observe
from wallet_rpc.edge.envelope import Reply, RequestObject, ResponseObject
from wallet_rpc.edge.outcome import DEADLINE_SECONDS, encode_result, run_until, to_wallet_error
from wallet_rpc.edge.parameters import Params, build_binding
from wallet_rpc.edge.request_context import current_context
from wallet_rpc.errors import InvalidRequest, MethodNotFound, WalletError
from wallet_rpc.operations.operation import Operation

_C = TypeVar("_C")
RpcMethod: TypeAlias = Callable[..., Awaitable[Any]]
"""A method that the library calls with the context, then the parameters by position or by name."""

Fallback: TypeAlias = Callable[[dict[str, Any]], Awaitable[ResponseObject | None]]
"""Handles a request object whose method is not an operation, for example by forwarding it to a node."""

MAX_BATCH_ENTRIES = 100
"""The maximum number of entries in a batch."""


async def _accept_all(_: int) -> None:
    """Enforce no rate limit."""


class JsonRpcDispatcher(Generic[_C]):
    """Dispatches JSON-RPC requests to operations, each run in a `context` that is built for the body.

    First, `enforce_rate_limit` receives the number of entries of a body, or 1 for a body that cannot be parsed. If it
    raises an error, that error is the response to the whole body.

    The entries of a batch start in their order and at most `at_once` run concurrently. The deadline holds for the whole
    body; an entry that misses it gets `Unavailable`. An entry whose method is not an operation goes to `fallback`.
    """

    chain_methods: frozenset[str] = frozenset()
    """The methods of the fallback that the log names; the names of others are texts of the caller."""

    def __init__(
        self,
        operations: Sequence[Operation[_C, Any, Any]],
        context: Callable[[], _C],
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
        """Handle a body; the reply has no text if all entries are notifications. Never raises an Exception."""
        parsed: Any = None
        try:
            try:
                parsed = envelope.parse_body(body)
            finally:
                await self._enforce_rate_limit(envelope.count_entries(parsed))
        except Exception as raised:  # as in `_wrap_operation`: any exception becomes a response object
            error = to_wallet_error(raised, observe.UNREADABLE)
            return envelope.build_reply(self._reject(error, envelope.response_id(parsed)))
        return envelope.build_reply(await self._run(parsed))

    async def _run(self, parsed: Any) -> ResponseObject | list[ResponseObject] | None:
        call = _Call(self._context, asyncio.get_running_loop().time() + self._deadline_seconds)
        if not isinstance(parsed, list):
            return await self._run_entry(parsed, call)
        current_context().batch_entries = len(parsed)
        if not 1 <= len(parsed) <= MAX_BATCH_ENTRIES:
            text = f"batch: expected 1 to {MAX_BATCH_ENTRIES} entries, got {len(parsed)}"
            reason = "batch_too_large" if parsed else None
            return self._reject(InvalidRequest(text, reason=reason), None)
        responses = [response for response in await self._run_batch(parsed, call) if response is not None]
        return responses if len(responses) > 0 else None

    async def _run_batch(self, entries: list[Any], call: _Call[_C]) -> list[ResponseObject | None]:
        slots = asyncio.Semaphore(self._at_once)  # first come, first served
        turn = asyncio.Lock()

        async def run_in_turn(position: int, entry: Any) -> ResponseObject | None:
            async with slots:
                async with turn:
                    await asyncio.sleep(0)  # at most one entry is decoded in one turn of the loop
                with observe.observe_entry(position):
                    return await self._run_entry(entry, call)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run_in_turn(*numbered)) for numbered in enumerate(entries)]
        return [task.result() for task in tasks]

    async def _run_entry(self, entry: Any, call: _Call[_C]) -> ResponseObject | None:
        try:
            parsed = envelope.parse_request(entry)
        except WalletError as error:
            return self._reject(error, envelope.response_id(entry))
        method = self._methods.get(parsed.method)
        if method is None:
            return await self._run_fallback(parsed, call.until)
        request = library_request.Request(parsed.method, parsed.params, NOID if parsed.is_notification else parsed.id)
        result = await call_method(request, call, method)
        if parsed.is_notification:
            return None
        return _hide_library_error(cast("ResponseObject", to_serializable(to_response(request, result))))

    async def _run_fallback(self, entry: RequestObject, until: float) -> ResponseObject | None:
        """Handle a request with the fallback; without one, the method is not found."""
        if self._fallback is None:
            not_found = MethodNotFound.from_name(entry.method)
            current_context().record_error(observe.UNKNOWN, not_found)
            return None if entry.is_notification else envelope.error_response(not_found, entry.id)
        request: dict[str, Any] = {"jsonrpc": "2.0", "method": entry.method, "params": entry.params}
        if not entry.is_notification:
            request["id"] = entry.id
        try:
            wire.check_size(entry.params)
            response = await run_until(self._fallback(request), until)
        except Exception as raised:  # as in `_wrap_operation`: any exception becomes a response object
            response = envelope.error_response(to_wallet_error(raised, observe.OTHER), entry.id)
        observe.record_response(entry.method if entry.method in self.chain_methods else observe.OTHER, response)
        return None if entry.is_notification else response

    @staticmethod
    def _reject(error: WalletError, request_id: envelope.Id) -> ResponseObject:
        current_context().record_error(observe.UNREADABLE, error)
        return envelope.error_response(error, request_id)


class _Call(Generic[_C]):
    """The context of one body's calls, built for the first of them, and their deadline, in the loop's time."""

    __slots__ = ("_build", "_context", "until")

    def __init__(self, build: Callable[[], _C], until: float) -> None:
        self._build = build
        self._context: _C | None = None
        self.until = until

    @property
    def context(self) -> _C:
        """The context."""
        if self._context is None:
            self._context = self._build()
        return self._context


def _hide_library_error(response: ResponseObject) -> ResponseObject:
    """Replace an error that the library itself created, which holds the text of an exception, with an incident."""
    if "result" in response or isinstance(response["error"].get("data"), dict):
        return response
    incident = observe.log_incident(RuntimeError("jsonrpcserver returned an error of its own"))
    return envelope.error_response(incident, response["id"])


def _wrap_operation(operation: Operation[_C, Any, Any]) -> RpcMethod:
    """Wrap an operation as a method for the library: it accepts any parameters and never raises."""
    bind = build_binding(operation)

    async def run_operation(context: _C, params: Params) -> Any:
        await operation.authorize(context)
        if not operation.has_own_limits:
            wire.check_size(params)
        request = wire.decode(operation.request, bind(params), at="params")
        return envelope.EncodedResult(await encode_result(operation, await operation.run(context, request)))

    async def run_method(call: _Call[_C], /, *positions: Any, **names: Any) -> Any:
        try:
            result = await run_until(run_operation(call.context, names or list(positions)), call.until)
        except Exception as raised:  # any exception becomes a response object
            error = to_wallet_error(raised, operation.name)
            current_context().record_error(operation.name, error)
            return Error(error.code, error.message, envelope.to_json_value(error.data))
        current_context().record_success(operation.name)
        return Success(result)

    return run_method
