"""Typed values to and from JSON: the one place that knows the schema library's machinery.

`@shape` declares an object of the wire, `decode` reads one leniently (unknown keys are ignored), `encode` writes one
strictly (camelCase, absent instead of null, minimal hex) and `schema` documents one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, ValidationError

from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import shown

T = TypeVar("T")

LENIENT: ConfigDict = ConfigDict(alias_generator=to_camel, extra="ignore", populate_by_name=False)
STRICT: ConfigDict = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=False)


def _shaped(cls: type[T], config: ConfigDict) -> type[T]:
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    made.__pydantic_config__ = config  # type: ignore[attr-defined]  # the library's own hook
    return made


@dataclass_transform(frozen_default=True, kw_only_default=True)
def shape(cls: type[T]) -> type[T]:
    """An object of the wire: a frozen, keyword-only dataclass with camelCase keys; unknown keys are ignored."""
    return _shaped(cls, LENIENT)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def strict_shape(cls: type[T]) -> type[T]:
    """As `shape`, but an unknown key is refused: for the objects whose every key changes what is paid."""
    return _shaped(cls, STRICT)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def decode(kind: type[T], value: Any, *, at: str = "params") -> T:
    """`value` (parsed JSON) as a `kind`.

    Raises: InvalidParams that names the first field at fault, what was given and what was expected.
    """
    try:
        return cast("T", _adapter(cast("Any", kind)).validate_python(value))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=True, include_input=True)[0]
        path = _path(fault, value, at)
        raise InvalidParams(f"{path}: {_text(fault)}", field=path) from None


def encode(kind: Any, value: Any) -> Any:
    """`value` as JSON values, by its declared type: camelCase keys, absent fields left out.

    Raises: pydantic's serialization error when a value is not of its declared type; that is a bug of ours.
    """
    return _adapter(kind).dump_python(value, mode="json", by_alias=True, exclude_none=True, warnings="error")


def schema(kind: Any, mode: Literal["validation", "serialization"] = "serialization") -> dict[str, Any]:
    """The JSON Schema of `kind`, with definitions under `#/components/schemas`."""
    return _adapter(kind).json_schema(
        by_alias=True, mode=mode, ref_template="#/components/schemas/{model}", union_format="any_of"
    )


def _path(fault: ErrorDetails, value: Any, at: str) -> str:
    """Where the fault stands, as `params.calls[2].to`; the schema library's union tags are left out."""
    path, here, steps = at, value, fault["loc"]
    for position, step in enumerate(steps):
        last = position == len(steps) - 1
        if isinstance(step, int):
            path += f"[{step}]"
            here = here[step] if isinstance(here, Sequence) and step < len(here) else None
        elif isinstance(here, Mapping) and step in here:
            path += f".{step}"
            here = here[step]
        elif last and fault["type"] == "missing":
            path += f".{step}"
    return path


_TEXTS: dict[str, Callable[[ErrorDetails], str]] = {
    "malformed": lambda fault: str(fault["ctx"]["text"]),
    "missing": lambda fault: "required, but absent",
    "extra_forbidden": lambda fault: "no such setting",
    "union_tag_invalid": lambda fault: f"expected one of {fault['ctx']['expected_tags']}, got {_tag(fault)}",
    "union_tag_not_found": lambda fault: "expected an object that tells its kind",
    "literal_error": lambda fault: f"expected {fault['ctx']['expected']}, got {shown(fault['input'])}",
    "too_short": lambda fault: (
        f"expected at least {fault['ctx']['min_length']} items, got {fault['ctx']['actual_length']}"
    ),
    "too_long": lambda fault: (
        f"expected at most {fault['ctx']['max_length']} items, got {fault['ctx']['actual_length']}"
    ),
}
_KINDS = {
    "string": "a string",
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "list": "an array",
    "tuple": "an array",
    "dict": "an object",
    "dataclass": "an object",
    "uuid": "a UUID",
}


def _tag(fault: ErrorDetails) -> str:
    return shown(fault["ctx"].get("tag"))


def _text(fault: ErrorDetails) -> str:
    text = _TEXTS.get(fault["type"])
    if text is not None:
        return text(fault)
    kind = _KINDS.get(fault["type"].split("_")[0], "another value")
    return f"expected {kind}, got {shown(fault['input'])}"
