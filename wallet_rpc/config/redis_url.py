"""URL of a Redis in a setting: one server, a cluster, or the Sentinels of a master."""

from __future__ import annotations

from urllib.parse import urlsplit

REDIS_URLS = "redis://, rediss:// or unix://, or with redis(s)+cluster:// or redis(s)+sentinel://"
"""Beginnings of the accepted URLs, for error messages."""

_SCHEMES = {"unix"} | {f"redis{tls}{kind}" for tls in ("", "s") for kind in ("", "+cluster", "+sentinel")}


def read_redis_url(text: str) -> str:
    """Check the beginning of a URL; the client's library checks the rest. Raises: ValueError, without the URL."""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if not text.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)) or not (parts.netloc or parts.path):
        raise ValueError(f"a URL starting with {REDIS_URLS}")
    return text
