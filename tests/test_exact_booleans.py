"""Booleans of requests: each member of each request that is a boolean accepts only JSON's true and false."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from wallet_rpc import wire
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.operations.keyed_calls import KeyedSend
from wallet_rpc.operations.request_quote import RequestQuote
from wallet_rpc.primitives import preview
from wallet_rpc.wire import InvalidValue

_DEFINITIONS = "#/components/schemas/"
_MAX_DEPTH = 12
POLICY_ID = "0d6f9a0e-5f0c-4c8e-9d0b-6f1f4b5c7a10"
"""A policy, without which `paymasterService` is refused as a whole."""
MISTAKEN = ["yes", "true", "false", "0", "", 1, 0, 1.0, []]
"""Values that a lenient reader takes for a boolean, and others."""

Place = tuple[str, Any]
"""The path of a boolean in a request, and a request that has `MISTAKEN[0]` there."""


def find_booleans(kind: Any) -> Iterator[Place]:
    """Yield the boolean members of a request, on all levels."""
    schema = wire.schema(kind, "validation")
    yield from _walk(schema, schema.get("$defs", {}), "", _MAX_DEPTH)


def _walk(part: dict[str, Any], definitions: dict[str, Any], path: str, depth: int) -> Iterator[Place]:
    if depth == 0:
        return
    if "$ref" in part:
        part = definitions[part["$ref"].removeprefix(_DEFINITIONS)]
    if part.get("type") == "boolean":
        yield path, ...
    for choice in part.get("anyOf", []) + part.get("oneOf", []):
        yield from _walk(choice, definitions, path, depth - 1)
    if part.get("type") == "array" and isinstance(part.get("items"), dict):
        for inner, value in _walk(part["items"], definitions, f"{path}[0]", depth - 1):
            yield inner, [value]
    members = part.get("properties", {})
    fixed = {name: each["const"] for name, each in members.items() if isinstance(each.get("const"), str)}
    fixed |= {"policyId": POLICY_ID} if "policyId" in members else {}
    for name, member in members.items():
        for inner, value in _walk(member, definitions, f"{path}.{name}" if path else name, depth - 1):
            yield inner, {**fixed, name: value}


def _fill(value: Any, leaf: object) -> Any:
    match value:
        case dict():
            return {name: _fill(inner, leaf) for name, inner in value.items()}
        case list():
            return [_fill(inner, leaf) for inner in value]
        case _:
            return leaf if value is ... else value


INNER = {"wallet_sendPreparedCalls": KeyedSend, "wallet_requestQuote_v0": RequestQuote}
"""Requests that an operation decodes itself."""
PLACES = {
    f"{operation.name} {path}": (kind, path, request)
    for operation in (*OPERATIONS, *REST_OPERATIONS)
    for kind in (INNER.get(operation.name, operation.request),)
    for path, request in find_booleans(kind)
}


def test_the_booleans_of_the_requests_are_found() -> None:
    assert {
        "wallet_explainCalls sponsored",
        "wallet_createSession warnings",
        "wallet_stopSessions scope.organization",
        "setOrganizationStop scope.organization",
        "wallet_prepareCalls capabilities.paymasterService.optional",
        "wallet_grantPermissions permissions[0].required",
    } <= set(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_only_true_and_false_are_booleans(place: str) -> None:
    kind, path, request = PLACES[place]
    for given in MISTAKEN:
        text = _errors(kind, _fill(request, given)).get(path, "")
        assert text.startswith(("expected true", "expected false")), (given, text)
        assert text.endswith(f"got {preview(given)}")
    accepted = [value for value in (True, False) if path not in _errors(kind, _fill(request, value))]
    assert accepted, "neither is accepted"


def _errors(kind: Any, request: Any) -> dict[str, str]:
    """Return the text of the error of each field."""
    try:
        wire.validate(kind, request)
    except InvalidValue as invalid:
        return {each.field: each.text for each in invalid.errors}
    return {}
