"""The form of a recording: JSON Lines, one exchange a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wallet_rpc import wire
from wallet_rpc.config.settings import SettingError
from wallet_rpc.errors import InvalidParams
from wallet_rpc.wire import shape

FORMAT: Literal[1] = 1
"""The version of the form."""
MAX_RECORDING_BYTES = 256 << 20
"""The maximum size of a recording, which `replay` reads into memory."""


@shape
class RecordedBody:
    """The body of a request or a response: a JSON array or object, or text."""

    json: Any = None
    text: str | None = None


@shape
class RecordedRequest:
    """A request."""

    verb: str
    """The HTTP method."""
    path: str
    query: Mapping[str, str]
    credential: str | None = None
    """The placeholder of the API key or token in the header fields; None without one."""
    body: RecordedBody | None = None


@shape
class RecordedResponse:
    """A response."""

    status: int
    headers: Mapping[str, str]
    """The header fields that a client may depend on."""
    body: RecordedBody | None = None


@shape
class RecordedExchange:
    """A request and its response."""

    format: Literal[1]
    number: int
    """The position of the request among all, by its arrival, from 1."""
    at_milliseconds: int
    """The time of the request in milliseconds since 1970."""
    request: RecordedRequest
    response: RecordedResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The exchanges of a file in the order of their requests, each with the number of its line."""

    exchanges: tuple[tuple[int, RecordedExchange], ...]
    text: str = field(repr=False)
    """The whole file in lower case."""


def read_body(body: bytes) -> RecordedBody | None:
    """Return a body in the form of a recording; None for an empty one. Raises: ValueError if it is no text in UTF-8."""
    text = body.decode("utf-8")
    if not text:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_read_finite)
    except (ValueError, RecursionError):
        return RecordedBody(text=text)
    return RecordedBody(json=value) if isinstance(value, dict | list) else RecordedBody(text=text)


def format_body(body: RecordedBody | None) -> bytes:
    """Return a recorded body as bytes."""
    if body is None:
        return b""
    return dump_json_text(body.json).encode() if body.text is None else body.text.encode()


def dump_json_text(value: Any) -> str:
    """Write a JSON value compactly, in ASCII."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def format_exchange(exchange: RecordedExchange) -> bytes:
    """Return the line of an exchange."""
    request, response = exchange.request, exchange.response
    line = {
        "format": exchange.format,
        "number": exchange.number,
        "atMilliseconds": exchange.at_milliseconds,
        "request": {
            "verb": request.verb,
            "path": request.path,
            "query": dict(request.query),
            **({} if request.credential is None else {"credential": request.credential}),
            **_body_member(request.body),
        },
        "response": {"status": response.status, "headers": dict(response.headers), **_body_member(response.body)},
    }
    return dump_json_text(line).encode() + b"\n"


def read_recording(path: Path) -> Recording:
    """Read a recording. Raises: SettingError, which names the line, for a file that is none."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_RECORDING_BYTES + 1)
    except OSError as error:
        raise SettingError(f"{path}: cannot read the recording: {error.strerror}") from None
    if len(content) > MAX_RECORDING_BYTES:
        raise SettingError(f"{path}: expected a recording of at most {MAX_RECORDING_BYTES} bytes, got more")
    lines = content.split(b"\n")
    if not content:
        raise SettingError(f"{path}: expected a recording of `wallet-rpc record`, got an empty file")
    found = [
        (number, _parse_line(line, f"{path}: line {number}", is_last=number == len(lines)))
        for number, line in enumerate(lines, 1)
        if line or number < len(lines)
    ]
    found.sort(key=lambda each: each[1].number)
    return Recording(exchanges=tuple(found), text=content.decode().lower())


def _parse_line(line: bytes, at: str, *, is_last: bool) -> RecordedExchange:
    try:
        value = json.loads(line.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        hint = "; the recording was interrupted here: remove this line" if is_last else ""
        raise SettingError(f"{at}: expected an exchange as a JSON object, got text that is not JSON{hint}") from None
    if not isinstance(value, dict):
        raise SettingError(f"{at}: expected an exchange as a JSON object, got another JSON value")
    try:
        return wire.decode(RecordedExchange, value, at="exchange")
    except InvalidParams as error:
        raise SettingError(f"{at}: {error.message}; expected a line that `wallet-rpc record` wrote") from None


def _body_member(body: RecordedBody | None) -> dict[str, Any]:
    if body is None:
        return {}
    return {"body": {"json": body.json} if body.text is None else {"text": body.text}}


def _read_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("expected a number in the range of a double")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")
