"""The methods for faults: each is served, needs a key that may write, is documented, and is in the client."""

from __future__ import annotations

import importlib
import pkgutil
import re
from itertools import chain
from typing import Any

import pytest

from tests.access.callers import a_key, by_token, ports_of
from tests.client.generate import operations_by_module
from tests.documents.described import described_parts, repeats_name
from tests.support.api_keys import caller_of
from tests.test_wallet_api_page import SPECS, field_names, words
from wallet_rpc import wire
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.client import AsyncWalletClient, WalletClient
from wallet_rpc.domain.access import KeyScope, Scope
from wallet_rpc.domain.fault import TEST_NAMESPACE
from wallet_rpc.edge.api_documents import rpc_with_document
from wallet_rpc.errors import Forbidden, MethodNotFound
from wallet_rpc.operations import faults
from wallet_rpc.operations.faults.catalogue import FAULT_OPERATIONS
from wallet_rpc.operations.operation import Operation

PAGE = (SPECS / "faults.md").read_text("utf-8")
COMMON = {"method", "chainId", "count"}
"""Fields that the page describes once for all methods of requests."""
each_operation = pytest.mark.parametrize("operation", FAULT_OPERATIONS, ids=lambda operation: operation.name)


def test_each_module_is_served() -> None:
    modules = [
        importlib.import_module(f"{faults.__name__}.{one.name}") for one in pkgutil.iter_modules(faults.__path__)
    ]
    declared = {module.OPERATION.name for module in modules if hasattr(module, "OPERATION")}

    assert len(declared) == len(modules) - 1  # all but the catalogue
    assert declared == {operation.name for operation in FAULT_OPERATIONS}
    assert all(name.startswith(TEST_NAMESPACE) for name in declared)


@each_operation
async def test_a_key_that_may_write_is_needed(store: RedisStore, operation: Operation[Any, Any, Any]) -> None:
    await operation.authorize(ports_of(store, caller_of(a_key())))
    for caller in (caller_of(a_key(KeyScope.READ)), by_token(*Scope)):
        with pytest.raises(Forbidden):
            await operation.authorize(ports_of(store, caller))


@pytest.mark.parametrize(("name", "fields"), [("failNext", {"code": 1}), ("pauseRedis", {"milliseconds": 1})])
async def test_a_server_without_faults_has_no_such_method(store: RedisStore, name: str, fields: dict[str, int]) -> None:
    (operation,) = (one for one in FAULT_OPERATIONS if one.name == TEST_NAMESPACE + name)

    with pytest.raises(MethodNotFound, match="only wallet-rpc dev"):
        await operation.run(ports_of(store, caller_of(a_key())), wire.decode(operation.request, fields))


@each_operation
def test_the_page_names_each_field(operation: Operation[Any, Any, Any]) -> None:
    rows = [line for line in PAGE.splitlines() if f"`{operation.name}`" in line]
    listed = PAGE[PAGE.index("## List and clear") :]
    known = set(chain.from_iterable(map(words, rows))) | words(listed)

    assert rows
    assert set(field_names(wire.schema(operation.request, "validation"))) - known - COMMON == set()


def test_the_document_describes_each_part() -> None:
    document = rpc_with_document(has_faults=True)[1]()
    added = [method for method in document["methods"] if method["name"].startswith(TEST_NAMESPACE)]
    schemas = {name: schema for name, schema in document["components"]["schemas"].items() if re.match("Fault", name)}
    parts = list(described_parts({"methods": added, "components": {"schemas": schemas}}))

    assert len(parts) > 60
    assert [path for path, _, part in parts if not part.get("description", part.get("summary"))] == []
    assert [path for path, name, part in parts if repeats_name(name, str(part.get("description")))] == []


def test_both_clients_have_each_method() -> None:
    found = operations_by_module(faults, FAULT_OPERATIONS)

    assert len(found) == len(FAULT_OPERATIONS)
    for module in found:
        assert callable(getattr(WalletClient, f"test_{module}"))
        assert callable(getattr(AsyncWalletClient, f"test_{module}"))
