"""The errors that the OpenRPC document lists for each method, to check every error that a test receives."""

from __future__ import annotations

from functools import cache
from typing import Any

from wallet_rpc.edge.api_documents import rpc_with_document


@cache
def _documented() -> dict[str, dict[int, set[str]]]:
    """Return the reasons of each method by code."""
    document = rpc_with_document(has_faults=True)[1]()
    return {
        method["name"]: {error["code"]: set(error["data"]["reasons"]) for error in method["errors"]}
        for method in document["methods"]
    }


def check(method: str, code: int, data: dict[str, Any]) -> None:
    """Check that the document lists the error for the method; errors of a request to no method are not checked."""
    if method in _documented() and code not in {-32700, -32600}:
        reasons = _documented()[method].get(code, set())
        assert data.get("reason") in reasons, f"openrpc.yaml: {method} does not list {code} {data.get('reason')}"
