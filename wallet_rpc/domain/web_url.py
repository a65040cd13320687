"""Parsers and checks of URLs, origins and host names in settings."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

WEB_URL = "a URL starting with http:// or https://, with a host, a port from 1 to 65535 if any, and no spaces"
"""Description of the URLs that `is_web_url` accepts, for error messages."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
"""A serialized origin, also of extensions and apps: lower case, nothing after the port. Source: RFC 6454, 6.2."""
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", re.ASCII)
"""The host of a URL without a port; an IPv6 address in brackets."""


def read_origins(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list of web origins, or `*`. Raises: ValueError with the expected form."""
    expected = "*, or comma-separated origins such as https://app.example.com"
    return (text,) if text == "*" else _items(text, _ORIGIN, expected)


def read_hosts(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list of host names and addresses, and return them in lower case.

    Raises: ValueError with the expected form.
    """
    return _items(text.lower(), _HOST, "comma-separated names or addresses such as wallet.example.com, without ports")


def _items(text: str, form: re.Pattern[str], expected: str) -> tuple[str, ...]:
    items = tuple(part.strip() for part in text.split(","))
    if not all(map(form.fullmatch, items)):
        raise ValueError(expected)
    return items


def is_web_url(text: object) -> bool:
    """Return True if `text` is an HTTP URL as `WEB_URL` describes it, without control characters."""
    if not isinstance(text, str) or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_local_url(text: str) -> bool:
    """Return True for a URL of plain HTTP on this machine, which no proxy of the environment reaches."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        return parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False
