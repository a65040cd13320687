"""Requests with values of any kind at each of their members: an error of the field, never of the server."""

from __future__ import annotations

from typing import Any

import pytest

from wallet_rpc import wire
from wallet_rpc.errors import WalletError
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.operations.operation import Operation
from wallet_rpc.wire import InvalidValue

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**40,
    "",
    "x",
    "0x",
    "\x00",
    [],
    {},
    [[]],
    [{}],
    [None],
    [{"type": []}],
    {"type": {}},
]


@pytest.mark.parametrize("operation", [*OPERATIONS, *REST_OPERATIONS], ids=lambda one: str(one.name))
def test_no_value_of_a_member_breaks_the_decoder(operation: Operation[Any, Any, Any]) -> None:
    names = wire.schema(operation.request, "validation").get("properties", {})
    found = {name: [_error_of(operation, {name: value}) for value in VALUES] for name in names}

    assert {name for name, errors in found.items() if "" in errors} == set(), "an error has no text or field"


def _error_of(operation: Operation[Any, Any, Any], request: Any) -> str | None:
    """Return the text or the field of the error of a request; None for a request that is decoded."""
    try:
        wire.validate(operation.request, request)
    except InvalidValue as invalid:
        return min(each.text for each in invalid.errors)
    except WalletError as error:
        return error.field or ""
    return None
