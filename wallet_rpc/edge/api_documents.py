"""The operations of a server with their OpenRPC and OpenAPI documents, built once in a process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from wallet_rpc import __version__
from wallet_rpc.edge import openapi
from wallet_rpc.edge.openrpc import AnyOperation, add_discovery, to_yaml
from wallet_rpc.edge.schemas import Json
from wallet_rpc.operations.catalogue import OPERATIONS, rest_operations


@cache
def rpc_with_document() -> tuple[Sequence[AnyOperation], Json]:
    """Return the JSON-RPC operations, `rpc.discover` included, and their OpenRPC document."""
    return add_discovery(OPERATIONS, version=__version__)


@cache
def rest_with_document(*, has_tokens: bool) -> tuple[Sequence[AnyOperation], Json]:
    """Return the REST operations, with or without those for session tokens, and their OpenAPI document."""
    operations = rest_operations(has_tokens=has_tokens)
    return operations, openapi.build_openapi(operations, version=__version__)


def openrpc_yaml() -> str:
    """Return the text of openrpc.yaml."""
    return to_yaml(rpc_with_document()[1])
