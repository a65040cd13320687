"""The operations of a server with their OpenRPC and OpenAPI documents, each built once in a process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from wallet_rpc import __version__
from wallet_rpc.edge import openapi, server_paths
from wallet_rpc.edge.openrpc import AnyOperation, Document, Examples, add_discovery, to_yaml
from wallet_rpc.edge.schemas import Json
from wallet_rpc.operations.catalogue import OPERATIONS, rest_operations
from wallet_rpc.operations.faults.catalogue import FAULT_OPERATIONS

EXAMPLES = Path(__file__).with_name("openrpc_examples.json")
"""The examples of each method: requests of the tests, and the results of a server (`tests/documents/examples.py`)."""


@cache
def rpc_with_document(*, has_faults: bool = False) -> tuple[Sequence[AnyOperation], Document]:
    """Return the JSON-RPC operations, `rpc.discover` included, and their OpenRPC document.

    With `has_faults`, those of a development server, with which a test asks for faults.
    """
    operations = (*OPERATIONS, *FAULT_OPERATIONS) if has_faults else OPERATIONS
    return add_discovery(operations, version=__version__, examples=_read_examples)


def _read_examples() -> Examples:
    examples: Examples = json.loads(EXAMPLES.read_text("utf-8"))
    return examples


@cache
def rest_with_document(*, has_tokens: bool) -> tuple[Sequence[AnyOperation], Document]:
    """Return the REST operations, with or without those for session tokens, and their OpenAPI document."""
    operations = rest_operations(has_tokens=has_tokens)

    @cache
    def document() -> Json:
        components = {"schemas": server_paths.SCHEMAS, "responses": server_paths.RESPONSES}
        paths = server_paths.build_server_paths()
        return openapi.build_openapi(operations, version=__version__, paths=paths, components=components)

    return operations, document


def build_documents(*, has_tokens: bool) -> None:
    """Build both documents now, and with them the validators of all requests, so that no request waits for them."""
    for _, document in (rpc_with_document(), rest_with_document(has_tokens=has_tokens)):
        document()


def openrpc_yaml() -> str:
    """Return the text of openrpc.yaml."""
    return to_yaml(rpc_with_document()[1]())
