"""JSON Schemas of requests and results for one document: shared definitions, defaults as in JSON, no nulls.

A type that is read more leniently than it is written has two definitions. The name of its input definition ends in
`Input`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from wallet_rpc import wire
from wallet_rpc.primitives import Address, Data, Hash32, Selector, SessionId, Word

Json: TypeAlias = dict[str, Any]
"""A JSON object."""

REF = "#/components/schemas/"
"""The path of a document's shared definitions."""

_NULL = {"type": "null"}
_BITS = (32, 64, 128, 256)
_SCALARS = {
    **{kind.__name__: inspect.getdoc(kind) or "" for kind in (Address, Data, Hash32, Selector, SessionId, Word)},
    **{f"Uint{bits}": f"An integer below 2^{bits}, in hex; in results without leading zeros." for bits in _BITS},
}
"""Descriptions of the scalar types by the title of their schemas."""


def request_schema(kind: Any) -> Json:
    """Return the schema of a `kind` as it is read. The defaults have their JSON form, taken from the written schema."""
    read = wire.schema(kind, "validation")
    _take_defaults(read, wire.schema(kind, "serialization"))
    _share_scalars(read)
    _drop_repeated_titles(read)
    return read


def response_schema(kind: Any) -> Json:
    """Return the schema of a `kind` as it is written: an optional field is absent, never null; others are required."""
    written = wire.schema(kind, "serialization")
    for node in [node for node in _objects(written) if isinstance(node.get("properties"), dict)]:
        fields = node["properties"]
        required = [name for name, field in fields.items() if _NULL not in field.get("anyOf", [])]
        node["properties"] = {name: drop_null(field) for name, field in fields.items()}
        node.pop("required", None)
        if required:
            node["required"] = required
    _share_scalars(written)
    _drop_repeated_titles(written)
    return written


def hoist(requests: Sequence[Json], answers: Sequence[Json]) -> Json:
    """Move the definitions of all schemas, which change in place, into one mapping, sorted by name.

    Raises: ValueError when two different types have the same name.
    """
    written = _definitions(answers)
    read = _definitions(requests)
    twofold = {name for name in read if name in written and read[name] != written[name]}
    while more := {name for name in read if name in written and _refers(read[name], twofold)} - twofold:
        twofold |= more
    for schema in (*requests, *read.values()):
        _rename(schema, twofold)
    inputs = {f"{name}Input" if name in twofold else name: schema for name, schema in read.items()}
    if clash := inputs.keys() & written.keys() & {f"{name}Input" for name in twofold}:
        raise ValueError(f"two types of one name: {', '.join(sorted(clash))}")
    return dict(sorted({**written, **inputs}.items()))


def _definitions(schemas: Sequence[Json]) -> Json:
    definitions: Json = {}
    for schema in schemas:
        for name, definition in schema.pop("$defs", {}).items():
            if definitions.setdefault(name, definition) != definition:
                raise ValueError(f"two types of one name: {name}")
    return definitions


def _refers(schema: Json, names: set[str]) -> bool:
    return any(_target(node) in names for node in _objects(schema))


def _rename(schema: Json, names: set[str]) -> None:
    for node in _objects(schema):
        if _target(node) in names:
            node["$ref"] += "Input"
        mapping = node.get("mapping")  # a discriminator's
        if isinstance(mapping, dict):
            node["mapping"] = {
                tag: f"{ref}Input" if str(ref).removeprefix(REF) in names else ref for tag, ref in mapping.items()
            }


def _target(node: Json) -> str | None:
    ref = node.get("$ref")
    return ref.removeprefix(REF) if isinstance(ref, str) else None


def drop_null(field: Json) -> Json:
    """Return the schema of a field without null and without its default."""
    rest = {key: value for key, value in field.items() if key not in {"anyOf", "default"}}
    kinds = [kind for kind in field.get("anyOf", []) if kind != _NULL]
    match kinds:
        case []:
            return rest
        case [only]:
            return {**rest, **only} | {key: rest[key] for key in rest.keys() & {"description"}}
        case _:
            return {**rest, "anyOf": kinds}


def describe_schema(schema: Json) -> Json:
    """Return a schema as a part of a parameter or a result, which repeats the schema's description."""
    described = {"description": schema["description"]} if "description" in schema else {}
    return {**described, "schema": schema}


def _share_scalars(schema: Json) -> None:
    """Make a definition of each scalar type, so that its format is described once."""
    definitions: Json = {}
    for node in _objects(schema):
        if node.get("format") == "uuid4":  # pydantic's own name, which validators reject
            node["format"] = "uuid"
        title = node.get("title")
        if title in _SCALARS and "pattern" in node:
            format_ = {key: node.pop(key) for key in ("type", "pattern", "title")}
            definitions[title] = {"description": _SCALARS[title].split("\n")[0], **format_}
            node["$ref"] = f"{REF}{title}"
    if definitions:
        schema.setdefault("$defs", {}).update(definitions)


def to_draft_7(schemas: Sequence[Json]) -> None:
    """Write tuples as draft 7 of JSON Schema does; the types use nothing else that later drafts changed."""
    for node in [node for schema in schemas for node in _objects(schema) if "prefixItems" in node]:
        node["items"] = node.pop("prefixItems")


def _take_defaults(read: Any, written: Any) -> None:
    """Replace each default in `read` with the default at the same path in `written`, or remove it without one."""
    for key, value in list(_items(read)):
        counterpart = next((other for name, other in _items(written) if name == key), None)
        if key != "default" or isinstance(value, dict):  # a field named default has a schema
            _take_defaults(value, counterpart)
        elif counterpart is None:
            del read[key]
        else:
            read[key] = counterpart


def _drop_repeated_titles(schema: Json) -> None:
    """Remove generated titles, which only repeat the name of a field."""
    for node in _objects(schema):
        for name, field in node.get("properties", {}).items():
            if isinstance(field, dict) and str(field.get("title", "")).replace(" ", "").lower() == name.lower():
                del field["title"]


def _objects(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
    for _, child in _items(node):
        yield from _objects(child)


def _items(node: Any) -> Iterator[tuple[Any, Any]]:
    match node:
        case dict():
            yield from list(node.items())
        case list():
            yield from list(enumerate(node))
