"""Typed requests as JSON values; an error names the field whose value does not have its declared type."""

from __future__ import annotations

import re
import warnings
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from wallet_rpc import wire
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import preview

_OWN_TEXT = re.compile(r"(?<=: )expected .*", re.DOTALL)
"""The text of an error of this package, at the end of pydantic's text."""


def encode_request(operation: Operation[Any, Any, Any], request: Any) -> Any:
    """Convert a request to JSON values. Raises: ValueError that names the field of a value of another type."""
    try:
        return wire.encode(operation.request, request)
    except ValueError as error:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about names in JSON, which a field has no use for without its object
            text = _describe(operation.request, request, error, at="request")
    raise ValueError(f"{operation.name}: {text}")


def _describe(kind: Any, value: Any, error: ValueError, *, at: str) -> str:
    """Return the path and the text of the innermost value that cannot be encoded."""
    for path, inner_kind, inner in _list_parts(value, at):
        try:
            wire.encode(inner_kind, inner)
        except ValueError as inner_error:
            return _describe(inner_kind, inner, inner_error, at=path)
    own = _OWN_TEXT.search(str(error))
    return f"{at}: {own[0] if own else f'expected {_name(kind)}, got {preview(value)}'}"


def _name(kind: Any) -> str:
    """Return the name of a class, also if it has metadata; other types have long ones."""
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return plain.__name__ if isinstance(plain, type) else "a value of its declared type"


def _list_parts(value: Any, at: str) -> list[tuple[str, Any, Any]]:
    """Return the path, the declared type and the value of each field of a request, or of each item of a list."""
    if isinstance(value, tuple):
        return [(f"{at}[{position}]", type(item), item) for position, item in enumerate(value) if is_dataclass(item)]
    if not is_dataclass(value) or isinstance(value, type):
        return []
    hints = get_type_hints(type(value), include_extras=True)
    return [(f"{at}.{field.name}", hints[field.name], getattr(value, field.name)) for field in fields(value)]
