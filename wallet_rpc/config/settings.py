"""Settings: the environment variable, type, default and meaning of each.

Settings are read from the process environment when a command starts. An invalid one stops the start with an error that
names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from wallet_rpc.config.chains import ChainFileError, ChainSetting, read_chains
from wallet_rpc.config.redis_url import read_redis_url
from wallet_rpc.domain.access import Rules, WalletNamespace
from wallet_rpc.domain.secret_text import format_received
from wallet_rpc.domain.web_url import WEB_URL, is_web_url, read_hosts, read_origins
from wallet_rpc.primitives import Hash32

PREFIX = "WALLET_RPC_"
"""The prefix of every variable."""
_HOST = re.compile(r"[A-Za-z0-9._:%-]+", re.ASCII)
"""A host name or IP address, with an optional zone."""
_MAX_DIGITS = 100
"""More digits than any valid number has; Python parses no decimal text of more than 4300 digits."""


class SettingError(Exception):
    """An invalid setting; the message names it."""


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
_replicas = partial(_whole_number, expected="a number from 0 to 10", least=0, most=10)
_sessions = partial(_whole_number, expected="a number from 1 to 1000000000", least=1, most=1_000_000_000)


def _path(text: str) -> Path:
    if not text:
        raise ValueError("a path")
    return Path(text).expanduser()


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
    """A private key or another secret, which is never printed."""

    def __repr__(self) -> str:
        """Return a text without the bytes."""
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
        raise ValueError("one secret of 32 bytes or more, or two separated by a comma")
    return secrets


def _namespaces(text: str) -> frozenset[WalletNamespace]:
    try:
        return frozenset(WalletNamespace(part.strip()) for part in text.split(","))
    except ValueError:
        raise ValueError("eip155, solana, or both separated by a comma") from None


def _daily_wei(text: str) -> tuple[int, int]:
    try:
        total, account = (_whole_number(part.strip(), "", least=0, most=10**30) for part in text.split(","))
    except ValueError:
        raise ValueError("two amounts in wei separated by a comma: in total, and for one account") from None
    return total, account


def _log(text: str) -> str:
    if text not in {"human", "json"}:
        raise ValueError('"human" or "json"')
    return text


_READ_SECRETS = frozenset({_secret, _secrets, read_redis_url, _http_url, read_chains})
"""Readers of values that may hold a credential, which errors never repeat."""
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""The order of secp256k1; a private key is below it. Source: SEC 2, 2.4.1."""


def _setting_field(read: Callable[[str], Any], default: Any, default_text: str, meaning: str) -> Any:
    """Declare a field with its reader and its row in the README's table."""
    metadata = {"read": read, "default_text": default_text, "meaning": meaning}
    return field(default=default, metadata=metadata, repr=read not in _READ_SECRETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a command."""

    host: str = _setting_field(_host, "127.0.0.1", "`127.0.0.1`", "Address to listen on.")
    port: int = _setting_field(_port, 4337, "`4337`", "Port to listen on; `0` takes any free one.")
    data_dir: Path = _setting_field(
        _path, Path(".wallet-rpc"), "`.wallet-rpc`", "Folder in which `dev` stores its chains and its Redis."
    )
    redis_url: str | None = _setting_field(
        read_redis_url,
        None,
        "a private one in `dev`",
        "URL of Redis: one server, a cluster or Sentinels; see `specs/redis.md`.",
    )
    redis_replicas: int = _setting_field(
        _replicas, 0, "`0`", "Number of Redis replicas that must acknowledge the record of a call before it is sent."
    )
    chains: tuple[ChainSetting, ...] = _setting_field(
        read_chains,
        (),
        "embedded ones in `dev`",
        "Chains of `serve`: `ID=NODE_URL[,BUNDLER_URL[,PAYMASTER_URL]]`, space-separated, or a path to a `.toml` file.",
    )
    log: str | None = _setting_field(
        _log, None, "`human` in `dev`, `json` in `serve`", "Format of the log: `human` or `json`."
    )
    deadline_seconds: float = _setting_field(_seconds, 30.0, "`30`", "Maximum duration of one request, in seconds.")
    patience_seconds: float = _setting_field(
        _seconds, 0.8, "`0.8`", "Silence of a dependency after which it counts as down, in seconds."
    )
    drain_seconds: float = _setting_field(
        _seconds, 8.0, "`8`", "Time to finish running requests at the end, in seconds."
    )
    policies: Path | None = _setting_field(_path, None, "none", "Sponsorship policies file: see `specs/policies.md`.")
    paymaster_key: Secret | None = _setting_field(
        _secret,
        None,
        "the published one in `dev`",
        "Private key that signs sponsorships for `VerifyingPaymaster`; not for `dev`.",
    )
    relayer_key: Secret | None = _setting_field(
        _secret, None, "a published one in `dev`", "Private key that pays for the removal of EIP-7702 delegations."
    )
    relayer_daily_wei: tuple[int, int] = _setting_field(
        _daily_wei,
        (10**17, 10**16),
        "`100000000000000000,10000000000000000`",
        "Maximum daily cost of removing delegations on a chain, in wei, comma-separated: in total, for one account.",
    )
    deployer_key: Secret | None = _setting_field(
        _secret, None, "none", "Private key that owns and funds `wallet-rpc paymaster` contracts; not for `serve`."
    )
    audit_key: Secret | None = _setting_field(
        _secret, None, "none", "Private key that signs `wallet-rpc audit anchor`; not used by servers."
    )
    open: bool | None = _setting_field(
        _yes_or_no, None, "`no`; in `dev` on loopback `yes`", "Accept requests without an API key: `yes` or `no`."
    )
    allowed_hosts: tuple[str, ...] = _setting_field(
        read_hosts,
        (),
        "none",
        "Host names of an open server besides `localhost`, `127.0.0.1` and `[::1]`, comma-separated.",
    )
    token_secrets: tuple[Secret, ...] = _setting_field(
        _secrets,
        (),
        "a random one in `dev`",
        "HMAC secrets for session tokens, 32 bytes or more each, comma-separated: current first, then previous.",
    )
    token_wallets: frozenset[WalletNamespace] = _setting_field(
        _namespaces,
        frozenset(WalletNamespace),
        "`eip155,solana`",
        "Namespaces of wallets that a session token may be bound to, comma-separated: `eip155`, `solana`.",
    )
    session_days: int = _setting_field(_days, 365, "`365`", "Maximum days until the expiry of a registered session.")
    unsigned_session_days: int = _setting_field(_days, 90, "`90`", "Maximum days that an unsigned session is stored.")
    unsigned_sessions: int = _setting_field(
        _sessions,
        10_000,
        "`10000`",
        "Maximum number of unsigned sessions (without the owner's signature) for one API key, or one keyless address.",
    )
    cors_origins: tuple[str, ...] | None = _setting_field(
        read_origins,
        None,
        "`*`; none for an open server",
        "Web origins whose pages may send requests, comma-separated, or `*`; an open server also accepts local pages.",
    )
    quote_url: str | None = _setting_field(
        _http_url, None, "none: no swaps", "Quote provider for swaps (JSON-RPC): see `specs/wallet-api.md`."
    )

    @property
    def is_on_loopback(self) -> bool:
        """True if the server listens on loopback, where only this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def is_serve_open(self) -> bool:
        """True if `serve` accepts requests without an API key, which must be set explicitly."""
        return self.open is True

    @property
    def is_dev_open(self) -> bool:
        """True if `dev` accepts requests without an API key; by default it does on loopback."""
        return self.is_on_loopback if self.open is None else self.open

    @property
    def rules(self) -> Rules:
        """The limits that operations enforce."""
        return Rules(
            session_seconds=self.session_days * 86_400,
            unsigned_seconds=self.unsigned_session_days * 86_400,
            unsigned_per_caller=self.unsigned_sessions,
            token_wallets=self.token_wallets,
        )


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def load(environ: Mapping[str, str]) -> Settings:
    """Load the settings from an environment.

    Raises: SettingError with the variable, the expected value and the value received unless it may hold a credential.
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
        except ChainFileError as error:
            raise SettingError(f"{name}: {error}") from None
        except ValueError as error:
            received = "" if known[name].metadata["read"] in _READ_SECRETS else format_received(text)
            raise SettingError(f"{name}: expected {error}{received}") from None
    return Settings(**values)


def table() -> str:
    """Format the settings as the README's Markdown table."""
    rows = [
        f"| `{variable(setting.name)}` | {setting.metadata['default_text']} | {setting.metadata['meaning']} |"
        for setting in fields(Settings)
    ]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])
