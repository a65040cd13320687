"""Placeholders for secrets in a recording.

In hex, a placeholder has as many digits as the secret, so that its surroundings keep their places and clients can read
it. In other text it is a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_MARK = "5ec2e75ec2e7"
"""The first digits of each placeholder in hex; its number and its length follow, 8 digits each, then zeros."""
MIN_HEX_DIGITS = 28
"""The length of the shortest placeholder in hex, and so of the shortest secret that is recognized in hex."""

_PLACEHOLDER = re.compile(
    rf"{_MARK}(?P<number>[0-9a-f]{{8}})(?P<digits>[0-9a-f]{{8}})0*|replaced-secret-(?P<word>[0-9]+)"
)


@dataclass(frozen=True, slots=True)
class _Span:
    """The place of a placeholder in a text."""

    number: int
    """The number of the secret."""
    start: int
    end: int
    is_hex: bool


def format_hex_placeholder(number: int, digits: int) -> str:
    """Return the placeholder for the secret of this number with so many hex digits, at least `MIN_HEX_DIGITS`."""
    return f"{_MARK}{number:08x}{digits:08x}".ljust(digits, "0")


def format_text_placeholder(number: int) -> str:
    """Return the placeholder for the secret of this number in text."""
    return f"replaced-secret-{number}"


def is_placeholder(text: str) -> bool:
    """Return True for text that is one placeholder, which stands for a secret of any length."""
    bare = text.removeprefix("0x")
    spans = _spans(bare)
    return len(spans) == 1 and (spans[0].start, spans[0].end) == (0, len(bare))


def fill_placeholders(text: str) -> str:
    """Return the text with a fixed sign for each placeholder, so that equal requests with other secrets are equal."""
    parts, end = [], 0
    for span in _spans(text):
        parts.append(text[end : span.start])
        end = span.end
    return "*".join([*parts, text[end:]])


def insert_placeholders(recorded: str, given: str) -> str:
    """Return `given` with the placeholders of `recorded` in the places of its secrets; unchanged if it does not fit."""
    spans = _spans(recorded)
    if is_placeholder(recorded):
        return recorded
    if not spans or _is_aligned(recorded, given):
        for span in spans:
            given = given[: span.start] + recorded[span.start : span.end] + given[span.end :]
        return given
    return recorded if _pattern_of(recorded).fullmatch(given) else given


def find_secrets(recorded: str, given: str) -> dict[int, str]:
    """Return the secrets in `given` by their numbers; `insert_placeholders` fits for the two texts."""
    spans = _spans(recorded)
    if is_placeholder(recorded):
        return {spans[0].number: given.removeprefix("0x") if spans[0].is_hex else given}
    if _is_aligned(recorded, given):
        return {span.number: given[span.start : span.end] for span in spans}
    found = _pattern_of(recorded).fullmatch(given)
    return {} if found is None else {span.number: text for span, text in zip(spans, found.groups(), strict=True)}


def restore_secrets(recorded: str, secrets: Mapping[int, str]) -> str:
    """Return the text with known secrets in the places of their placeholders, where they fit."""
    is_whole = is_placeholder(recorded)
    for span in reversed(_spans(recorded)):
        secret = secrets.get(span.number)
        size = span.end - span.start
        if secret is None or (span.is_hex and not is_whole and len(secret) < size):
            continue
        text = secret[:size] if span.is_hex and not is_whole else secret
        recorded = recorded[: span.start] + text + recorded[span.end :]
    return recorded


def _is_aligned(recorded: str, given: str) -> bool:
    return len(recorded) == len(given) and all(span.is_hex for span in _spans(recorded))


@lru_cache(maxsize=4096)
def _spans(recorded: str) -> tuple[_Span, ...]:
    spans = []
    for found in _PLACEHOLDER.finditer(recorded):
        is_hex = found["word"] is None
        number = int(found["number"], 16) if is_hex else int(found["word"])
        end = found.start() + int(found["digits"], 16) if is_hex else found.end()
        spans.append(_Span(number, found.start(), end, is_hex))
    return tuple(spans)


@lru_cache(maxsize=4096)
def _pattern_of(recorded: str) -> re.Pattern[str]:
    """Return the pattern of texts with any secrets in the places of the placeholders, which are its groups."""
    parts, end = [], 0
    for span in _spans(recorded):
        parts += [re.escape(recorded[end : span.start]), "([0-9a-fA-F]*)" if span.is_hex else "([^/]*)"]
        end = span.end
    return re.compile("".join([*parts, re.escape(recorded[end:])]))
