"""Tests that each operation is served as its own module declares it."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from wallet_rpc import operations
from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.errors import Forbidden
from wallet_rpc.operations import catalogue, prepare_calls, revoke_token
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.operations.operation import Operation

SERVED = (*OPERATIONS, *REST_OPERATIONS)


def declared_operations() -> list[Operation[Any, Any, Any]]:
    names = [module.name for module in pkgutil.iter_modules(operations.__path__)]
    modules = [importlib.import_module(f"{operations.__name__}.{name}") for name in names]
    singles = [module.OPERATION for module in modules if hasattr(module, "OPERATION")]
    several = [module.OPERATIONS for module in modules if hasattr(module, "OPERATIONS") and module is not catalogue]
    return [*singles, *itertools.chain.from_iterable(several)]


def find_differences(served: Sequence[Operation[Any, Any, Any]]) -> list[str]:
    """Return the names of declared operations that are not served, or not with the declared access, errors or route."""
    by_name = {one.name: describe(one) for one in served}
    return [one.name for one in declared_operations() if by_name.get(one.name) != describe(one)]


def describe(operation: Operation[Any, Any, Any]) -> tuple[object, ...]:
    has_wallets = operation.wallets is not None
    return operation.need, has_wallets, operation.errors, operation.rest, operation.summary, operation.positional


def test_each_declared_operation_is_served_as_declared() -> None:
    assert find_differences(SERVED) == []


def test_each_served_operation_is_declared_once() -> None:
    assert sorted(one.name for one in declared_operations()) == sorted(one.name for one in SERVED)


@pytest.mark.parametrize("missing", SERVED, ids=lambda one: one.name)
def test_an_operation_that_is_not_served_is_found(missing: Operation[Any, Any, Any]) -> None:
    assert find_differences([one for one in SERVED if one is not missing]) == [missing.name]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (prepare_calls.OPERATION.name, {"need": READ_ACCESS}),
        (prepare_calls.OPERATION.name, {"wallets": None}),
        (prepare_calls.OPERATION.name, {"errors": (Forbidden,)}),
        (revoke_token.OPERATION.name, {"rest": None}),
    ],
)
def test_an_operation_served_with_another_declaration_is_found(name: str, changes: dict[str, Any]) -> None:
    changed = [replace(one, **changes) if one.name == name else one for one in SERVED]
    assert find_differences(changed) == [name]
