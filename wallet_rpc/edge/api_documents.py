"""The operations of a server with their OpenRPC and OpenAPI documents, built once in a process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from wallet_rpc import __version__
from wallet_rpc.edge import openapi, server_paths
from wallet_rpc.edge.openrpc import AnyOperation, Examples, add_discovery, to_yaml
from wallet_rpc.edge.schemas import Json
from wallet_rpc.operations.catalogue import OPERATIONS, rest_operations

EXAMPLES = Path(__file__).with_name("openrpc_examples.json")
"""The examples of each method: requests of the tests, and the results of a server (`tests/documents/examples.py`)."""


@cache
def rpc_with_document() -> tuple[Sequence[AnyOperation], Json]:
    """Return the JSON-RPC operations, `rpc.discover` included, and their OpenRPC document."""
    examples: Examples = json.loads(EXAMPLES.read_text("utf-8"))
    return add_discovery(OPERATIONS, version=__version__, examples=examples)


@cache
def rest_with_document(*, has_tokens: bool) -> tuple[Sequence[AnyOperation], Json]:
    """Return the REST operations, with or without those for session tokens, and their OpenAPI document."""
    operations = rest_operations(has_tokens=has_tokens)
    components = {"schemas": server_paths.SCHEMAS, "responses": server_paths.RESPONSES}
    paths = server_paths.build_server_paths()
    return operations, openapi.build_openapi(operations, version=__version__, paths=paths, components=components)


def openrpc_yaml() -> str:
    """Return the text of openrpc.yaml."""
    return to_yaml(rpc_with_document()[1])
