"""The hosted service's schema of each response, where available, to validate every response in the tests."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parents[3] / "shared" / "reference" / "wallet-api-data" / "wallet-api.schema.json"

EXTENSIONS = {"wallet_createSession": "warnings"}
"""A member that this server adds to the hosted service's response, by the method; a request can turn it off."""


def _close(node: Any, *, inside_all_of: bool = False) -> Any:
    """Return the schema with unknown keys forbidden, except in parts of an `allOf`, which allow each other's keys."""
    if isinstance(node, list):
        return [_close(item, inside_all_of=inside_all_of) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _close(value, inside_all_of=inside_all_of or key == "allOf") for key, value in node.items()}
    if "properties" in node and not inside_all_of:
        made.setdefault("additionalProperties", False)
    return made


@cache
def _validators() -> dict[str, Draft202012Validator]:
    if not SCHEMA.is_file():
        return {}
    methods = json.loads(SCHEMA.read_text())
    return {name: Draft202012Validator(_close(method["result"])) for name, method in methods.items()}


def is_known(method: str) -> bool:
    return method in _validators()


def check(method: str, result: Any) -> None:
    """Check a result against the hosted service's schema. Raises: jsonschema's ValidationError.

    Null is never allowed, except for `meta.after` at the end of a list of accounts.
    """
    if is_known(method):
        _validators()[method].validate(_without_extension(method, result))
        assert not _has_null(result if method != "wallet_listAccounts" else result["accounts"])


def _without_extension(method: str, result: Any) -> Any:
    if method not in EXTENSIONS:
        return result
    return {name: value for name, value in result.items() if name != EXTENSIONS[method]}


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_null(item) for item in value.values())
    return value is None or (isinstance(value, list) and any(_has_null(item) for item in value))
