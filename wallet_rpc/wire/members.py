"""The members that an object of the wire may have, and the refusal of others by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, ValidationError

from wallet_rpc.primitives import validation_error

MAX_FIELD_ERRORS = 100
"""The most faults that are reported for one value."""


def reject_unknown_members(kind: type, value: Any) -> Any:
    """`value` without unknown members that are null. Raises: ValidationError that names the other unknown ones."""
    if not isinstance(value, dict):
        return value
    known = _members(kind)
    unknown = [name for name in value if name not in known]
    if not unknown:
        return value
    text = f"no such member of {_noun(kind)}; its members are {', '.join(known)}"
    _refuse(kind, value, dict.fromkeys(unknown, text))
    return {name: value[name] for name in known if name in value}


def reject_misplaced_members(kind: type, value: Any, inner: Collection[str]) -> Any:
    """`value`, whose unknown members are ignored, except misspelled or misplaced ones.

    `inner` are the members of its `capabilities`. Raises: ValidationError that names such members, null ones excepted.
    """
    if not isinstance(value, dict):
        return value
    known = _members(kind)
    spelled = {name.lower(): name for name in known} | {name.lower(): f"capabilities.{name}" for name in inner}
    meant = {name: spelled[name.lower()] for name in value if name not in known and name.lower() in spelled}
    _refuse(kind, value, {name: f"no such member here; did you mean {right}?" for name, right in meant.items()})
    return value


def _refuse(kind: type, value: dict[str, Any], texts: Mapping[str, str]) -> None:
    """Raises: ValidationError (unknown_member) with the text of each member, unless all of them are null."""
    stated = [name for name in texts if value[name] is not None][:MAX_FIELD_ERRORS]
    if stated:
        details = [
            InitErrorDetails(
                type=validation_error(texts[name], reason="unknown_member"), loc=(name,), input=value[name]
            )
            for name in stated
        ]
        raise ValidationError.from_exception_data(kind.__name__, details)


@cache
def _members(kind: type) -> tuple[str, ...]:
    """The members of a shape by their names on the wire, in their order."""
    hints = get_type_hints(kind, include_extras=True)
    aliases = {
        field.name: next((part.alias for part in get_args(hints[field.name])[1:] if hasattr(part, "alias")), None)
        for field in fields(kind)
    }
    return tuple(to_camel(name) if alias is None else alias for name, alias in aliases.items())


@cache
def _noun(kind: type) -> str:
    """The `type` that a shape has on the wire, where it has one."""
    types = get_args(get_type_hints(kind).get("type"))
    return str(types[0]) if len(types) == 1 else "this object"
