"""Errors of pydantic as paths, texts and reasons of this server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from wallet_rpc.primitives import preview, preview_key


def find_error_path(error: ErrorDetails, value: Any) -> str:
    """Format the path of an error, such as `calls[2].to`, without pydantic's union tags."""
    path = ""
    here = value
    steps = error["loc"]
    for position, step in enumerate(steps):
        is_last = position == len(steps) - 1
        if isinstance(step, int):
            path += f"[{step}]"
            here = here[step] if isinstance(here, Sequence) and step < len(here) else None
        elif isinstance(here, Mapping) and step in here:
            path += f".{preview_key(step)}"
            here = here[step]
        elif is_last and error["type"] == "missing":
            path += f".{step}"
    return path.removeprefix(".")


_TEXTS: dict[str, Callable[[ErrorDetails], str]] = {
    "malformed": lambda error: str(error["ctx"]["text"]),
    "invalid": lambda error: str(error["ctx"]["text"]),
    "missing": lambda error: "required, but absent",
    "union_tag_invalid": lambda error: f"expected one of {error['ctx']['expected_tags']}, got {_tag(error)}",
    "union_tag_not_found": lambda error: f"expected an object with {_discriminator(error)}, got {_given(error)}",
    "literal_error": lambda error: f"expected {_literal(error)}, got {preview(error['input'])}",
    "enum": lambda error: f"expected {error['ctx']['expected']}, got {preview(error['input'])}",
    "greater_than": lambda error: f"expected more than {_number(error['ctx']['gt'])}, got {preview(error['input'])}",
    "greater_than_equal": lambda error: (
        f"expected at least {_number(error['ctx']['ge'])}, got {preview(error['input'])}"
    ),
    "less_than": lambda error: f"expected less than {_number(error['ctx']['lt'])}, got {preview(error['input'])}",
    "less_than_equal": lambda error: f"expected at most {_number(error['ctx']['le'])}, got {preview(error['input'])}",
    "string_too_short": lambda error: (
        f"expected at least {error['ctx']['min_length']} characters, got {len(error['input'])}"
    ),
    "string_too_long": lambda error: (
        f"expected at most {error['ctx']['max_length']} characters, got {len(error['input'])}"
    ),
    "string_pattern_mismatch": lambda error: (
        f"expected a string that matches {error['ctx']['pattern']}, got {preview(error['input'])}"
    ),
    "too_short": lambda error: (
        f"expected at least {error['ctx']['min_length']} items, got {error['ctx']['actual_length']}"
    ),
    "too_long": lambda error: (
        f"expected at most {error['ctx']['max_length']} items, got {error['ctx']['actual_length']}"
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


def _literal(error: ErrorDetails) -> str:
    """Format the expected literal; pydantic gives the Python text of JSON's true and false."""
    expected = str(error["ctx"]["expected"])
    return {"True": "true", "False": "false"}.get(expected, expected)


def _tag(error: ErrorDetails) -> str:
    """Preview the given type of a tagged union's member; pydantic gives the Python text of other values."""
    tag = error["ctx"].get("tag")
    member = str(error["ctx"]["discriminator"]).strip("'")
    given = error["input"].get(member) if isinstance(error["input"], dict) else tag
    return preview(given if str(given) == tag else tag)


def _discriminator(error: ErrorDetails) -> str:
    """Name the member by which a tagged union distinguishes; pydantic gives a function's name for a computed tag."""
    member = str(error["ctx"]["discriminator"])
    return "a member that names its type" if member.endswith("()") else f"the member {member} that names its type"


def _given(error: ErrorDetails) -> str:
    given = error["input"]
    return "one without it" if isinstance(given, dict) else preview(given)


def _number(bound: float) -> str:
    return f"{bound:.17g}"


def find_error_reason(error: ErrorDetails) -> str:
    """Return the reason of an error of pydantic."""
    match error["type"]:
        case "missing":
            return "missing"
        case "invalid":
            return str(error["ctx"]["reason"])
        case _:
            return "malformed"


def format_error(error: ErrorDetails) -> str:
    """Format the expectation and the given value."""
    text = _TEXTS.get(error["type"])
    if text is not None:
        return text(error)
    kind = _KINDS.get(error["type"].split("_")[0], "another value")
    return f"expected {kind}, got {preview(error['input'])}"
