"""Validation errors of scalars, and previews of rejected values in error messages."""

from __future__ import annotations

import re

from pydantic_core import PydanticCustomError

_PREVIEW_LENGTH = 24
"""The maximum number of characters of a rejected value that an error message shows."""
_WORD = re.compile(r"[A-Za-z0-9_./+-]{0,42}", re.ASCII)
"""A name or an address, which is shown whole; it is shorter than a private key or an API key."""
_LONGEST_KEY = 66
_PREVIEW_BITS = 76
"""The widest integer that is shown in full; its decimal digits and sign fit into `_PREVIEW_LENGTH`."""


def preview(value: object) -> str:
    """Describe `value` for an error message: its JSON type, or the start of its text."""
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
                if len(value) <= _PREVIEW_LENGTH or _WORD.fullmatch(value)
                else f'"{value[:_PREVIEW_LENGTH]}…" of {len(value)} characters'
            )
        case list() | tuple():
            text = f"an array of {len(value)}"
        case _:
            text = "an object" if isinstance(value, dict) else type(value).__name__
    return text


def preview_key(key: str) -> str:
    """Shorten a JSON key for the path in an error message; a key up to the length of a hash in hex is kept."""
    return key if len(key) <= _LONGEST_KEY else f"{key[:_PREVIEW_LENGTH]}…"


def malformed_error(expected: str, given: object) -> PydanticCustomError:
    """Build the error of a scalar in a wrong form; the decoder adds the path of the field."""
    text = f"expected {expected}, got {preview(given)}"
    return PydanticCustomError("malformed", "{text}", {"text": text, "expected": expected})


def validation_error(text: str, *, reason: str = "validation") -> PydanticCustomError:
    """Build the error of an invalid value with a complete message text and a stable `reason` for programs."""
    return PydanticCustomError("invalid", "{text}", {"text": text, "reason": reason})
