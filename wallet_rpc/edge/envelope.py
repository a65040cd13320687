"""The JSON-RPC 2.0 envelope: what is a legal request, and how an answer looks.

The rule: bytes are parsed once, and an answer that cannot be written as JSON becomes an incident, never broken JSON.

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
"""A request's id; it is echoed with the same value, 0 and null too."""
ResponseObject: TypeAlias = dict[str, Any]
"""One response object, as JSON values."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What answers a body: JSON text, or none, and the HTTP status that goes with it."""

    text: bytes | None
    status: int = 200


MAX_BODY_VALUES, MAX_BODY_CONTAINERS = 150_000, 50_000
"""How many JSON values a body may hold, and how many of them may be arrays and objects; in 1 MiB, calls and permissions
have a tenth as many. Making an array costs as much as reading a hundred bytes."""
_START_BYTES = 1 << 16
"""The part of a larger body that is parsed, to recognize text that is not JSON; it cannot hold `MAX_CONTAINERS`."""
_END_OF_TEXT = "EOF while parsing"
"""In the error of pydantic-core 2 for text that is valid JSON as far as it goes."""
_POSITION = re.compile(r"line \d+ column \d+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class RequestObject:
    """One well-formed request object."""

    method: str
    params: list[Any] | dict[str, Any]
    id: Id
    is_notification: bool


def parse_body(body: bytes) -> Any:
    """The JSON value of a body, as `wire.parsed` reads it.

    Raises: ParseError; InvalidRequest (too_many_values) for more than a body may hold, of which only the start is read.
    """
    is_large = _is_large(body) and _is_large(_STRING.sub(b"", body))
    try:
        value = parse_json(body[:_START_BYTES] if is_large else body)
    except ValueError as error:
        if is_large and _END_OF_TEXT in str(error):
            raise _too_many() from None
        place = _POSITION.search(str(error))
        where = "" if place is None else f" at {place[0]}"
        raise ParseError(f"body: expected JSON in UTF-8{where}") from None
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
    """The number of requests that a body counts as: the entries of a batch, and 1 for anything else."""
    return max(1, len(parsed)) if isinstance(parsed, list) else 1


def response_id(entry: Any) -> Id:
    """The id that an answer to `entry` bears; null when there is none or none that is legal, as for a batch."""
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
    """A request object out of parsed JSON. Unknown members are ignored and null `params` count as absent.

    Raises: InvalidRequest that says which member is wrong.
    """
    if not isinstance(entry, dict):
        raise InvalidRequest(f"request: expected an object, got {preview(entry)}")
    if entry.get("jsonrpc") != "2.0":
        raise InvalidRequest(f'jsonrpc: expected "2.0", got {_preview_member(entry, "jsonrpc")}')
    method, params = entry.get("method"), entry.get("params")
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
    """The response object of an error."""
    told = {"code": error.code, "message": error.message, "data": to_json_value(error.data)}
    return {"jsonrpc": "2.0", "error": told, "id": request_id}


def to_json_value(value: Any) -> Any:
    """The facts of an error as JSON values: byte strings become hex text."""
    match value:
        case Data():
            return value.hex0x()
        case Mapping():
            return {str(key): to_json_value(item) for key, item in value.items()}
        case list() | tuple():
            return [to_json_value(item) for item in value]
        case _:
            return value


def build_reply(answer: ResponseObject | list[ResponseObject] | None) -> Reply:
    """An answer as text; HTTP has the status of an error that is seen there too, unless it is one of a batch."""
    if answer is None:
        return Reply(None, 204)
    data = answer.get("error", {}).get("data") if isinstance(answer, dict) else None
    status = data.get("statusCode", 200) if isinstance(data, dict) else 200
    return Reply(encode_response(answer), status)


def encode_response(answer: ResponseObject | list[ResponseObject]) -> bytes:
    """JSON text. One answer that cannot be written becomes an incident and leaves the others as they are."""
    if isinstance(answer, list):
        return b"[" + b",".join(encode_response(one) for one in answer) + b"]"
    try:
        return dump_json(answer)
    except (TypeError, ValueError, RecursionError) as error:  # not JSON, NaN, a lone surrogate, a circle
        return dump_json(error_response(log_incident(error), answer["id"]))


def dump_json(value: Any) -> bytes:
    """JSON text. Raises: TypeError, ValueError, RecursionError when the value cannot be written."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
