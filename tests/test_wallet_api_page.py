"""Tests that the Wallet API page documents every method, each field of its request, and every error reason."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources import list_sources
from wallet_rpc import wire
from wallet_rpc.operations.catalogue import OPERATIONS
from wallet_rpc.operations.operation import Operation

ROOT = Path(__file__).parent.parent
SPECS = ROOT / "specs"
CODE = re.compile(r"`([^`\n]+)`")
WORD = re.compile(r"[a-z][a-z0-9_]*")
EMBEDDED = ROOT / "wallet_rpc" / "devchain"
"""Package of the embedded node. Its reasons are a node's, which the wallet translates like those of any node."""


def words(text: str) -> set[str]:
    """Return the texts in backticks, and the parts of a path such as `key.type`."""
    spans = CODE.findall(text)
    return {*spans, *(part for span in spans for part in re.split(r"[^A-Za-z0-9_]+", span))}


def sections() -> dict[str, str]:
    """Return the text under each heading of the page, by the methods that the heading names."""
    page = (SPECS / "wallet-api.md").read_text()
    parts = [part.partition("\n") for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]]
    return {name: text for heading, _, text in parts for name in CODE.findall(heading)}


def field_names(schema: Any) -> Iterator[str]:
    """Yield the names of all fields in a JSON Schema, including nested ones."""
    match schema:
        case dict():
            if schema.get("type") == "object":
                yield from schema.get("properties", {})
            for inner in schema.values():
                yield from field_names(inner)
        case list():
            for inner in schema:
                yield from field_names(inner)


def reasons(node: ast.AST) -> Iterator[str]:
    """Yield the reasons in a part of the code: `reason=…`, `default_reason = …`, and arguments of `_rejection(…)`."""
    match node:
        case ast.keyword(arg="reason", value=value):
            raised: list[ast.expr] = [value]
        case ast.Assign(targets=[ast.Name(id="default_reason" | "reason")], value=value):
            raised = [value]
        case ast.Call(func=ast.Name(id="_rejection" | "_refusal_error"), args=args):
            raised = args
        case _:
            return
    for constant in (inner for one in raised for inner in ast.walk(one) if isinstance(inner, ast.Constant)):
        if isinstance(constant.value, str) and WORD.fullmatch(constant.value):
            yield constant.value


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_method_has_a_section_that_names_each_of_its_fields(operation: Operation[Any, Any, Any]) -> None:
    section = sections()[operation.name]
    if "as in `wallet_prepareCalls`" in section:  # the capabilities of an owner's call
        section += sections()["wallet_prepareCalls"]
    assert set(field_names(wire.schema(operation.request, "validation"))) - words(section) == set()


def test_every_reason_is_documented_on_a_page() -> None:
    sources = [path for path in list_sources(ROOT / "wallet_rpc", ".py") if EMBEDDED not in path.parents]
    nodes = (node for path in sources for node in ast.walk(ast.parse(path.read_text())))
    raised = {reason for node in nodes for reason in reasons(node)}
    documented = {word for page in SPECS.glob("*.md") for word in words(page.read_text())}
    assert {"stale_nonce", "session_expired", "zero_address", "allowance_missing"} <= raised
    assert raised - documented == set()
