"""Every setting, once: its environment variable, type, default and meaning.

Settings are read from a mapping (the process environment) when a command starts. A wrong one stops the start with a
sentence that names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wallet_rpc.config.chains import ChainFileError, ChainSetting, read_chains
from wallet_rpc.domain.access import Rules, WalletNamespace
from wallet_rpc.domain.secret_text import format_received
from wallet_rpc.domain.web_url import WEB_URL, is_web_url, read_hosts, read_origins
from wallet_rpc.primitives import Hash32

PREFIX = "WALLET_RPC_"
"""What every variable starts with."""
_HOST = re.compile(r"[A-Za-z0-9._:%-]+", re.ASCII)
"""A name or an address, with its zone."""
_MAX_DIGITS = 100
"""More than any number here has; Python reads no decimal text of more than 4300 digits."""


class SettingError(Exception):
    """A setting that cannot be used; the message names it."""


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("a host name or IP address")
    return text


def _whole_number(text: str, expected: str, *, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS or not least <= int(text) <= most:
        raise ValueError(expected)
    return int(text)


_port = partial(_whole_number, expected="a port from 0 to 65535 (0: any free one)", least=0, most=65_535)
_days = partial(_whole_number, expected="days from 1 to 36500", least=1, most=36_500)
_sessions = partial(_whole_number, expected="a number from 1 to 1000000000", least=1, most=1_000_000_000)


def _path(text: str) -> Path:
    if not text:
        raise ValueError("a path")
    return Path(text).expanduser()


def _redis_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_url = text.startswith(("redis://", "rediss://", "unix://")) and bool(parts.netloc or parts.path)
    except ValueError:
        is_url = False
    if not is_url:
        raise ValueError("a URL starting with redis://, rediss:// or unix://")
    return text


def _http_url(text: str) -> str:
    if not is_web_url(text):
        raise ValueError(WEB_URL)
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError("seconds above 0, up to 3600")
    return seconds


class Secret(bytes):
    """A private key or another secret, never shown."""

    def __repr__(self) -> str:
        """Without the bytes."""
        return "Secret()"

    __str__ = __repr__


def _secret(text: str) -> Secret:
    try:
        key = Hash32.parse(text.strip())
    except ValueError:
        key = Hash32(bytes(32))
    if not 0 < int.from_bytes(key, "big") < CURVE_ORDER:
        raise ValueError("a private key, 0x and 64 hex digits")
    return Secret(key)


def _yes_or_no(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError('"yes" or "no"')
    return text == "yes"


def _secrets(text: str) -> tuple[Secret, ...]:
    secrets = tuple(Secret(part.strip().encode()) for part in text.split(","))
    if len(secrets) > 2 or any(len(secret) < 32 for secret in secrets):
        raise ValueError("one secret of 32 bytes or more, or two by a comma")
    return secrets


def _namespaces(text: str) -> frozenset[WalletNamespace]:
    try:
        return frozenset(WalletNamespace(part.strip()) for part in text.split(","))
    except ValueError:
        raise ValueError("eip155, solana, or both by a comma") from None


def _daily_wei(text: str) -> tuple[int, int]:
    try:
        total, account = (_whole_number(part.strip(), "", least=0, most=10**30) for part in text.split(","))
    except ValueError:
        raise ValueError("two amounts in wei by a comma: in all, and for one account") from None
    return total, account


def _log(text: str) -> str:
    if text not in {"human", "json"}:
        raise ValueError('"human" or "json"')
    return text


_HOLD_SECRETS = frozenset({_secret, _secrets, _redis_url, _http_url, read_chains})
"""What reads values of which nothing is repeated."""
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""How many points secp256k1 has; a private key is below. Source: SEC 2, 2.4.1."""


def _setting_field(read: Callable[[str], Any], default: Any, default_text: str, meaning: str) -> Any:
    """A dataclass field that knows how its text is read and how the README shows it."""
    facts = {"read": read, "shown": default_text, "meaning": meaning}
    return field(default=default, metadata=facts, repr=read not in _HOLD_SECRETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says."""

    host: str = _setting_field(_host, "127.0.0.1", "`127.0.0.1`", "Address to listen on.")
    port: int = _setting_field(_port, 4337, "`4337`", "Port to listen on; `0` takes any free one.")
    data_dir: Path = _setting_field(
        _path, Path(".wallet-rpc"), "`.wallet-rpc`", "Folder where `dev` keeps its chains and its Redis."
    )
    redis_url: str | None = _setting_field(
        _redis_url, None, "a private one in `dev`", "Redis to use: `redis://`, `rediss://` or `unix://`."
    )
    chains: tuple[ChainSetting, ...] = _setting_field(
        read_chains,
        (),
        "the embedded one in `dev`",
        "Chains of `serve`: `ID=NODE_URL[,BUNDLER_URL[,PAYMASTER_URL]]`, split by spaces; or a path to a `.toml`.",
    )
    log: str | None = _setting_field(
        _log, None, "`human` in `dev`, `json` in `serve`", "Form of the log: `human` or `json`."
    )
    deadline_seconds: float = _setting_field(_seconds, 30.0, "`30`", "Longest time one request may take, in seconds.")
    policies: Path | None = _setting_field(
        _path, None, "none", "File of sponsorship policies: see `specs/policies.md`."
    )
    paymaster_key: Secret | None = _setting_field(
        _secret,
        None,
        "the published one in `dev`",
        "Private key that signs sponsorships for `VerifyingPaymaster`; not for `dev`.",
    )
    relayer_key: Secret | None = _setting_field(
        _secret, None, "a published one in `dev`", "Private key that pays for removing EIP-7702 delegations."
    )
    relayer_daily_wei: tuple[int, int] = _setting_field(
        _daily_wei,
        (10**17, 10**16),
        "`100000000000000000,10000000000000000`",
        "Most that removing delegations may cost on a chain in one day, in wei, by a comma: in all, for one account.",
    )
    deployer_key: Secret | None = _setting_field(
        _secret, None, "none", "Private key that owns and pays for `wallet-rpc paymaster` contracts; not for `serve`."
    )
    audit_key: Secret | None = _setting_field(
        _secret, None, "none", "Private key that signs `wallet-rpc audit anchor`; no server needs it."
    )
    open: bool | None = _setting_field(
        _yes_or_no,
        None,
        "`no`; in `dev` on loopback `yes`",
        "Accept requests without an API key: `yes` or `no`.",
    )
    allowed_hosts: tuple[str, ...] = _setting_field(
        read_hosts,
        (),
        "none",
        "Host names of a server without keys, in addition to `localhost`, `127.0.0.1` and `[::1]`; comma-separated.",
    )
    token_secrets: tuple[Secret, ...] = _setting_field(
        _secrets,
        (),
        "a random one in `dev`",
        "Secrets of session tokens, each of 32 bytes or more: the one that seals, then the one before it, by a comma.",
    )
    token_wallets: frozenset[WalletNamespace] = _setting_field(
        _namespaces,
        frozenset(WalletNamespace),
        "`eip155,solana`",
        "Whose wallets a session token may be bound to: `eip155`, `solana`.",
    )
    session_days: int = _setting_field(
        _days, 365, "`365`", "How far ahead the registered end of an organisation's session may be, in days."
    )
    unsigned_session_days: int = _setting_field(
        _days, 90, "`90`", "Longest time for which a session without its owner's signature is kept, in days."
    )
    unsigned_sessions: int = _setting_field(
        _sessions,
        10_000,
        "`10000`",
        "Most sessions without their owner's signature that one API key, or one address without a key, may have.",
    )
    cors_origins: tuple[str, ...] | None = _setting_field(
        read_origins,
        None,
        "`*`; none where no key is needed",
        "Web origins whose pages may call, comma-separated, or `*`; a server without keys also accepts local pages.",
    )
    quote_url: str | None = _setting_field(
        _http_url, None, "none: no swaps", "Quote provider for swaps (JSON-RPC): see `specs/wallet-api.md`."
    )

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def is_serve_open(self) -> bool:
        """True when `serve` accepts requests without an API key: only where the operator says so."""
        return self.open is True

    @property
    def is_dev_open(self) -> bool:
        """True when `dev` does: also where only this machine reaches it."""
        return self.is_on_loopback if self.open is None else self.open

    @property
    def rules(self) -> Rules:
        """What operations are told of it."""
        return Rules(
            session_seconds=self.session_days * 86_400,
            unsigned_seconds=self.unsigned_session_days * 86_400,
            unsigned_per_caller=self.unsigned_sessions,
            token_wallets=self.token_wallets,
        )


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of an environment.

    Raises: SettingError that names the variable, what it holds and what was expected; also for a `WALLET_RPC_` variable
    that is no setting. A value that may hold a password is not repeated.
    """
    known = {variable(setting.name): setting for setting in fields(Settings)}
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            raise SettingError(f"{name}: no such setting; known: {', '.join(known)}")
        try:
            values[known[name].name] = known[name].metadata["read"](text)
        except ChainFileError as wrong:
            raise SettingError(f"{name}: {wrong}") from None
        except ValueError as error:
            given = "" if known[name].metadata["read"] in _HOLD_SECRETS else format_received(text)
            raise SettingError(f"{name}: expected {error}{given}") from None
    return Settings(**values)


def table() -> str:
    """The settings as the README's Markdown table."""
    rows = [
        f"| `{variable(setting.name)}` | {setting.metadata['shown']} | {setting.metadata['meaning']} |"
        for setting in fields(Settings)
    ]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])
