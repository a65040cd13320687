"""Where another server is, as an operator writes it."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_web_url(text: object) -> bool:
    """Whether it is text that starts with http:// or https:// and names a host."""
    try:
        parts = urlsplit(text) if isinstance(text, str) else None
        return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
