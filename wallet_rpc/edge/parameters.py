"""Parameters: how an array or an object becomes the one value an operation's request is decoded from.

The rule: names and positions are bound here; forms are checked by `wire.decode` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from wallet_rpc import wire
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import preview

Params: TypeAlias = list[Any] | dict[str, Any]
"""`params` of a request; absent is an empty array."""
Binding: TypeAlias = Callable[[Params], Any]
"""From `params` to the value that is decoded."""


def build_binding(operation: Operation[Any, Any, Any]) -> Binding:
    """How `operation` takes its parameters."""
    if operation.variadic:
        return _bind_items
    return _bind_positions(wire.member_names(operation.request)) if operation.positional else _bind_object


def _bind_object(params: Params) -> Any:
    """`[request]`, or the request itself by name; nothing stands for the empty request."""
    if isinstance(params, dict):
        return params
    if len(params) > 1:
        raise InvalidParams(f"params: expected one object, got {preview(params)}", field="params")
    return params[0] if params else {}


def _bind_items(params: Params) -> Any:
    """`[item, item, …]`; `[[item, item, …]]` and one item by name mean the same, since an item is an object."""
    if isinstance(params, dict):
        return [params]
    return params[0] if len(params) == 1 and isinstance(params[0], list) else params


def _bind_positions(names: Sequence[str]) -> Binding:
    def bind(params: Params) -> Any:
        if isinstance(params, dict):
            return params
        if len(params) > len(names):
            text = f"params: expected at most {len(names)} items ({', '.join(names)}), got {len(params)}"
            raise InvalidParams(text if names else f"params: expected none, got {preview(params)}", field="params")
        return dict(zip(names, params, strict=False))

    return bind
