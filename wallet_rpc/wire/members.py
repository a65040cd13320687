"""Rejection of unknown members of a JSON object by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, ValidationError

from wallet_rpc.primitives import validation_error

MAX_FIELD_ERRORS = 100
"""The maximum number of errors that are reported for one value."""


def reject_unknown_members(kind: type, value: Any) -> Any:
    """Return `value` without its unknown members that are null. Raises: ValidationError for other unknown ones."""
    if not isinstance(value, dict):
        return value
    known = list_members(kind)
    unknown = [name for name in value if name not in known]
    if not unknown:
        return value
    members = f"its members are {', '.join(known)}" if known else "it has no members"
    text = f"no such member of {_noun(kind)}; {members}"
    _reject_members(kind, value, dict.fromkeys(unknown, text))
    return {name: value[name] for name in known if name in value}


def reject_misplaced_members(kind: type, value: Any, inner: Collection[str]) -> Any:
    """Return `value` unless it has misspelled or misplaced members; other unknown members are ignored.

    `inner` are the members of its `capabilities`. Raises: ValidationError that names such members that are not null.
    """
    if not isinstance(value, dict):
        return value
    known = list_members(kind)
    paths = {name.lower(): name for name in known} | {name.lower(): f"capabilities.{name}" for name in inner}
    corrected = {name: paths[name.lower()] for name in value if name not in known and name.lower() in paths}
    texts = {name: f"no such member here; did you mean {path}?" for name, path in corrected.items()}
    _reject_members(kind, value, texts)
    return value


def _reject_members(kind: type, value: dict[str, Any], texts: Mapping[str, str]) -> None:
    """Raise ValidationError (unknown_member) with the text of each member that is not null, if there is one."""
    names = [name for name in texts if value[name] is not None][:MAX_FIELD_ERRORS]
    if names:
        details = [
            InitErrorDetails(
                type=validation_error(texts[name], reason="unknown_member"), loc=(name,), input=value[name]
            )
            for name in names
        ]
        raise ValidationError.from_exception_data(kind.__name__, details)


@cache
def list_members(kind: type) -> tuple[str, ...]:
    """Return the JSON names of a shape's members, in the order of their declaration."""
    hints = get_type_hints(kind, include_extras=True)
    aliases = {
        field.name: next((part.alias for part in get_args(hints[field.name])[1:] if hasattr(part, "alias")), None)
        for field in fields(kind)
    }
    return tuple(to_camel(name) if alias is None else alias for name, alias in aliases.items())


@cache
def _noun(kind: type) -> str:
    """Return the value of a shape's `type` member if it is a single literal, else "this object"."""
    types = get_args(get_type_hints(kind).get("type"))
    return str(types[0]) if len(types) == 1 else "this object"
