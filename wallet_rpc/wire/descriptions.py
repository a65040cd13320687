"""JSON Schemas with descriptions: the docstrings of types, and those below their fields and enumeration members.

pydantic reads the latter too, but parses a module once for each class, also for servers that need no schema.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core.core_schema import CoreSchema, DataclassSchema, EnumSchema

from wallet_rpc.wire.members import list_members


class DescribingGenerator(GenerateJsonSchema):
    """pydantic's generator of JSON Schemas, with the docstrings of members."""

    def dataclass_schema(self, schema: DataclassSchema) -> JsonSchemaValue:
        """Describe a shape and its fields."""
        written = _unwrap_lines(super().dataclass_schema(schema))
        kind: type = schema["cls"]
        docstrings = _find_docstrings(kind)
        members = written.get("properties", {})
        for field, name in zip(fields(kind), list_members(kind), strict=True):
            if field.name in docstrings and name in members:
                members[name].setdefault("description", docstrings[field.name])
        return written

    def enum_schema(self, schema: EnumSchema) -> JsonSchemaValue:
        """Note the enumeration, whose description pydantic sets only after this."""
        self._enumerations[schema["cls"].__name__] = schema["cls"]
        return super().enum_schema(schema)

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """Generate the schema, with the members of each enumeration in its description."""
        self._enumerations: dict[str, type[Enum]] = {}
        written = super().generate(schema, mode)
        for name, kind in self._enumerations.items():
            described = written.get("$defs", {}).get(name)
            docstrings = _find_docstrings(kind)
            meanings = [f"`{one.value}`: {docstrings[one.name]}" for one in kind if one.name in docstrings]
            if described is not None and meanings:
                described["description"] = "\n\n".join([described["description"], *meanings])
        return written


def _unwrap_lines(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return the schema with one line for each paragraph of its description."""
    if "description" not in schema:
        return schema
    paragraphs = schema["description"].split("\n\n")
    return {**schema, "description": "\n\n".join(" ".join(each.split()) for each in paragraphs)}


def _find_docstrings(kind: type[Any]) -> Mapping[str, str]:
    """Return the docstrings of the members of a class and of the classes that it extends."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        found |= _read_module(base.__module__).get(base.__qualname__, {})
    return found


@cache
def _read_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """Return the docstrings of members in a module, by class; none for a module without source code."""
    try:
        source = inspect.getsource(sys.modules[name])
    except (OSError, TypeError):
        return {}
    return dict(_read_classes(ast.parse(source), ""))


def _read_classes(node: ast.AST, prefix: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the qualified name of each class in `node`, with the docstrings of its members."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef(name=name, body=body):
                yield f"{prefix}{name}", dict(_read_members(body))
                yield from _read_classes(child, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from _read_classes(child, f"{prefix}{name}.<locals>.")


def _read_members(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                yield name, " ".join(text.split())
