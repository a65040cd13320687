"""Typed values to and from JSON: the one place that knows the schema library's machinery.

`@shape` declares an object of the wire and `@strict_shape` one without unknown members. `decode` reads one, `encode`
writes one strictly (camelCase, absent instead of null, minimal hex) and `schema` documents one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache
from math import isfinite
from typing import Any, Literal, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, TypeAdapter, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, SchemaValidator, ValidationError, from_json

from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import preview, preview_key
from wallet_rpc.wire.members import MAX_FIELD_ERRORS, reject_unknown_members

T = TypeVar("T")

LENIENT: ConfigDict = ConfigDict(alias_generator=to_camel, extra="ignore", populate_by_name=False)
STRICT: ConfigDict = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=False)
MAX_REQUEST_VALUES = 10_000
"""How many JSON values a request may hold, on all levels: more than any that can be granted."""


def _make_shape(cls: type[T], config: ConfigDict) -> type[T]:
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    made.__pydantic_config__ = config  # type: ignore[attr-defined]  # the library's own hook
    return made


@dataclass_transform(frozen_default=True, kw_only_default=True)
def shape(cls: type[T]) -> type[T]:
    """An object of the wire: a frozen, keyword-only dataclass with camelCase keys; unknown keys are ignored."""
    return _make_shape(cls, LENIENT)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def strict_shape(cls: type[T]) -> type[T]:
    """As `shape`, but an unknown member is refused by name, since it may be a limit; a null one says nothing."""
    cls._exactly = model_validator(mode="before")(classmethod(reject_unknown_members))  # type: ignore[arg-type, attr-defined]
    return _make_shape(cls, STRICT)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _fail_fast_validator(kind: Any) -> SchemaValidator:
    """A validator that leaves an array or a mapping at its first fault."""
    return SchemaValidator(_add_fail_fast(_adapter(kind).core_schema))


def _add_fail_fast(part: Any) -> Any:
    """A schema of the library, or a part of one, with `fail_fast` wherever there may be many faults."""
    match part:
        case dict():
            made = {key: _add_fail_fast(inner) for key, inner in part.items()}
            return made | {"fail_fast": True} if made.get("type") in {"list", "tuple", "dict"} else made
        case list() | tuple():
            return type(part)(map(_add_fail_fast, part))
        case _:
            return part


def parse_json(text: bytes) -> Any:
    """The JSON value of UTF-8: no NaN, no lone surrogates, at most 200 levels deep; the last of two keys wins.

    Keys are not looked up in the library's cache, which makes 150,000 different ones take twice as long.
    Raises: ValueError.
    """
    return from_json(text, allow_inf_nan=False, cache_strings="none")


def count_marks(text: bytes, signs: bytes = b",[{") -> int:
    """How many commas and opening brackets a JSON text has: outside of strings, a value stands behind each at most."""
    return len(text) - len(text.translate(None, signs))


@dataclass(frozen=True, slots=True)
class Size:
    """How much is inside a JSON value."""

    values: int
    """On all levels."""
    levels: int
    """Of arrays and objects inside each other; 0 for a scalar."""


def measure(value: Any, *, max_values: int) -> Size:
    """The size of a value; one with more than `max_values` is looked at no further than to see that."""
    level, values, levels = [value], 0, 0
    while values <= max_values and (level := [each for each in level if isinstance(each, dict | list)]):
        values, levels = values + sum(map(len, level)), levels + 1
        if values <= max_values:
            level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return Size(values, levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing that is wrong with a value."""

    field: str
    """Where: `calls[2].to`; empty for the value as a whole."""
    text: str
    reason: str
    """`missing`, `malformed`, or the validator's own word."""


class InvalidValue(ValueError):
    """A value that is no such kind, with its faults in the order of the fields; the first fault of each field."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(errors[0].text)
        self.errors = errors


def check_size(value: Any, *, at: str = "params") -> Size:
    """The size of a value. Raises: InvalidParams (too_many_values) when that is more than `MAX_VALUES`."""
    size = measure(value, max_values=MAX_REQUEST_VALUES)
    if size.values > MAX_REQUEST_VALUES:
        text = f"{at}: expected at most {MAX_REQUEST_VALUES} values, those inside others counted too, got more"
        raise InvalidParams(text, field=at, reason="too_many_values")
    return size


def decode(kind: type[T], value: Any, *, at: str = "params") -> T:
    """`value` (parsed JSON) as a `kind`.

    Raises: InvalidParams that names the first field at fault, what was given and what was expected; its reason is that
    of the fault where it has one of its own.
    """
    try:
        return validate(kind, value)
    except InvalidValue as faulty:
        first = faulty.errors[0]
        path = at + ("" if first.field[:1] in {"", "["} else ".") + first.field
        reason = None if first.reason in _REASONS_OF_FORM else first.reason
        raise InvalidParams(f"{path}: {first.text}", reason=reason, field=path) from None


def validate(kind: type[T], value: Any) -> T:
    """As `decode`. Raises: Faulty that names every field at fault, up to `MAX_FAULTS`; of a value with more than
    `_MAX_LOOKED_AT` values inside, one in each array.
    """
    is_small = measure(value, max_values=_MAX_FULLY_VALIDATED).values <= _MAX_FULLY_VALIDATED
    schema: Any = kind
    validator = _adapter(schema).validator if is_small else _fail_fast_validator(schema)
    try:
        return cast("T", validator.validate_python(value))
    except ValidationError as error:
        faults: dict[str, FieldError] = {}
        for found in error.errors(include_url=False, include_context=True, include_input=True)[:MAX_FIELD_ERRORS]:
            fault = FieldError(field=_path(found, value), text=_text(found), reason=_reason(found))
            faults.setdefault(fault.field, fault)
        raise InvalidValue(tuple(faults.values())) from None


def encode(kind: Any, value: Any) -> Any:
    """`value` as JSON values, by its declared type: camelCase keys, absent fields left out.

    Raises: ValueError (pydantic's serialization error is one) when a value is not of its declared type, or when a
    float is no number, which JSON cannot say; either is a bug of ours.
    """
    _reject_non_finite(value)
    return _adapter(kind).dump_python(value, mode="json", by_alias=True, exclude_none=True, warnings="error")


def _reject_non_finite(value: Any) -> None:
    """The schema library writes NaN and the infinities as null where the declared type is `Any`."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
        elif isinstance(each, float):
            if not isfinite(each):
                raise ValueError(f"JSON has no {each}")
        elif is_dataclass(each):
            waiting += [getattr(each, name) for name in each.__dataclass_fields__]


def schema(kind: Any, mode: Literal["validation", "serialization"] = "serialization") -> dict[str, Any]:
    """The JSON Schema of `kind`, with definitions under `#/components/schemas`."""
    return _adapter(kind).json_schema(
        by_alias=True, mode=mode, ref_template="#/components/schemas/{model}", union_format="any_of"
    )


def member_names(kind: Any) -> tuple[str, ...]:
    """The wire names of the members of a `shape`, in the order of their declaration."""
    part: Any = _adapter(kind).core_schema
    while part["type"] != "dataclass-args":
        part = part["schema"]
    return tuple(field.get("validation_alias", field["name"]) for field in part["fields"])


def _path(error: ErrorDetails, value: Any) -> str:
    """Where the fault stands, as `calls[2].to`; the schema library's union tags are left out."""
    path, here, steps = "", value, error["loc"]
    for position, step in enumerate(steps):
        last = position == len(steps) - 1
        if isinstance(step, int):
            path += f"[{step}]"
            here = here[step] if isinstance(here, Sequence) and step < len(here) else None
        elif isinstance(here, Mapping) and step in here:
            path += f".{preview_key(step)}"
            here = here[step]
        elif last and error["type"] == "missing":
            path += f".{step}"
    return path.removeprefix(".")


_MAX_FULLY_VALIDATED = 2000
"""Up to how many values all faults are looked for: each costs the library as much as reading ten values."""
_REASONS_OF_FORM = frozenset({"missing", "malformed", "validation"})
"""Reasons that say no more than that a field has the wrong form."""

_TEXTS: dict[str, Callable[[ErrorDetails], str]] = {
    "malformed": lambda fault: str(fault["ctx"]["text"]),
    "worded": lambda fault: str(fault["ctx"]["text"]),
    "missing": lambda fault: "required, but absent",
    "union_tag_invalid": lambda fault: f"expected one of {fault['ctx']['expected_tags']}, got {_tag(fault)}",
    "union_tag_not_found": lambda fault: "expected an object that tells its kind",
    "literal_error": lambda fault: f"expected {fault['ctx']['expected']}, got {preview(fault['input'])}",
    "enum": lambda fault: f"expected {fault['ctx']['expected']}, got {preview(fault['input'])}",
    "greater_than": lambda fault: f"expected more than {_number(fault['ctx']['gt'])}, got {preview(fault['input'])}",
    "greater_than_equal": lambda fault: (
        f"expected at least {_number(fault['ctx']['ge'])}, got {preview(fault['input'])}"
    ),
    "less_than": lambda fault: f"expected less than {_number(fault['ctx']['lt'])}, got {preview(fault['input'])}",
    "less_than_equal": lambda fault: f"expected at most {_number(fault['ctx']['le'])}, got {preview(fault['input'])}",
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


def _tag(error: ErrorDetails) -> str:
    return preview(error["ctx"].get("tag"))


def _number(bound: float) -> str:
    return f"{bound:.17g}"


def _reason(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "missing"
        case "worded":
            return str(error["ctx"]["reason"])
        case _:
            return "malformed"


def _text(error: ErrorDetails) -> str:
    text = _TEXTS.get(error["type"])
    if text is not None:
        return text(error)
    kind = _KINDS.get(error["type"].split("_")[0], "another value")
    return f"expected {kind}, got {preview(error['input'])}"
