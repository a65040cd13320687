"""Webhooks of an organisation: endpoints, signatures of their messages, the time of retries, and dead letters.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from wallet_rpc.domain.event import EventFilter, EventName
from wallet_rpc.domain.web_url import is_web_url
from wallet_rpc.primitives import UnixSeconds, preview
from wallet_rpc.wire import shape

SECRET_PREFIX = "whsec_"  # noqa: S105  # the prefix of every secret
"""The prefix of a secret, before its base64."""
MAX_ENDPOINTS = 20
"""Maximum number of webhooks of one organisation."""
MAX_ATTEMPTS = 14
"""Number of attempts after which an event becomes a dead letter; they take about two hours."""
LONGEST_RETRY_SECONDS = 3600
"""Maximum time between two attempts."""
KEPT_DEAD_LETTERS = 100
"""Number of dead letters that an organisation keeps, the newest ones."""
MAX_URL = 2000
"""Maximum length of a URL."""
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All IPv6 addresses that are assigned to hosts of the internet. Source: RFC 4291, 2.4; IANA's address space."""


@shape
class WebhookEndpoint:
    """The stored record of a webhook."""

    version: int = 1
    id: str
    """`wh_` and 20 hex digits."""
    url: str
    secret: str
    """The key of its signatures: `whsec_` and base64."""
    types: tuple[EventName, ...] = ()
    """Types and subjects of the events that it gets; empty for all."""
    created_at: UnixSeconds

    @property
    def event_filter(self) -> EventFilter:
        """The events that it gets."""
        return EventFilter(types=frozenset(self.types))


@shape
class FailedAttempts:
    """The attempts to deliver the event that an endpoint gets next."""

    event_id: str
    count: int
    next_at: UnixSeconds
    reason: str
    """Reason of the last failure, such as `http_500` or `no_answer`."""


@shape
class DeadLetter:
    """An event that an endpoint did not take."""

    version: int = 1
    endpoint_id: str
    event_id: str
    failed_at: UnixSeconds
    attempts: int
    reason: str
    """Reason of the last failure, such as `http_500` or `no_answer`; `events_trimmed` for events that were deleted."""
    event: dict[str, Any] | None = None
    """The event; None if it was deleted."""


def format_secret(key: bytes) -> str:
    """Format the key of signatures as a secret."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def sign_message(secret: str, message_id: str, at: UnixSeconds, body: bytes) -> str:
    """Return the value of `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over id, timestamp and body."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def pause_after(attempts: int) -> int:
    """Return the time in seconds after a number of failed attempts: 1, 2, 4 and so on."""
    return min(1 << (attempts - 1), LONGEST_RETRY_SECONDS)


def find_url_error(url: str, *, allows_private: bool) -> str | None:
    """Return the expectation that a URL does not meet; None for a URL of a webhook.

    Names are resolved at each delivery; here only an address in the URL itself is checked.
    """
    if not is_web_url(url) or len(url) > MAX_URL:
        return f"expected an https URL of at most {MAX_URL} characters, got {_preview(url)}"
    parts = urlsplit(url)
    host = preview(parts.hostname)
    if not parts.netloc.isascii():
        return f"expected a host in ASCII, got {host}; write an international name with xn--"
    if parts.scheme != "https" and not allows_private:
        return "expected an https URL, got one of http, which is for private addresses that a setting allows"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "expected a URL without user, password and fragment, got one with them"
    if not allows_private and is_private_host(parts.hostname or ""):
        return f"expected a public address, since private ones are not allowed, got {host}"
    return None


def _preview(url: str) -> str:
    """Describe a text for an error message; one that may have a password by its length."""
    return f"{len(url)} characters" if "@" in url else preview(url)


def is_private_host(host: str) -> bool:
    """Return True for an address in text form that is not public; False for a name.

    A host whose last label is a number, such as `127.1` or `0x7f.1`, is an address in a form that only some libraries
    know. It counts as private. So does `localhost` with every name below it (RFC 6761).
    """
    try:
        return not is_public_address(host)
    except ValueError:
        last = host.rstrip(".").lower().rpartition(".")[2]
        return last == "localhost" or _NUMBER.fullmatch(last) is not None


def is_public_address(text: str) -> bool:
    """Return True for an address of the public internet. Raises: ValueError for another text.

    An IPv6 address that embeds an IPv4 address is public only if that one is.
    """
    address = ip_address(text)
    embedded: IPv4Address | IPv6Address | None = None
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is None and address.teredo is not None:
            embedded = address.teredo[1]
        if embedded is None and address in _NAT64:
            embedded = IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is None and address not in _GLOBAL_UNICAST:
            return False
    return (embedded is None or is_public_address(str(embedded))) and address.is_global and not address.is_multicast
