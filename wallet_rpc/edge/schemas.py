"""JSON Schemas of requests and answers, made fit for one document: shared definitions, true defaults, no nulls.

The rule: a type that is read more leniently than it is written gets two definitions; the input's name ends in `Input`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from wallet_rpc import wire

Json: TypeAlias = dict[str, Any]
"""A JSON object."""

REF = "#/components/schemas/"
"""Where a document keeps its shared definitions."""

_NULL = {"type": "null"}


def request_schema(kind: Any) -> Json:
    """What we read as a `kind`; a default stands as it would on the wire, which only the written form knows."""
    made = wire.schema(kind, "validation")
    _take_defaults(made, wire.schema(kind, "serialization"))
    _drop_repeated_titles(made)
    return made


def response_schema(kind: Any) -> Json:
    """What we write for a `kind`: a field that may be absent is left out then, never null; every other is there."""
    made = wire.schema(kind, "serialization")
    for node in [node for node in _objects(made) if isinstance(node.get("properties"), dict)]:
        fields = node["properties"]
        always = [name for name, field in fields.items() if _NULL not in field.get("anyOf", [])]
        node["properties"] = {name: drop_null(field) for name, field in fields.items()}
        node.pop("required", None)
        if always:
            node["required"] = always
    _drop_repeated_titles(made)
    return made


def hoist(requests: Sequence[Json], answers: Sequence[Json]) -> Json:
    """Take the definitions out of all schemas (which are changed in place) into one mapping, sorted by name.

    Raises: ValueError when two different types bear one name.
    """
    written, read = _definitions(answers), _definitions(requests)
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
    found: Json = {}
    for schema in schemas:
        for name, definition in schema.pop("$defs", {}).items():
            if found.setdefault(name, definition) != definition:
                raise ValueError(f"two types of one name: {name}")
    return found


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
    """The schema of a field where it is neither null nor left to its default."""
    rest = {key: value for key, value in field.items() if key not in {"anyOf", "default"}}
    kinds = [kind for kind in field.get("anyOf", []) if kind != _NULL]
    match kinds:
        case []:
            return rest
        case [only]:
            return {**rest, **only}
        case _:
            return {**rest, "anyOf": kinds}


def _take_defaults(read: Any, written: Any) -> None:
    """Where `read` has a default, put the one that `written` has at the same place, or none."""
    for key, value in list(_items(read)):
        twin = next((other for name, other in _items(written) if name == key), None)
        if key != "default" or isinstance(value, dict):  # a field may be called default: then it has a schema
            _take_defaults(value, twin)
        elif twin is None:
            del read[key]
        else:
            read[key] = twin


def _drop_repeated_titles(schema: Json) -> None:
    """A field's generated title only repeats its name."""
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
