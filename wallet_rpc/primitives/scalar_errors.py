"""Errors of scalars that have the wrong form, and a rejected value as an error may repeat it."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

_PREVIEW_LENGTH = 24
"""The most characters of a rejected value that an error repeats."""
_LONGEST_KEY = 66
_PREVIEW_BITS = 76
"""The widest integer that is shown; its decimal digits and sign fit into those characters."""


def preview(value: object) -> str:
    """`value` as an error may show it: its JSON kind, and its first characters when it is text."""
    match value:
        case None | bool():
            text = {None: "null", True: "true", False: "false"}[value]
        case int() if value.bit_length() > _PREVIEW_BITS:
            text = f"an integer of {value.bit_length()} bits"
        case int() | float():
            text = repr(value)
        case str():
            text = (
                f'"{value}"'
                if len(value) <= _PREVIEW_LENGTH
                else f'"{value[:_PREVIEW_LENGTH]}…" of {len(value)} characters'
            )
        case list() | tuple():
            text = f"an array of {len(value)}"
        case _:
            text = "an object" if isinstance(value, dict) else type(value).__name__
    return text


def preview_key(key: str) -> str:
    """A caller's key as the path of an error may show it: whole up to the length of a hash in hex."""
    return key if len(key) <= _LONGEST_KEY else f"{key[:_PREVIEW_LENGTH]}…"


def malformed_error(expected: str, given: object) -> PydanticCustomError:
    """The error of a scalar that has the wrong form; the decoder adds its path."""
    text = f"expected {expected}, got {preview(given)}"
    return PydanticCustomError("malformed", "{text}", {"text": text, "expected": expected})


def validation_error(text: str, *, reason: str = "validation") -> PydanticCustomError:
    """The error of a value, as a complete text; `reason` is for programs."""
    return PydanticCustomError("worded", "{text}", {"text": text, "reason": reason})
