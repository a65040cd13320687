"""Where another server is, as an operator writes it."""

from __future__ import annotations

from urllib.parse import urlsplit

WEB_URL = "a URL starting with http:// or https://, with a host, a port from 1 to 65535 if any, and no spaces"
"""What `is_web_url` takes, for the errors of those who ask it."""


def is_web_url(text: object) -> bool:
    """Whether it is text that can be asked over HTTP: `WEB_URL`, with no control characters either."""
    if not isinstance(text, str) or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
