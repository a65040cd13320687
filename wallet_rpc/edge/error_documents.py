"""Errors in the OpenRPC document, one for each code, with the reasons that programs decide by."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wallet_rpc.domain.policy import PolicyDenialReason
from wallet_rpc.edge.schemas import Json
from wallet_rpc.errors import (
    Forbidden,
    InternalError,
    InvalidParams,
    InvalidRequest,
    LimitExceeded,
    MethodNotFound,
    ParseError,
    RateLimited,
    Rejected,
    ShuttingDown,
    SponsorshipFailed,
    Unauthorized,
    Unavailable,
    UnsupportedCapability,
    WalletError,
)
from wallet_rpc.errors.reasons import REASONS
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.reasons import EVERY_METHOD

COMMON_ERRORS: tuple[type[WalletError], ...] = (
    Unauthorized,
    Forbidden,
    RateLimited,
    InvalidParams,
    Unavailable,
    ShuttingDown,
    InternalError,
)
"""Errors that every method can return."""
ENVELOPE_ERRORS: tuple[type[WalletError], ...] = (ParseError, InvalidRequest, MethodNotFound)
"""Errors of requests that reach no method."""
NOTE = (
    "An error has a code, a message for people, and `data` for programs. `data.reason` is stable. In this document, "
    "`data.reasons` of an error lists the values of `data.reason`, and `data.retryable` those with which the error has "
    "`retryable: true`: the same request may pass later. `components.errors` explains each reason, also those of "
    "requests that reach no method."
)
"""The explanation of errors in the document."""
_DIFFERENT = (InvalidParams, Rejected, LimitExceeded, UnsupportedCapability, Forbidden)
"""Errors whose reasons differ between operations."""


class ShortList(list[str]):
    """A list that YAML writes in lines, without a line for each item."""


def build_method_errors(operation: Operation[Any, Any, Any]) -> list[Json]:
    """Return the errors of an operation: code, message, and the reasons that they can have."""
    kinds = dict.fromkeys((*operation.errors, *COMMON_ERRORS))
    return [_build_error(group, _reasons_of(operation, group)) for group in _group_by_code(kinds)]


def build_error_components(operations: Iterable[Operation[Any, Any, Any]]) -> Json:
    """Return the errors of all operations and those of requests that reach no method, with the reasons' meanings."""
    used = {kind for operation in operations for kind in (*operation.errors, *COMMON_ERRORS, *ENVELOPE_ERRORS)}
    components: Json = {}
    for group in _group_by_code(kind for kind in REASONS if kind in used):
        meanings = {reason: meaning for kind in group for reason, meaning in REASONS[kind].items()}
        component = _build_error(group, meanings)
        component["data"]["reasons"] = meanings
        if SponsorshipFailed in group:
            component["data"]["why"] = ShortList(str(one) for one in PolicyDenialReason)
        components[_base_of(group).__name__] = component
    return dict(sorted(components.items()))


def _group_by_code(kinds: Iterable[type[WalletError]]) -> list[list[type[WalletError]]]:
    groups: dict[int, list[type[WalletError]]] = {}
    for kind in kinds:
        groups.setdefault(kind.code, []).append(kind)
    return list(groups.values())


def _base_of(group: Sequence[type[WalletError]]) -> type[WalletError]:
    """Return the most general class of a group, which gives the error its name and message."""
    order = list(REASONS)
    return min(group, key=lambda kind: (len(kind.__mro__), order.index(kind)))


def _reasons_of(operation: Operation[Any, Any, Any], group: Sequence[type[WalletError]]) -> list[str]:
    listed = {*operation.reasons, *EVERY_METHOD}
    return [
        reason
        for kind in group
        for reason in REASONS[kind]
        if kind not in _DIFFERENT or reason in listed or reason == kind.default_reason
    ]


def _build_error(group: Sequence[type[WalletError]], reasons: Iterable[str]) -> Json:
    possible = list(dict.fromkeys(reasons))
    retryable = [reason for kind in group if kind.retryable for reason in REASONS[kind] if reason in possible]
    data: dict[str, list[str] | Mapping[str, str]] = {"reasons": ShortList(possible)}
    if retryable:
        data["retryable"] = ShortList(retryable)
    base = _base_of(group)
    return {
        "code": base.code,
        "message": inspect.cleandoc(base.__doc__ or base.__name__).splitlines()[0],
        "data": data,
    }
