"""Values of settings: the reader of each kind of text, which raises ValueError with the expected value."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from wallet_rpc.domain.access import WalletNamespace
from wallet_rpc.domain.event import EventLimits
from wallet_rpc.domain.web_url import WEB_URL, is_web_url
from wallet_rpc.primitives import Hash32

_HOST = re.compile(r"[A-Za-z0-9._:%-]+", re.ASCII)
"""A host name or IP address, with an optional zone."""
_MAX_DIGITS = 100
"""More digits than any valid number has; Python parses no decimal text of more than 4300 digits."""
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""The order of secp256k1; a private key is below it. Source: SEC 2, 2.4.1."""


def read_host(text: str) -> str:
    """Read a host name or IP address."""
    if not _HOST.fullmatch(text):
        raise ValueError("a host name or IP address")
    return text


def _whole_number(text: str, expected: str, *, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS or not least <= int(text) <= most:
        raise ValueError(expected)
    return int(text)


read_port = partial(_whole_number, expected="a port from 0 to 65535 (0: any free one)", least=0, most=65_535)
read_days = partial(_whole_number, expected="days from 1 to 36500", least=1, most=36_500)
read_replicas = partial(_whole_number, expected="a number from 0 to 10", least=0, most=10)
read_sessions = partial(_whole_number, expected="a number from 1 to 1000000000", least=1, most=1_000_000_000)
read_workers = partial(_whole_number, expected="a number from 1 to 64", least=1, most=64)


def read_path(text: str) -> Path:
    """Read a path, in which `~` is the home folder."""
    if not text:
        raise ValueError("a path")
    return Path(text).expanduser()


def read_http_url(text: str) -> str:
    """Read a URL of http or https."""
    if not is_web_url(text):
        raise ValueError(WEB_URL)
    return text


def read_seconds(text: str) -> float:
    """Read seconds above 0, up to an hour."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError("seconds above 0, up to 3600")
    return seconds


class Secret(bytes):
    """A private key or another secret, which is never printed."""

    def __repr__(self) -> str:
        """Return a text without the bytes."""
        return "Secret()"

    __str__ = __repr__


def read_secret(text: str) -> Secret:
    """Read a private key."""
    try:
        key = Hash32.parse(text.strip())
    except ValueError:
        key = Hash32(bytes(32))
    if not 0 < int.from_bytes(key, "big") < CURVE_ORDER:
        raise ValueError("a private key, 0x and 64 hex digits")
    return Secret(key)


def read_yes_or_no(text: str) -> bool:
    """Read `yes` as True, and `no` as False."""
    if text not in {"yes", "no"}:
        raise ValueError('"yes" or "no"')
    return text == "yes"


def read_secrets(text: str) -> tuple[Secret, ...]:
    """Read one or two secrets of 32 bytes or more, comma-separated."""
    secrets = tuple(Secret(part.strip().encode()) for part in text.split(","))
    if len(secrets) > 2 or any(len(secret) < 32 for secret in secrets):
        raise ValueError("one secret of 32 bytes or more, or two separated by a comma")
    return secrets


def read_namespaces(text: str) -> frozenset[WalletNamespace]:
    """Read namespaces of wallets, comma-separated."""
    try:
        return frozenset(WalletNamespace(part.strip()) for part in text.split(","))
    except ValueError:
        raise ValueError("eip155, solana, or both separated by a comma") from None


def read_daily_wei(text: str) -> tuple[int, int]:
    """Read two amounts in wei, comma-separated."""
    try:
        total, account = (_whole_number(part.strip(), "", least=0, most=10**30) for part in text.split(","))
    except ValueError:
        raise ValueError("two amounts in wei separated by a comma: in total, and for one account") from None
    return total, account


def read_event_limits(text: str) -> EventLimits:
    """Read the limits of an event log: a number of events and a number of days, comma-separated."""
    entries, _, days = text.partition(",")
    try:
        return EventLimits(
            entries=_whole_number(entries.strip(), "", least=1, most=10**7),
            seconds=86_400 * _whole_number(days.strip(), "", least=1, most=3650),
        )
    except ValueError:
        raise ValueError("a number of events (up to 10000000) and of days (up to 3650) separated by a comma") from None


def read_log_level(text: str) -> str:
    """Read the least severe level of the log's lines."""
    if text not in {"debug", "info", "warning", "error"}:
        raise ValueError('"debug", "info", "warning" or "error"')
    return text


def read_log(text: str) -> str:
    """Read the format of the log."""
    if text not in {"human", "json"}:
        raise ValueError('"human" or "json"')
    return text


def read_dev_clock(text: str) -> str:
    """Read the clock that `dev` goes by."""
    if text not in {"chain", "wall"}:
        raise ValueError('"chain" or "wall"')
    return text
