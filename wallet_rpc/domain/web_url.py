"""URLs, origins and host names, as an operator writes them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

WEB_URL = "a URL starting with http:// or https://, with a host, a port from 1 to 65535 if any, and no spaces"
"""What `is_web_url` takes, for the errors of those who ask it."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
"""As browsers write one, of extensions and apps too: in lower case, nothing behind the port. Source: RFC 6454, 6.2."""
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", re.ASCII)
"""As URLs have it, without a port; an IPv6 address in brackets."""


def read_origins(text: str) -> tuple[str, ...]:
    """The web origins of a list by commas, or `*`. Raises: ValueError with what was expected."""
    expected = "*, or origins such as https://app.example.com by commas"
    return (text,) if text == "*" else _items(text, _ORIGIN, expected)


def read_hosts(text: str) -> tuple[str, ...]:
    """The host names and addresses of a list by commas, in lower case. Raises: ValueError with what was expected."""
    return _items(text.lower(), _HOST, "names or addresses such as wallet.example.com by commas, without ports")


def _items(text: str, form: re.Pattern[str], expected: str) -> tuple[str, ...]:
    items = tuple(part.strip() for part in text.split(","))
    if not all(map(form.fullmatch, items)):
        raise ValueError(expected)
    return items


def is_web_url(text: object) -> bool:
    """Whether it is text that can be asked over HTTP: `WEB_URL`, with no control characters either."""
    if not isinstance(text, str) or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
