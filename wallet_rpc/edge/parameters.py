"""Binding of `params`, an array or an object, to the one value from which an operation's request is decoded.

Only names and positions are bound here; `wire.decode` validates the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from wallet_rpc import wire
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation

Params: TypeAlias = list[Any] | dict[str, Any]
"""The `params` of a request; an empty array if absent."""
Binding: TypeAlias = Callable[[Params], Any]
"""Converts `params` to the value that is decoded."""


def build_binding(operation: Operation[Any, Any, Any]) -> Binding:
    """Build the binding of an operation's parameters."""
    if operation.variadic:
        return _bind_items
    return _bind_positions(wire.member_names(operation.request)) if operation.positional else _bind_object


def _bind_object(params: Params) -> Any:
    """Bind `[request]`, or the request itself as an object; an empty array means the empty request."""
    if isinstance(params, dict):
        return params
    if len(params) > 1:
        raise InvalidParams(field="params", expected="one object", given=params)
    return params[0] if params else {}


def _bind_items(params: Params) -> Any:
    """Bind `[item, item, …]`, `[[item, item, …]]`, or one item as an object."""
    if isinstance(params, dict):
        return [params]
    return params[0] if len(params) == 1 and isinstance(params[0], list) else params


def _bind_positions(names: Sequence[str]) -> Binding:
    def bind(params: Params) -> Any:
        if isinstance(params, dict):
            return params
        if len(params) > len(names):
            if not names:
                raise InvalidParams(field="params", expected="none", given=params)
            expected = f"at most {len(names)} items ({', '.join(names)})"
            raise InvalidParams(field="params", expected=expected, given=len(params))
        return dict(zip(names, params, strict=False))

    return bind
