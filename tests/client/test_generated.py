"""The client's methods and types are those of the operations: generated modules are current, all results decode."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.client.generate import FOLDER, generate, operations_by_module
from tests.e2e.pages import output_of
from wallet_rpc import wire
from wallet_rpc.client import AsyncWalletClient, WalletClient, types
from wallet_rpc.edge.api_documents import EXAMPLES
from wallet_rpc.operations.catalogue import OPERATIONS

BY_NAME = {operation.name: operation for operation in OPERATIONS}
RESULTS = [
    pytest.param(BY_NAME[method], example["result"]["value"], id=f"{method}, {example['name']}")
    for method, examples in json.loads(EXAMPLES.read_text("utf-8")).items()
    for example in examples
    if example["result"]["name"] == "result"
]
SERVER = ("aiohttp", "eth", "eth_account", "jsonrpcserver", "redis", "starlette", "uvicorn", "wallet_rpc.devchain")


@pytest.mark.parametrize("name", generate())
def test_a_generated_module_is_current(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == generate()[name], "run `make openrpc`"


def test_both_clients_have_a_method_for_each_operation_and_its_types() -> None:
    for module, operation in operations_by_module().items():
        assert callable(getattr(WalletClient, module)), operation.name
        assert callable(getattr(AsyncWalletClient, module)), operation.name
    assert {operation.name for operation in operations_by_module().values()} == BY_NAME.keys()
    assert {"CreateSession", "CreatedSession", "NativeTokenTransfer", "KeyType", "Address"} <= set(types.__all__)


@pytest.mark.parametrize(("operation", "value"), RESULTS)
def test_a_result_decodes_to_its_type_and_back(operation: Any, value: Any) -> None:
    """A result type with a form of its own on the wire needs a validator beside its serializer."""
    assert wire.encode(operation.answer, wire.decode(operation.answer, value)) == value


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("wallet_rpc.client", SERVER),
        ("wallet_rpc.testing.plugin", (*SERVER, "asyncio", "httpx2", "pydantic", "wallet_rpc.client")),
        ("wallet_rpc.cli.dev", ("eth_account", "eth")),
    ],
)
def test_an_import_loads_none_of_the_libraries_that_take_long(module: str, absent: tuple[str, ...]) -> None:
    code = f"import json, sys, {module}; print(json.dumps([name for name in {absent!r} if name in sys.modules]))"
    assert json.loads(output_of(sys.executable, "-c", code)) == []
