"""Text that may hold a credential, and what an error or a log may repeat of it.

The rule: a value of the configuration is repeated only where it can be none; text that was written already is masked.
"""

from __future__ import annotations

import re

from wallet_rpc.primitives import preview

HIDDEN = "…"
"""Stands for what is not shown."""

_PLAIN = re.compile(r"[A-Za-z0-9 .,_+-]{0,42}")
"""Nothing that joins a name with a password, and at most an address."""
_LONG_WORD = re.compile(r"(?<![A-Za-z0-9_-])(?!0x[0-9A-Fa-f]{40}\b)[A-Za-z0-9_-]{20,}")
"""What keys and tokens are made of; an address is none."""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/+)([^\s\"'<>]*)")
"""Scheme and rest, with any number of slashes: a mistyped URL holds a password too."""
_PAIR = re.compile(r"[^\s\"'/@:,=]*:(?!/)[^\s\"'@]+@")
"""`name:password@`, without a scheme."""
_POSITION = re.compile(r"line \d+, column \d+|end of document")
_CREDENTIAL = re.compile(
    r"wrk_[A-Za-z0-9_-]+"  # an API key of ours
    r"|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"  # a session token, or the beginning of one
    r"|(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{64}(?![0-9A-Za-z])"  # a private key
    r"|(?:0x)?[0-9A-Fa-f]{20,}…(?=\" of 6[46] )"  # the beginning of one, as `shown` has it
)


def format_received(value: object) -> str:
    """`, got VALUE` for an error about the configuration; nothing where the value may hold a credential."""
    if isinstance(value, str) and (
        not _PLAIN.fullmatch(value) or _LONG_WORD.search(value) or mask_credentials(value) != value
    ):
        return ""
    return f", got {preview(value)}"


def toml_position(error: ValueError) -> str:
    """` at line 1, column 2`, of an error of `tomllib`, whose own text may repeat the file; empty for other errors."""
    found = _POSITION.search(str(error))
    return "" if found is None else f" at {found[0]}"


def mask_credentials(text: str) -> str:
    """The text without credentials: of a URL, scheme, host and port stay; keys, tokens and private keys go."""
    return _CREDENTIAL.sub(HIDDEN, _PAIR.sub(f"{HIDDEN}@", _URL.sub(_mask_url, text)))


def _mask_url(found: re.Match[str]) -> str:
    scheme, rest = found.groups()
    _, at, rest = rest.rpartition("@")  # a password may hold any other sign
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(host) :]
    return f"{scheme}{HIDDEN if at else ''}{at}{host}{tail if tail in {'', '/'} else f'/{HIDDEN}'}"
