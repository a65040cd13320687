"""JSON-RPC dispatcher inside the chain's process: bytes in, bytes out, one request at a time, no event loop.

It shares the code for envelopes and parameter binding with the public dispatcher (`edge/jsonrpc`). It is separate for
two reasons: a node's errors carry a bare hex string as `data`, and a chain answers thousands of small reads a second.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence, Set
from functools import partial
from typing import Any, TypeAlias, cast

from wallet_rpc import wire
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.edge import envelope, observe
from wallet_rpc.edge.envelope import ResponseObject
from wallet_rpc.edge.parameters import Params, build_binding
from wallet_rpc.errors import InvalidRequest, MethodNotFound, WalletError
from wallet_rpc.operations.operation import Operation

MAX_CHAIN_BATCH_ENTRIES = 1000
"""The maximum number of entries in a batch."""
_ADDRESS_LENGTH = 42
BoundMethod: TypeAlias = Callable[[Params], Any]


class DevChainDispatcher:
    """Dispatcher of the given operations, run in `context`. Their `run` must not wait for anything."""

    def __init__(self, operations: Sequence[Operation[DevChain, Any, Any]], context: DevChain) -> None:
        self._limit = context.chain.limit
        self._mempool = context.chain.mempool
        self._mine = context.chain.mine
        self._held, self._release = context.bundler.held, context.bundler.release
        self._methods = {operation.name: _method(operation, context) for operation in operations}
        if len(self._methods) != len(operations):
            raise ValueError("two operations have the same name")

    @property
    def methods(self) -> Set[str]:
        """The names of the methods."""
        return self._methods.keys()

    def answer(self, body: bytes) -> bytes | None:
        """Return the JSON response to a body; None for notifications only. Never raises an Exception."""
        return self._limit.share(partial(self._answer, body))

    def calls_only(self, names: Set[str], body: bytes) -> bool:
        """Return True when every entry of a body is a request for a method in `names`, which runs no code.

        A read of the pending state runs the transactions of the mempool.
        """
        try:
            parsed = envelope.parse_body(body)
            entries = [envelope.parse_request(entry) for entry in (parsed if isinstance(parsed, list) else [parsed])]
        except WalletError:
            return False
        runs_code = len(self._mempool) > 0 and any(_names_pending(entry.params) for entry in entries)
        return not runs_code and all(entry.method in names for entry in entries)

    def mine(self) -> None:
        """Mine a block of interval mining."""
        try:
            self._limit.share(self._mine)
        except Exception as error:  # the chain goes on
            observe.log_incident(error, method="interval mining")

    def release(self) -> None:
        """Include the user operations that a test has the bundler keep back until now."""
        if self._held.seconds_left == 0:
            self._limit.share(self._release)

    def _answer(self, body: bytes) -> bytes | None:
        try:
            parsed = envelope.parse_body(body)
        except WalletError as error:
            return envelope.encode_response(envelope.error_response(error, None))
        if not isinstance(parsed, list):
            answer = self._entry(parsed)
            return None if answer is None else envelope.encode_response(answer)
        if not 1 <= len(parsed) <= MAX_CHAIN_BATCH_ENTRIES:
            text = f"batch: expected 1 to {MAX_CHAIN_BATCH_ENTRIES} entries, got {len(parsed)}"
            return envelope.encode_response(envelope.error_response(InvalidRequest(text), None))
        answers = [answer for answer in map(self._entry, parsed) if answer is not None]
        return envelope.encode_response(answers) if len(answers) > 0 else None

    def _entry(self, given: Any) -> ResponseObject | None:
        try:
            entry = envelope.parse_request(given)
        except WalletError as error:
            return envelope.error_response(error, envelope.response_id(given))
        method = self._methods.get(entry.method) or _method_not_found(entry.method)
        try:
            answer = {"jsonrpc": "2.0", "id": entry.id, "result": method(entry.params)}
        except Exception as error:  # every failure becomes a JSON-RPC error
            known = error if isinstance(error, WalletError) else observe.log_incident(error, method=entry.method)
            answer = envelope.error_response(known, entry.id)
            if known.data is None:
                del answer["error"]["data"]
        return None if entry.is_notification else answer


def _method_not_found(name: str) -> BoundMethod:
    def call(_params: Params) -> Any:
        raise MethodNotFound.from_name(name)

    return call


def _method(operation: Operation[DevChain, Any, Any], context: DevChain) -> BoundMethod:
    bound = build_binding(operation)

    def call(params: Params) -> Any:
        request = wire.decode(operation.request, bound(_lowercase_addresses(params)), at="params")
        running = operation.run(context, request)
        return wire.encode(operation.answer, _result(cast("Coroutine[Any, Any, Any]", running)))

    return call


def _names_pending(value: Any) -> bool:
    """Return True when a JSON value is or contains the tag of the pending block."""
    match value:
        case str():
            return value.lower() == "pending"
        case list():
            return any(map(_names_pending, value))
        case dict():
            return any(map(_names_pending, value.values()))
        case _:
            return False


def _lowercase_addresses(value: Any) -> Any:
    """Lower the case of addresses in JSON values: a node does not check their checksums."""
    match value:
        case str() if len(value) == _ADDRESS_LENGTH and value[:2] == "0x":
            return value.lower()
        case list():
            return [_lowercase_addresses(item) for item in value]
        case dict():
            return {_lowercase_addresses(key): _lowercase_addresses(item) for key, item in value.items()}
        case _:
            return value


def _result(running: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that never waits. Raises RuntimeError for one that does."""
    try:
        running.send(None)
    except StopIteration as ended:
        return ended.value
    running.close()
    raise RuntimeError("an operation of the development chain must not wait")
