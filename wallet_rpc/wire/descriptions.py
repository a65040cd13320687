"""Descriptions of members in JSON Schema: the docstrings below the fields of shapes.

pydantic reads such docstrings too, but parses a module once for each class, also for servers that need no schema.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from itertools import pairwise
from typing import Any

from wallet_rpc.wire.members import list_members


def describe_members(schema: dict[str, Any], kind: type) -> None:
    """Add the docstrings of the fields of `kind`, and of the shapes that it extends, to its JSON Schema."""
    docstrings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        docstrings |= _read_module(base.__module__).get(base.__qualname__, {})
    members = schema.get("properties", {})
    for field, name in zip(fields(kind), list_members(kind), strict=True):
        if field.name in docstrings and name in members:
            members[name].setdefault("description", docstrings[field.name])


@cache
def _read_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """Return the docstrings of fields in a module, by class; none for a module without source code."""
    try:
        source = inspect.getsource(sys.modules[name])
    except (OSError, TypeError):
        return {}
    return dict(_read_classes(ast.parse(source), ""))


def _read_classes(node: ast.AST, prefix: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the qualified name of each class in `node`, with the docstrings of its fields."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef(name=name, body=body):
                yield f"{prefix}{name}", dict(_read_fields(body))
                yield from _read_classes(child, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from _read_classes(child, f"{prefix}{name}.<locals>.")


def _read_fields(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, following in pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                yield name, " ".join(inspect.cleandoc(text).split())
