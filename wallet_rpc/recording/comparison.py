"""Comparison of a request with a recorded one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from wallet_rpc.domain.times import read_time
from wallet_rpc.primitives import preview
from wallet_rpc.recording.hex_digits import looks_random
from wallet_rpc.recording.placeholders import find_secrets, insert_placeholders
from wallet_rpc.recording.renames import Renames

TIME_TOLERANCE_SECONDS = 300
"""The maximum change of a time's distance from its request's."""
_EARLIEST, _LATEST = 10**9, 10**11
"""Seconds since 1970 that are taken for a time."""
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)")
_WORD, _PADDING, _ADDRESS, _TIME_PADDING = 64, 24, 40, 48
"""The hex digits of an ABI word, of the zeros before an address in it, of the address, and of those before a time."""
_PARITY_NAMES = frozenset({"v", "yParity"})
"""Members of a signature besides its numbers r and s, which a recording has placeholders for."""
_LONGEST_RANDOM = 130
"""The hex digits of a public key or a signature, the longest values that clients choose at random."""
_LONGEST_SHOWN = 80
_ABSENT = object()


class TooDifferent(Exception):
    """The comparison has found as many differences as it counts."""


@dataclass(frozen=True, slots=True)
class FormDifference:
    """A part of a request that differs from the recorded one."""

    path: str
    """The place of the part, such as `params[0].calls[0].value`."""
    expected: str
    given: str


@dataclass(slots=True)
class Comparison:
    """The result of comparing a given request with a recorded one; `compare` fills it."""

    renames: Renames
    recorded_at: float
    """The time of the recorded request, in seconds."""
    given_at: float
    max_differences: int
    differences: list[FormDifference] = field(default_factory=list)
    pairs: dict[str, str] = field(default_factory=dict)
    """Given values in the places of recorded ones, under which the requests are the same; by the recorded values."""
    places: dict[str, str] = field(default_factory=dict)
    """The paths of these values, by the recorded ones."""
    times: dict[int, int] = field(default_factory=dict)
    """Given times in the places of recorded ones, by these."""

    credentials: dict[str, str] = field(default_factory=dict)
    """Keys and tokens that were not given before, by their placeholders in the recording."""

    secrets: dict[int, str] = field(default_factory=dict)
    """Given secrets by the numbers of their placeholders."""

    is_credential_ignored: bool = False
    """True if the request has a key or token, and the recorded one has none."""

    @property
    def cost(self) -> int:
        """The number of parts that are the same only in a wider sense."""
        return len(self.pairs) + len(self.times) + len(self.credentials) + 2 * self.is_credential_ignored

    def compare(self, recorded: Any, given: Any, path: str = "") -> None:
        """Compare two JSON values. Raises: TooDifferent at `max_differences`."""
        match recorded, given:
            case dict(), dict():
                given = self._rename_members(recorded, given)
                ignored = _PARITY_NAMES if {"r", "s"} <= recorded.keys() else frozenset()
                for name in [*recorded, *(name for name in given if name not in recorded)]:
                    if name in ignored:
                        continue
                    inner = f"{path}.{name}" if path else name
                    self.compare(recorded.get(name, _ABSENT), given.get(name, _ABSENT), inner)
            case list(), list():
                for index, (left, right) in enumerate(zip(recorded, given, strict=False)):
                    self.compare(left, right, f"{path}[{index}]")
                if len(recorded) != len(given):
                    self._add(path, _count(recorded), _count(given))
            case str(), str() if path == "credential":
                if not self._is_same_credential(recorded, given):
                    self._add(path, recorded, "another key or token")
            case str(), str():
                if not self._is_same_text(recorded, given, path):
                    self._add(path, *_show_texts(recorded, self._to_recorded(given)))
            case _:
                is_same = type(recorded) is type(given) and recorded == given
                if not is_same and not self._is_same_time(recorded, given):
                    self._add(path, _show(recorded), _show(given))

    def _rename_members(self, recorded: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        """Return an object with recorded names, such as addresses, in the place of given ones."""
        if recorded.keys() == given.keys():
            return given
        names = {name.lower(): name for name in recorded}
        return {names.get(self._to_recorded(name).lower(), name): inner for name, inner in given.items()}

    def _add(self, path: str, expected: str, given: str) -> None:
        self.differences.append(FormDifference(path, expected, given))
        if len(self.differences) >= self.max_differences:
            raise TooDifferent

    def _is_same_text(self, recorded: str, given: str, path: str) -> bool:
        is_hex = _HEX.fullmatch(recorded) is not None and _HEX.fullmatch(given) is not None
        left, right = (recorded.lower(), given.lower()) if is_hex else (recorded, given)
        right = self._to_recorded(right)
        self.secrets |= find_secrets(left, right)
        if left == insert_placeholders(left, right):
            return True
        if is_hex:
            return self._is_same_hex(left[2:], insert_placeholders(left, right)[2:], path)
        if _UUID.fullmatch(recorded) and _UUID.fullmatch(given):
            return self._rename(recorded.lower(), given.lower(), path)
        if _DATE.fullmatch(recorded) and _DATE.fullmatch(given):
            return self._is_same_time(_read_date(recorded), _read_date(given))
        return False

    def _is_same_credential(self, recorded: str, given: str) -> bool:
        """Return True if each of the credentials is used in the place of the other only."""
        known = self.renames.credentials
        if recorded not in known and given not in known.values():
            self.credentials[recorded] = given
        return known.get(recorded, self.credentials.get(recorded)) == given

    def _to_recorded(self, text: str) -> str:
        text = self.renames.to_recorded(text)
        for recorded, given in self.pairs.items():
            text = re.sub(given, recorded, text, flags=re.IGNORECASE)
        return text

    def _is_same_hex(self, left: str, right: str, path: str) -> bool:
        """Return True for hex digits that are the same, or become the same by renames."""
        if len(left) <= 16 and self._is_same_time(int(left, 16), int(right, 16)):
            return True
        is_whole = abs(len(left) - len(right)) <= 2 and len(left) <= _LONGEST_RANDOM
        if is_whole and looks_random(left) and looks_random(right):
            return self._rename(left, right, path)
        if len(left) != len(right):
            return False
        while left != right:
            at = next(index for index, (one, other) in enumerate(zip(left, right, strict=True)) if one != other)
            start, stop = _find_part(left, right, at - at % 2)
            if not self._is_same_part(left[start:stop], right[start:stop], path):
                return False
            right = right[:start] + left[start:stop] + right[stop:]
        return True

    def _is_same_part(self, left: str, right: str, path: str) -> bool:
        """Return True for an address or a word of call data that is the same in a wider sense."""
        if left[:_TIME_PADDING] == right[:_TIME_PADDING] == "0" * _TIME_PADDING:
            return self._is_same_time(int(left, 16), int(right, 16))
        return looks_random(left) and looks_random(right) and self._rename(left, right, path)

    def _rename(self, recorded: str, given: str, path: str) -> bool:
        if self.pairs.get(recorded) == given:
            return True
        if recorded in self.pairs or given in self.pairs.values() or not self.renames.may_rename(recorded, given):
            return False
        self.pairs[recorded] = given
        self.places[recorded] = path
        return True

    def _is_same_time(self, recorded: Any, given: Any) -> bool:
        """Return True for times, in seconds or milliseconds, with the same distance from their requests' times."""
        if type(recorded) is not int or type(given) is not int:
            return False
        for unit in (1, 1000):
            if all(_EARLIEST * unit <= each < _LATEST * unit for each in (recorded, given)):
                moved = (recorded / unit - self.recorded_at) - (given / unit - self.given_at)
                if abs(moved) <= TIME_TOLERANCE_SECONDS:
                    self.times[recorded] = given
                    return True
        return False


def _find_part(left: str, right: str, at: int) -> tuple[int, int]:
    """Return the range of the address or the word around the first different byte."""
    offset = len(left) % _WORD  # of the words in call data: that of its selector
    word = at - (at - offset) % _WORD if offset in {0, 8} and at >= offset else at
    zeros = "0" * _TIME_PADDING
    if left[word:].startswith(zeros) and right[word:].startswith(zeros):
        return word, word + _WORD
    zeros = "0" * _PADDING
    for start in range(at, max(at - 8, _PADDING - 1), -2):
        before = left[start - _PADDING : start], right[start - _PADDING : start]
        if before == (zeros, zeros) and left[start : start + 2] != "00":
            return start, start + _ADDRESS
    return word, word + _WORD


def _read_date(text: str) -> int | None:
    try:
        return read_time(text)
    except ValueError:
        return None


def _count(values: list[Any]) -> str:
    return "1 item" if len(values) == 1 else f"{len(values)} items"


def _show_texts(recorded: str, given: str) -> tuple[str, str]:
    """Show two texts, or their parts around the first difference if they are long."""
    if max(len(recorded), len(given)) <= _LONGEST_SHOWN:
        return f'"{recorded}"', f'"{given}"'
    pairs = zip(recorded.lower(), given.lower(), strict=False)
    at = next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(recorded), len(given)))
    start, stop = max(0, at - _LONGEST_SHOWN // 2), at + _LONGEST_SHOWN // 2
    shown = (f"{'…' * (start > 0)}{text[start:stop]}{'…' * (stop < len(text))}" for text in (recorded, given))
    expected, got = (f'"{text}" from character {start}' for text in shown)
    return expected, got


def _show(value: Any) -> str:
    return "nothing" if value is _ABSENT else preview(value)
