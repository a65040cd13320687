"""Protection of credentials in text that errors and logs repeat.

An error repeats a configuration value only if the value cannot be a credential. Existing text is masked.
"""

from __future__ import annotations

import re

from wallet_rpc.primitives import preview

HIDDEN = "…"
"""Replacement for hidden text."""

LONGEST_LOGGED = 300
"""Maximum length of a message in the log."""

_QUOTED = re.compile(r"""["'](?<!\w["'])(?:(?<=")[^"]*"|(?<=')[^']*')""")
"""A quoted text, as errors show a value, a part of one, or the name of an unknown member."""
_WORD = re.compile(r"[A-Za-z0-9_-]{11,}…?")
"""A word that may have a part of `_LONG_TEXT`."""
_LONG_TEXT = re.compile(r"0x[0-9A-Fa-f]{9,}…?|(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{22,}")
"""An address, hash or signature, or a word with digits that is as long as a key."""
_PLAIN = re.compile(r"[A-Za-z0-9 .,_+-]{0,42}")
"""Text without separators of a name and a password, and no longer than an address."""
_LONG_WORD = re.compile(r"(?<![A-Za-z0-9_-])(?!0x[0-9A-Fa-f]{40}\b)[A-Za-z0-9_-]{20,}")
"""A word as long as a key or token; an address is excluded."""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/+)([^\s\"'<>]*)")
"""Scheme and rest of a URL, with any number of slashes, because a mistyped URL may hold a password too."""
_PAIR = re.compile(r"[^\s\"'/@:,=]*:(?!/)[^\s\"'@]+@")
"""`name:password@`, without a scheme."""
_POSITION = re.compile(r"line \d+, column \d+|end of document")
_CREDENTIAL_MARK = re.compile(r"wrk_|eyJ|[0-9A-Fa-f]{20}")
"""A part of every `_CREDENTIAL`, which a text is searched for in a fraction of the time."""
_CREDENTIAL = re.compile(
    r"wrk_[A-Za-z0-9_-]+"  # an API key of wallet-rpc
    r"|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"  # a session token, or the beginning of one
    r"|(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{64}(?![0-9A-Za-z])"  # a private key
    r"|(?:0x)?[0-9A-Fa-f]{20,}…(?=\" of 6[46] )"  # the beginning of a private key, as `preview` cuts it
)


def format_received(value: object) -> str:
    """Format `, got VALUE` for a configuration error; empty if the value may hold a credential."""
    if isinstance(value, str) and (
        not _PLAIN.fullmatch(value) or _LONG_WORD.search(value) or mask_credentials(value) != value
    ):
        return ""
    return f", got {preview(value)}"


def toml_position(error: ValueError) -> str:
    """Return the position of an error of `tomllib` as ` at line 1, column 2`; empty if it has none.

    The error's own text may repeat the file.
    """
    found = _POSITION.search(str(error))
    return "" if found is None else f" at {found[0]}"


def mask_credentials(text: str) -> str:
    """Mask credentials in a text: of a URL, keep scheme, host and port; hide API keys, tokens and private keys."""
    if ":" in text:  # a URL or a pair
        text = _PAIR.sub(f"{HIDDEN}@", _URL.sub(_mask_url, text))
    return text if _CREDENTIAL_MARK.search(text) is None else _CREDENTIAL.sub(HIDDEN, text)


def mask_line(text: str) -> str:
    """Mask quoted text, long words such as addresses, and credentials in a line."""
    return _WORD.sub(_mask_long_text, _QUOTED.sub(f'"{HIDDEN}"', mask_credentials(text)))


def mask_values(text: str) -> str:
    """Mask values of a request in an error message as `mask_line` does; in one line of `LONGEST_LOGGED` at most."""
    line = " ".join(mask_line(text).split())
    return line if len(line) <= LONGEST_LOGGED else f"{line[:LONGEST_LOGGED]}{HIDDEN}"


def _mask_long_text(word: re.Match[str]) -> str:
    return _LONG_TEXT.sub(HIDDEN, word[0])


def _mask_url(found: re.Match[str]) -> str:
    scheme, rest = found.groups()
    _, at, rest = rest.rpartition("@")  # a password may hold any other character
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(host) :]
    return f"{scheme}{HIDDEN if at else ''}{at}{host}{tail if tail in {'', '/'} else f'/{HIDDEN}'}"
