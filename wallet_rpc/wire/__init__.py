"""Conversion of typed values from and to JSON; the only module that uses the internals of pydantic.

`@shape` declares a JSON object, `@strict_shape` one that rejects unknown members. `decode` reads an object, `encode`
and `dump_json` write it strictly (camelCase, absent instead of null, minimal hex), `schema` returns its JSON Schema.
"""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from functools import cache
from math import isfinite
from typing import Any, Literal, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, GetJsonSchemaHandler, TypeAdapter, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import SchemaValidator, ValidationError, core_schema, from_json

from wallet_rpc.errors import InvalidParams
from wallet_rpc.wire.descriptions import DescribingGenerator
from wallet_rpc.wire.error_texts import find_error_path, find_error_reason, format_error
from wallet_rpc.wire.members import MAX_FIELD_ERRORS, reject_unknown_members

_T = TypeVar("_T")

LENIENT: ConfigDict = ConfigDict(alias_generator=to_camel, extra="ignore", populate_by_name=False)
STRICT: ConfigDict = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=False)
MAX_REQUEST_VALUES = 10_000
"""The maximum number of JSON values in a request, on all levels; no valid request needs more."""
_MAX_FULLY_VALIDATED = 2000
"""The maximum number of values for which all errors are collected; one error costs as much as reading ten values."""
_REASONS_OF_FORM = frozenset({"missing", "malformed", "validation"})
"""Reasons that mean no more than a wrong form; `decode` replaces them with its default reason."""


def _make_shape(cls: type[_T], config: ConfigDict) -> type[_T]:
    shape_class = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    shape_class.__pydantic_config__ = config  # type: ignore[attr-defined]  # documented by pydantic
    return shape_class


@dataclass_transform(frozen_default=True, kw_only_default=True)
def shape(cls: type[_T]) -> type[_T]:
    """Declare a JSON object: a frozen, keyword-only dataclass with camelCase keys. Unknown keys are ignored."""
    return _make_shape(cls, LENIENT)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def strict_shape(cls: type[_T]) -> type[_T]:
    """Declare a `shape` that rejects unknown members, since one may be meant as a limit; null ones are ignored."""
    validate = model_validator(mode="before")
    # pydantic finds validators among a class's attributes, and declares only the decorator's use
    cls._exactly = validate(classmethod(reject_unknown_members))  # type: ignore[arg-type, attr-defined]  # see above
    return _make_shape(cls, STRICT)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _validator(kind: Any) -> SchemaValidator:
    """Build a validator of JSON values, which accepts only JSON's true and false as a boolean."""
    return SchemaValidator(_configure(_adapter(kind).core_schema, is_fail_fast=False))


@cache
def _fail_fast_validator(kind: Any) -> SchemaValidator:
    """Build a validator of JSON values that stops at the first error in an array or a mapping."""
    return SchemaValidator(_configure(_adapter(kind).core_schema, is_fail_fast=True))


def _configure(part: Any, *, is_fail_fast: bool) -> Any:
    """Return a core schema, or a part of one, with strict booleans, and `fail_fast` set for arrays and mappings.

    By default pydantic reads texts such as "yes" as booleans, and a 1 as the literal `True`.
    """
    match part:
        case {"type": "bool"}:
            return {**part, "strict": True}
        case {"type": "literal", "expected": [bool(), *_]}:
            return core_schema.chain_schema([core_schema.bool_schema(strict=True), part])
        case dict():
            copy = {key: _configure(inner, is_fail_fast=is_fail_fast) for key, inner in part.items()}
            is_many = is_fail_fast and copy.get("type") in ("list", "tuple", "dict")  # its type may be no text
            return {**copy, "fail_fast": True} if is_many else copy
        case list() | tuple():
            return type(part)(_configure(inner, is_fail_fast=is_fail_fast) for inner in part)
        case _:
            return part


def parse_json(text: bytes) -> Any:
    """Parse JSON in UTF-8: no NaN, no lone surrogates, at most 200 levels deep; the last of two equal keys wins.

    The parser's key cache is off, since it doubles the time for 150,000 different keys.
    Raises: ValueError.
    """
    return from_json(text, allow_inf_nan=False, cache_strings="none")


def count_marks(text: bytes, signs: bytes = b",[{") -> int:
    """Count commas and opening brackets: an upper bound for the number of nested values in a JSON text."""
    return len(text) - len(text.translate(None, signs))


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a JSON value."""

    values: int
    """The number of nested values, on all levels."""
    levels: int
    """The depth of nested arrays and objects; 0 for a scalar."""


def measure(value: Any, *, max_values: int) -> Size:
    """Measure a value; the count stops once it exceeds `max_values`."""
    level = [value]
    values = 0
    levels = 0
    while values <= max_values and (level := [each for each in level if isinstance(each, dict | list)]):
        values += sum(map(len, level))
        levels += 1
        if values <= max_values:
            level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return Size(values, levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One error in a value."""

    field: str
    """The path of the field, such as `calls[2].to`; empty for the value as a whole."""
    text: str
    reason: str
    """`missing`, `malformed`, or a reason that the validator sets."""


class InvalidValue(ValueError):
    """A value that does not have the expected type, with the first error of each field, in the order of the fields."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(errors[0].text)
        self.errors = errors


def check_size(value: Any, *, at: str = "params") -> Size:
    """Measure a value. Raises: InvalidParams (too_many_values) for more than `MAX_REQUEST_VALUES` values."""
    size = measure(value, max_values=MAX_REQUEST_VALUES)
    if size.values > MAX_REQUEST_VALUES:
        text = f"expected at most {MAX_REQUEST_VALUES} values, nested ones included, got more"
        raise InvalidParams(text, field=at, reason="too_many_values")
    return size


def decode(kind: type[_T], value: Any, *, at: str = "params") -> _T:
    """Convert `value` (parsed JSON) to a `kind`.

    Raises: InvalidParams with the path of the first invalid field, the value received and the value expected. If the
    field's validator sets a reason, the error has that reason.
    """
    try:
        return validate(kind, value)
    except InvalidValue as invalid:
        first = invalid.errors[0]
        path = at + ("" if first.field[:1] in {"", "["} else ".") + first.field
        reason = None if first.reason in _REASONS_OF_FORM else first.reason
        raise InvalidParams(first.text, reason=reason, field=path) from None


def validate(kind: type[_T], value: Any) -> _T:
    """Convert `value` as `decode` does, but report up to `MAX_FIELD_ERRORS` errors. Raises: InvalidValue.

    For a value with more than `_MAX_FULLY_VALIDATED` nested values, only the first error of each array is reported.
    """
    is_small = measure(value, max_values=_MAX_FULLY_VALIDATED).values <= _MAX_FULLY_VALIDATED
    schema: Any = kind
    validator = _validator(schema) if is_small else _fail_fast_validator(schema)
    try:
        return cast("_T", validator.validate_python(value))
    except ValidationError as error:
        errors: dict[str, FieldError] = {}
        for each in error.errors(include_url=False, include_context=True, include_input=True)[:MAX_FIELD_ERRORS]:
            field_error = FieldError(
                field=find_error_path(each, value), text=format_error(each), reason=find_error_reason(each)
            )
            errors.setdefault(field_error.field, field_error)
        raise InvalidValue(tuple(errors.values())) from None


def encode(kind: Any, value: Any) -> Any:
    """Convert `value` to JSON values by its declared type: camelCase keys, absent fields left out.

    Raises: ValueError (also as pydantic's serialization error) when a value does not have its declared type, or when a
    float is not finite. Both are bugs of this server.
    """
    _reject_non_finite(kind, value)
    return _adapter(kind).dump_python(value, mode="json", by_alias=True, exclude_none=True, warnings="error")


def dump_json(kind: Any, value: Any) -> bytes:
    """Convert `value` to compact JSON text in UTF-8, with the members that `encode` gives it. Raises: as `encode`."""
    text = _adapter(kind).dump_json(value, by_alias=True, exclude_none=True, warnings="error")
    if b"null" in text:  # pydantic writes null for a float that is not finite
        _reject_non_finite(kind, value)
    return text


def load_json(kind: type[_T], text: bytes) -> _T:
    """Convert JSON text that this server wrote with `dump_json` to a `kind`. Raises: ValueError, for the log only."""
    schema: Any = kind
    return cast("_T", _adapter(schema).validator.validate_json(text))


class JsonOf:
    """Description of a value that stays JSON: `Annotated[dict[str, Any], JsonOf(kind)]` is an encoded `kind`.

    Such a value is passed on without being decoded and encoded again; its JSON Schema is that of `kind`.
    """

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return a reference to the JSON Schema of the kind."""
        described: Any = _adapter(self._kind).core_schema
        reference = core_schema.definition_reference_schema(described["ref"])
        return handler(core_schema.definitions_schema(reference, [described]))


@cache
def _may_hold_floats(kind: Any) -> bool:
    """Return True for a type with a part that is declared as a float or as `Any`."""
    return _contains_type(_adapter(kind).core_schema, frozenset({"float", "any"}))


def _contains_type(part: Any, names: frozenset[str]) -> bool:
    """Return True if a core schema, or a part of one, has a part of a type with one of these names."""
    match part:
        case dict():
            return part.get("type") in names or any(_contains_type(inner, names) for inner in part.values())
        case list() | tuple():
            return any(_contains_type(inner, names) for inner in part)
        case _:
            return False


def _reject_non_finite(kind: Any, value: Any) -> None:
    """Check that no float is NaN or infinite, since pydantic writes null for such a float; see `_may_hold_floats`."""
    pending = [value] if _may_hold_floats(kind) else []
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list | tuple):
            pending += each
        elif isinstance(each, float):
            if not isfinite(each):
                raise ValueError(f"JSON has no {each}")
        elif is_dataclass(each):
            pending += [getattr(each, name) for name in each.__dataclass_fields__]


def schema(kind: Any, mode: Literal["validation", "serialization"] = "serialization") -> dict[str, Any]:
    """Return the JSON Schema of `kind`, with definitions under `#/components/schemas`."""
    return _adapter(kind).json_schema(
        by_alias=True,
        mode=mode,
        ref_template="#/components/schemas/{model}",
        union_format="any_of",
        schema_generator=DescribingGenerator,
    )


def member_names(kind: Any) -> tuple[str, ...]:
    """Return the JSON names of the members of a `shape`, in the order of their declaration."""
    part: Any = _adapter(kind).core_schema
    while part["type"] != "dataclass-args":
        part = part["schema"]
    return tuple(field.get("validation_alias", field["name"]) for field in part["fields"])
