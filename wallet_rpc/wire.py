"""Typed values to and from JSON: the one place that knows the schema library's machinery.

`@shape` declares an object of the wire, `decode` reads one leniently (unknown keys are ignored), `encode` writes one
strictly (camelCase, absent instead of null, minimal hex) and `schema` documents one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache
from math import isfinite
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a value."""

    field: str
    """Where: `calls[2].to`; empty for the value as a whole."""
    text: str
    reason: str
    """`missing`, `malformed`, or the validator's own word."""


class Faulty(ValueError):
    """A value that is no such kind, with its faults in the order of the fields; the first fault of each field."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(faults[0].text)
        self.faults = faults


def decode(kind: type[T], value: Any, *, at: str = "params") -> T:
    """`value` (parsed JSON) as a `kind`.

    Raises: InvalidParams that names the first field at fault, what was given and what was expected.
    """
    try:
        return read(kind, value)
    except Faulty as faulty:
        first = faulty.faults[0]
        path = at + ("" if first.field[:1] in {"", "["} else ".") + first.field
        raise InvalidParams(f"{path}: {first.text}", field=path) from None


def read(kind: type[T], value: Any) -> T:
    """As `decode`. Raises: Faulty that names every field at fault, up to `MOST_FAULTS`."""
    try:
        return cast("T", _adapter(cast("Any", kind)).validate_python(value))
    except ValidationError as error:
        faults: dict[str, Fault] = {}
        for found in error.errors(include_url=False, include_context=True, include_input=True)[:MOST_FAULTS]:
            fault = Fault(field=_path(found, value), text=_text(found), reason=_reason(found))
            faults.setdefault(fault.field, fault)
        raise Faulty(tuple(faults.values())) from None


def encode(kind: Any, value: Any) -> Any:
    """`value` as JSON values, by its declared type: camelCase keys, absent fields left out.

    Raises: ValueError (pydantic's serialization error is one) when a value is not of its declared type, or when a
    float is no number, which JSON cannot say; either is a bug of ours.
    """
    _refuse_no_number(value)
    return _adapter(kind).dump_python(value, mode="json", by_alias=True, exclude_none=True, warnings="error")


def _refuse_no_number(value: Any) -> None:
    """The schema library writes NaN and the infinities as null where the declared type is `Any`."""
    match value:
        case None | bytes() | str() | int():
            pass
        case float() if not isfinite(value):
            raise ValueError(f"JSON has no {value}")
        case dict():
            for inner in value.values():
                _refuse_no_number(inner)
        case list() | tuple():
            for inner in value:
                _refuse_no_number(inner)
        case _ if is_dataclass(value):
            for name in value.__dataclass_fields__:
                _refuse_no_number(getattr(value, name))
        case _:
            pass


def schema(kind: Any, mode: Literal["validation", "serialization"] = "serialization") -> dict[str, Any]:
    """The JSON Schema of `kind`, with definitions under `#/components/schemas`."""
    return _adapter(kind).json_schema(
        by_alias=True, mode=mode, ref_template="#/components/schemas/{model}", union_format="any_of"
    )


def _path(fault: ErrorDetails, value: Any) -> str:
    """Where the fault stands, as `calls[2].to`; the schema library's union tags are left out."""
    path, here, steps = "", value, fault["loc"]
    for position, step in enumerate(steps):
        last = position == len(steps) - 1
        if isinstance(step, int):
            path += f"[{step}]"
            here = here[step] if isinstance(here, Sequence) and step < len(here) else None
        elif isinstance(here, Mapping) and step in here:
            path += f".{_key(step)}"
            here = here[step]
        elif last and fault["type"] == "missing":
            path += f".{step}"
    return path.removeprefix(".")


def _key(key: str) -> str:
    """A caller's key as a path may show it: whole up to a hash in hex."""
    return key if len(key) <= _LONGEST_KEY else f"{key[:24]}…"


_LONGEST_KEY = 66
MOST_FAULTS = 100
"""How many faults of one value are told."""

_TEXTS: dict[str, Callable[[ErrorDetails], str]] = {
    "malformed": lambda fault: str(fault["ctx"]["text"]),
    "worded": lambda fault: str(fault["ctx"]["text"]),
    "missing": lambda fault: "required, but absent",
    "unexpected_keyword_argument": lambda fault: "no such setting",
    "union_tag_invalid": lambda fault: f"expected one of {fault['ctx']['expected_tags']}, got {_tag(fault)}",
    "union_tag_not_found": lambda fault: "expected an object that tells its kind",
    "literal_error": lambda fault: f"expected {fault['ctx']['expected']}, got {shown(fault['input'])}",
    "enum": lambda fault: f"expected {fault['ctx']['expected']}, got {shown(fault['input'])}",
    "greater_than": lambda fault: f"expected more than {_number(fault['ctx']['gt'])}, got {shown(fault['input'])}",
    "greater_than_equal": lambda fault: f"expected at least {_number(fault['ctx']['ge'])}, got {shown(fault['input'])}",
    "less_than": lambda fault: f"expected less than {_number(fault['ctx']['lt'])}, got {shown(fault['input'])}",
    "less_than_equal": lambda fault: f"expected at most {_number(fault['ctx']['le'])}, got {shown(fault['input'])}",
    "string_too_short": lambda fault: (
        f"expected at least {fault['ctx']['min_length']} characters, got {len(fault['input'])}"
    ),
    "string_too_long": lambda fault: (
        f"expected at most {fault['ctx']['max_length']} characters, got {len(fault['input'])}"
    ),
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
    "finite": "a number",
    "list": "an array",
    "tuple": "an array",
    "dict": "an object",
    "dataclass": "an object",
    "model": "an object",
    "uuid": "a version 4 UUID",
}


def _tag(fault: ErrorDetails) -> str:
    return shown(fault["ctx"].get("tag"))


def _number(bound: float) -> str:
    return f"{bound:.17g}"


def _reason(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "missing":
            return "missing"
        case "worded":
            return str(fault["ctx"]["reason"])
        case _:
            return "malformed"


def _text(fault: ErrorDetails) -> str:
    text = _TEXTS.get(fault["type"])
    if text is not None:
        return text(fault)
    kind = _KINDS.get(fault["type"].split("_")[0], "another value")
    return f"expected {kind}, got {shown(fault['input'])}"
