"""Requests of the client without I/O: generators that yield HTTP requests and pauses, and return a result.

`WalletClient` and `AsyncWalletClient` run the same generators, so that the two cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from wallet_rpc import wire
from wallet_rpc.client.errors import ClientError, ConnectionFailed, RpcError, UnexpectedResponse
from wallet_rpc.client.request_values import encode_request
from wallet_rpc.errors import InvalidParams, Unavailable
from wallet_rpc.operations import send_prepared_calls
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.request_account import RequestAccount

_T = TypeVar("_T")

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object as the API documents show it."""


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """A JSON-RPC request to send; the response's body is sent into the generator."""

    method: str
    body: bytes
    chain_id: int | None = None
    """Chain that a request to a node is for; None: the server's first chain, or the one in the parameters."""

    @property
    def query(self) -> dict[str, str] | None:
        """The query of the server's URL; None leaves the URL as it is."""
        return None if self.chain_id is None else {"chainId": str(self.chain_id)}


@dataclass(frozen=True, slots=True)
class Pause:
    """A time to wait, in seconds."""

    seconds: float


Steps: TypeAlias = Generator[RpcRequest | Pause, bytes, _T]
"""A conversation with the server; `advance` continues it."""

_RETRY_PAUSES = (0.1, 0.4)
"""Seconds before the second and the third attempt of a request."""


def advance(steps: Steps[Any], outcome: bytes | ConnectionFailed | None) -> RpcRequest | Pause:
    """Continue with a response's body, the failure of a request, or None after a pause; return the next step.

    Raises: StopIteration with the result at the end; ClientError.
    """
    if isinstance(outcome, ConnectionFailed):
        return steps.throw(outcome)
    return next(steps) if outcome is None else steps.send(outcome)


def call_operation(operation: Operation[Any, Any, _T], request: Any) -> Steps[_T]:
    """Call a method with a typed request and return its typed result.

    Raises: ClientError; ValueError, before anything is sent, for a value that does not have its declared type.
    """
    to_send = _build_request(operation.name, encode_request(operation, request))
    result = yield from _repeat(to_send, is_idempotent=_is_idempotent(operation, request))
    try:
        answer: _T = wire.decode(operation.answer, result, at="result")
    except InvalidParams as error:
        raise UnexpectedResponse(f"{operation.name}: {error.message}") from None
    return answer


def _is_idempotent(operation: Operation[Any, Any, Any], request: Any) -> bool:
    """Return True if a second copy of the request has no effect of its own."""
    match request:
        case RequestAccount(creation_hint=hint):
            return hint is None or hint.create_additional is None
        case _:
            return not operation.need.writes or operation.name == send_prepared_calls.OPERATION.name


def call_method(method: str, *params: Any, chain_id: int | None = None) -> Steps[Any]:
    """Call any method with JSON parameters and return its JSON result. Raises: ClientError."""
    return (yield from _repeat(_build_request(method, list(params), chain_id), is_idempotent=False))


def _build_request(method: str, params: Any, chain_id: int | None = None) -> RpcRequest:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    return RpcRequest(method, body, chain_id)


def _repeat(request: RpcRequest, *, is_idempotent: bool) -> Steps[Any]:
    """Send a request, and repeat it where no copy can add to the effect of another."""
    for seconds in _RETRY_PAUSES:
        try:
            return _read_result(request.method, (yield request))
        except (ConnectionFailed, RpcError) as error:
            if not _may_repeat(error, is_idempotent=is_idempotent):
                raise
        yield Pause(seconds)
    return _read_result(request.method, (yield request))


def _may_repeat(error: ClientError, *, is_idempotent: bool) -> bool:
    match error:
        case ConnectionFailed(was_sent=was_sent):
            return is_idempotent or not was_sent
        case RpcError(code=Unavailable.code, is_retryable=True):
            return is_idempotent
        case _:
            return False


def _read_result(method: str, body: bytes) -> Any:
    """Return the result of a response. Raises: RpcError; UnexpectedResponse."""
    try:
        response = wire.parse_json(body)
    except ValueError:
        response = None
    match response:
        case {"error": {"code": int() as code, "message": str() as message, **rest}}:
            raise RpcError(method, code=code, message=message, data=rest.get("data"))
        case {"result": result}:
            return result
        case _:
            raise UnexpectedResponse(f"{method}: expected a JSON-RPC response; check the server's URL")
