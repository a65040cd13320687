"""Values that the client of a replay chose anew: other keys, addresses and salts in the place of recorded ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wallet_rpc.primitives import Address
from wallet_rpc.recording.exchanges import Recording, dump_json_text
from wallet_rpc.recording.placeholders import restore_secrets

_ADDRESS_DIGITS = 40
_TIME = re.compile(r"0x[0-9a-f]{8,11}")
"""A time as a hex quantity."""


@dataclass(slots=True)
class Renames:
    """Pairs of a recorded value and the given one that has its place, each the digits of hex or a UUID, in lower case.

    Both values of a pair are in no other one.
    """

    recording: Recording
    is_exact: bool = False
    """True if no value may be renamed; times may be moved all the same."""
    given: dict[str, str] = field(default_factory=dict)
    """The given values, by the recorded ones."""
    recorded: dict[str, str] = field(default_factory=dict)
    """The recorded values, by the given ones."""
    times: dict[int, int] = field(default_factory=dict)
    """The latest given times, by the recorded ones, in the unit of the request."""
    secrets: dict[int, str] = field(default_factory=dict)
    """The latest given secrets, by the numbers of their placeholders."""
    credentials: dict[str, str] = field(default_factory=dict)
    """The given keys and tokens, by their placeholders in the recording."""
    _own: dict[str, bool] = field(default_factory=dict)
    _patterns: tuple[re.Pattern[str], re.Pattern[str]] | None = None

    def may_rename(self, recorded: str, given: str) -> bool:
        """Return True if the client can have chosen the given value in the place of the recorded one.

        The recorded value is then not from a response, and the given one is not in the recording.
        """
        if self.is_exact or recorded in self.given or given in self.recorded:
            return False
        return given not in self.recording.text and self._is_of_client(recorded)

    def add(self, pairs: Mapping[str, str]) -> None:
        """Add pairs, by their recorded values."""
        if pairs:
            self._patterns = None
        self.given |= pairs
        self.recorded |= {given: recorded for recorded, given in pairs.items()}

    def to_recorded(self, text: str) -> str:
        """Return the text with recorded values, in lower case, in the place of given ones."""
        if not self.recorded:
            return text
        return self._compile()[0].sub(lambda found: self.recorded[found[0].lower()], text)

    def to_given(self, value: Any) -> Any:
        """Return a recorded JSON value with given values in the place of recorded ones.

        What is to be signed stays as it is, since its hash is in the recording too.
        """
        match value:
            case dict():
                return {
                    name: inner if name == "signatureRequest" else self.to_given(inner) for name, inner in value.items()
                }
            case list():
                return [self.to_given(inner) for inner in value]
            case int() if value in self.times:
                return self.times[value]
            case str():
                return self._text_to_given(value)
            case _:
                return value

    def _text_to_given(self, text: str) -> str:
        if _TIME.fullmatch(text) and int(text, 16) in self.times:
            return hex(self.times[int(text, 16)])
        renamed = self._compile()[1].sub(self._replace, text) if self.given else text
        return restore_secrets(renamed, self.secrets)

    def _replace(self, found: re.Match[str]) -> str:
        text = self.given[found[0].lower()]
        has_checksum = len(text) == _ADDRESS_DIGITS and found[0] not in {found[0].lower(), found[0].upper()}
        return Address.fromhex(text).hex0x()[2:] if has_checksum else text

    def _compile(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """Return the patterns of given and of recorded values."""
        if self._patterns is None:
            self._patterns = _pattern_of(self.recorded), _pattern_of(self.given)
        return self._patterns

    def _is_of_client(self, recorded: str) -> bool:
        """Return True if the first exchange with this value has it in its request."""
        found = self._own.get(recorded)
        if found is None:
            found = self._own[recorded] = self._search(recorded)
        return found

    def _search(self, recorded: str) -> bool:
        for _, exchange in self.recording.exchanges:
            request, response = exchange.request, exchange.response
            for body, is_request in ((request.body, True), (response.body, False)):
                text = "" if body is None else (dump_json_text(body.json) if body.text is None else body.text)
                head = f"{request.path}{request.query}" if is_request else ""
                if recorded in text.lower() or recorded in head.lower():
                    return is_request
        return False


def _pattern_of(values: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, values)), re.IGNORECASE)
