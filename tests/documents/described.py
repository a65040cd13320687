"""Walks over an API document: what it has to describe, and what it refers to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
_FILLER = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "by",
        "data",
        "for",
        "is",
        "it",
        "its",
        "of",
        "on",
        "one",
        "or",
        "the",
        "this",
        "to",
        "value",
        "with",
    ]
)
_COMPONENT = re.compile(r"/components/(schemas|headers|responses|securitySchemes)/[\w-]+")


def walk(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of a document with its path, but not the values of examples."""
    yield path, node
    children: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        if name not in {"example", "examples"}:
            yield from walk(child, f"{path}/{name}")


def described_parts(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield path, name and content of each part that needs a description."""
    for path, node in walk(document):
        parent, _, name = path.rpartition("/")
        kind = parent.rpartition("/")[2]
        if not isinstance(node, dict):
            continue
        if (kind == "properties" and "/properties/properties" not in path) or re.fullmatch(
            r"/components/(schemas|headers|responses|securitySchemes)/\w[\w-]*", path
        ):
            yield path, name, node
        elif kind in {"params", "parameters", "methods"} or (name == "result" and "/examples" not in path):
            yield path, str(node.get("name", name)), node
        elif kind in {"anyOf", "oneOf"} and "properties" in node:
            yield path, str(node.get("title", name)), node
        elif re.fullmatch(r"/paths/.+/(get|post|delete|put|patch)", path):
            yield path, str(node["operationId"]), node


def words(text: str) -> set[str]:
    """Return the words of a name or a sentence in lower case, without those that say nothing."""
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", text)
    return {part.lower().removesuffix("s") for part in parts} - _FILLER


def repeats_name(name: str, description: str) -> bool:
    """Return True for a description that says no more than the name."""
    return words(description) <= words(name)
