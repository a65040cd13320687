"""The JSON-RPC 2.0 envelope: request objects and response objects.

A body is parsed once. A response that cannot be written as JSON becomes an incident, never invalid JSON.

Source: https://www.jsonrpc.org/specification
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from wallet_rpc.edge.observe import log_incident
from wallet_rpc.errors import InvalidRequest, ParseError, WalletError
from wallet_rpc.primitives import Data, preview
from wallet_rpc.wire import count_marks, parse_json

Id: TypeAlias = str | int | float | None
"""The id of a request; the response has the same value, also for 0 and null."""
ResponseObject: TypeAlias = dict[str, Any]
"""One response object, as JSON values; a result may be JSON text already (`EncodedResult`)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a body: JSON text, or None, and its HTTP status."""

    text: bytes | None
    status: int = 200
    earlier: tuple[bytes, ...] = ()
    """Responses to send before this one over a WebSocket, when the body was handled several times."""


MAX_BODY_VALUES, MAX_BODY_CONTAINERS = 150_000, 50_000
"""The maximum number of JSON values in a body, and of arrays and objects among them. Calls and permissions of 1 MiB
have a tenth as many. Creating an array costs as much as reading a hundred bytes."""
_START_BYTES = 1 << 16
"""The part of a body with too many values that is parsed to detect text that is not JSON; it cannot itself hold
`MAX_BODY_CONTAINERS`."""
_MOST_SEARCHED_BYTES = 1 << 20
"""The maximum size of a body whose texts are searched, so that commas and brackets in them do not count as values."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_END_OF_TEXT = "EOF while parsing"
"""A part of pydantic-core's error for truncated but otherwise valid JSON (version 2)."""
_POSITION = re.compile(r"line \d+ column \d+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class RequestObject:
    """One well-formed request object."""

    method: str
    params: list[Any] | dict[str, Any]
    id: Id
    is_notification: bool


@dataclass(frozen=True, slots=True)
class EncodedResult:
    """A result that is JSON text already."""

    text: bytes


def parse_body(body: bytes) -> Any:
    """Parse the JSON value of a body, as `wire.parse_json` does.

    Raises: ParseError; InvalidRequest (too_many_values) for too many values, after parsing only the start of the body.
    """
    is_large = len(body) > MAX_BODY_CONTAINERS and _is_large(body)
    if is_large and len(body) <= _MOST_SEARCHED_BYTES:
        is_large = _is_large(_STRING.sub(b"", body))
    try:
        value = parse_json(body[:_START_BYTES] if is_large else body)
    except ValueError as error:
        if is_large and _END_OF_TEXT in str(error):
            raise _too_many() from None
        position = _POSITION.search(str(error))
        suffix = "" if position is None else f" at {position[0]}"
        raise ParseError(f"body: expected JSON in UTF-8{suffix}") from None
    if is_large:
        raise _too_many()
    return value


def _too_many() -> InvalidRequest:
    text = (
        f"body: expected at most {MAX_BODY_VALUES} JSON values and {MAX_BODY_CONTAINERS} arrays and objects, got more"
    )
    return InvalidRequest(text, reason="too_many_values")


def _is_large(text: bytes) -> bool:
    return count_marks(text) > MAX_BODY_VALUES or count_marks(text, b"[{") > MAX_BODY_CONTAINERS


def count_entries(parsed: Any) -> int:
    """Count the requests of a body: the entries of a batch, or 1 for anything else."""
    return max(1, len(parsed)) if isinstance(parsed, list) else 1


def response_id(entry: Any) -> Id:
    """Return the id for the response to `entry`; None without a valid id, as for a batch."""
    value = entry.get("id") if isinstance(entry, dict) else None
    return value if _is_id(value) else None


def _is_id(value: Any) -> bool:
    match value:
        case None | str():
            return True
        case bool():
            return False
        case int():
            return True
        case float():
            return math.isfinite(value)
        case _:
            return False


def parse_request(entry: Any) -> RequestObject:
    """Parse a request object from a JSON value. Unknown members are ignored and null `params` count as absent.

    Raises: InvalidRequest that names the invalid member.
    """
    if not isinstance(entry, dict):
        raise InvalidRequest(f"request: expected an object, got {preview(entry)}")
    if entry.get("jsonrpc") != "2.0":
        raise InvalidRequest(f'jsonrpc: expected "2.0", got {_preview_member(entry, "jsonrpc")}')
    method = entry.get("method")
    params = entry.get("params")
    if not isinstance(method, str):
        raise InvalidRequest(f"method: expected a string, got {_preview_member(entry, 'method')}")
    if not (params is None or isinstance(params, list | dict)):
        raise InvalidRequest(f"params: expected an array or an object, got {preview(params)}")
    if not _is_id(entry.get("id")):
        raise InvalidRequest(f"id: expected a string, a finite number or null, got {preview(entry['id'])}")
    return RequestObject(method, [] if params is None else params, entry.get("id"), "id" not in entry)


def _preview_member(entry: dict[str, Any], key: str) -> str:
    return preview(entry[key]) if key in entry else "nothing"


def error_response(error: WalletError, request_id: Id) -> ResponseObject:
    """Build the response object of an error."""
    error_object = {"code": error.code, "message": error.message, "data": to_json_value(error.data)}
    return {"jsonrpc": "2.0", "error": error_object, "id": request_id}


def to_json_value(value: Any) -> Any:
    """Convert the facts of an error to JSON values; byte strings become hex text. Raises: ValueError for NaN."""
    match value:
        case Data():
            return value.hex0x()
        case bytes():
            raise ValueError("a fact of an error is a byte string, expected Data")
        case float() if not math.isfinite(value):
            raise ValueError(f"JSON has no {value}")
        case Mapping():
            return {str(key): to_json_value(item) for key, item in value.items()}
        case list() | tuple():
            return [to_json_value(item) for item in value]
        case _:
            return value


def build_reply(response: ResponseObject | list[ResponseObject] | None) -> Reply:
    """Build the reply of a response. Its HTTP status is the `statusCode` of a single error that has one, else 200."""
    if response is None:
        return Reply(None, 204)
    data = response.get("error", {}).get("data") if isinstance(response, dict) else None
    status = data.get("statusCode", 200) if isinstance(data, dict) else 200
    return Reply(encode_response(response), status)


def encode_response(response: ResponseObject | list[ResponseObject]) -> bytes:
    """Write a response as JSON text. Only a response object that cannot be written is replaced by an incident."""
    if isinstance(response, list):
        return b"[" + b",".join(encode_response(one) for one in response) + b"]"
    result = response.get("result")
    if isinstance(result, EncodedResult):
        return b'{"jsonrpc":"2.0","result":%b,"id":%b}' % (result.text, _dump_json(response["id"]))
    try:
        return _dump_json(response)
    except (TypeError, ValueError, RecursionError) as error:
        return _dump_json(error_response(log_incident(error), response["id"]))


def _dump_json(value: Any) -> bytes:
    """Write a value as JSON text.

    Raises: ValueError, TypeError or RecursionError for what JSON lacks: NaN, byte strings, lone surrogates, cycles.
    """
    return _ENCODER.encode(value).encode()
