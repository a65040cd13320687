"""Settings: the environment variable, type, default and meaning of each.

Settings are read from the process environment when a command starts. An invalid one stops the start with an error that
names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from wallet_rpc.config.chains import ChainFileError, ChainSetting, read_chains
from wallet_rpc.config.redis_url import read_redis_url
from wallet_rpc.config.values import (
    Secret,
    read_daily_wei,
    read_days,
    read_dev_clock,
    read_event_limits,
    read_host,
    read_http_url,
    read_log,
    read_log_level,
    read_namespaces,
    read_path,
    read_port,
    read_replicas,
    read_seconds,
    read_secret,
    read_secrets,
    read_sessions,
    read_workers,
    read_yes_or_no,
)
from wallet_rpc.domain.access import Rules, WalletNamespace
from wallet_rpc.domain.event import EVENT_LIMITS, EventLimits
from wallet_rpc.domain.secret_text import format_received, mask_credentials
from wallet_rpc.domain.web_url import read_hosts, read_origins

PREFIX = "WALLET_RPC_"
"""The prefix of every variable."""


class SettingError(Exception):
    """An invalid setting; the message names it."""


_READ_SECRETS = frozenset({read_secret, read_secrets, read_redis_url, read_http_url, read_chains})
"""Readers of values that may hold a credential, which errors never repeat."""


def _setting_field(read: Callable[[str], Any], default: Any, default_text: str, meaning: str) -> Any:
    """Declare a field with its reader and its row in the README's table."""
    metadata = {"read": read, "default_text": default_text, "meaning": meaning}
    return field(default=default, metadata=metadata, repr=read not in _READ_SECRETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a command."""

    host: str = _setting_field(read_host, "127.0.0.1", "`127.0.0.1`", "Address to listen on.")
    port: int = _setting_field(read_port, 4337, "`4337`", "Port to listen on; `0` takes any free one.")
    metrics_port: int | None = _setting_field(
        read_port, None, "none: no metrics", "Port of `GET /metrics` for Prometheus; see `specs/metrics.md`."
    )
    metrics_host: str = _setting_field(
        read_host, "127.0.0.1", "`127.0.0.1`", "Address of that port, which has no authentication."
    )
    workers: int = _setting_field(read_workers, 1, "`1`", "Number of processes of `serve`, for more cores.")
    data_dir: Path = _setting_field(
        read_path, Path(".wallet-rpc"), "`.wallet-rpc`", "Folder in which `dev` stores its chains and its Redis."
    )
    dev_clock: str = _setting_field(
        read_dev_clock,
        "chain",
        "`chain`",
        "Clock of sessions and deadlines in `dev`: `chain` or `wall`.",
    )
    redis_url: str | None = _setting_field(
        read_redis_url,
        None,
        "a private one in `dev`",
        "URL of Redis: one server, a cluster or Sentinels; see `specs/redis.md`.",
    )
    redis_replicas: int = _setting_field(
        read_replicas,
        0,
        "`0`",
        "Number of Redis replicas that must acknowledge the record of a call before it is sent.",
    )
    allow_volatile: bool = _setting_field(
        read_yes_or_no, False, "`no`", "Accept a Redis that stores nothing on disk, or evicts records: `yes` or `no`."
    )
    chains: tuple[ChainSetting, ...] = _setting_field(
        read_chains,
        (),
        "embedded ones in `dev`",
        "Chains of `serve`: `ID=NODE_URL[,BUNDLER_URL[,PAYMASTER_URL]]`, space-separated, or a path to a `.toml` file.",
    )
    log: str | None = _setting_field(
        read_log, None, "`human` in `dev`, `json` in `serve`", "Format of the log: `human` or `json`."
    )
    log_level: str = _setting_field(
        read_log_level, "info", "`info`", "Least severe lines of the log: `debug`, `info`, `warning` or `error`."
    )
    deadline_seconds: float = _setting_field(read_seconds, 30.0, "`30`", "Maximum duration of one request, in seconds.")
    patience_seconds: float = _setting_field(
        read_seconds, 0.8, "`0.8`", "Silence of a dependency after which it counts as down, in seconds."
    )
    drain_seconds: float = _setting_field(
        read_seconds, 8.0, "`8`", "Time to finish running requests at the end, in seconds."
    )
    policies: Path | None = _setting_field(
        read_path, None, "none", "Sponsorship policies file: see `specs/policies.md`."
    )
    paymaster_key: Secret | None = _setting_field(
        read_secret,
        None,
        "the published one in `dev`",
        "Private key that signs sponsorships for `VerifyingPaymaster`; not for `dev`.",
    )
    relayer_key: Secret | None = _setting_field(
        read_secret, None, "a published one in `dev`", "Private key that pays for the removal of EIP-7702 delegations."
    )
    relayer_daily_wei: tuple[int, int] = _setting_field(
        read_daily_wei,
        (10**17, 10**16),
        "`100000000000000000,10000000000000000`",
        "Maximum daily cost of removing delegations on a chain, in wei, comma-separated: in total, for one account.",
    )
    deployer_key: Secret | None = _setting_field(
        read_secret, None, "none", "Private key that owns and funds `wallet-rpc paymaster` contracts; not for `serve`."
    )
    audit_key: Secret | None = _setting_field(
        read_secret, None, "none", "Private key that signs `wallet-rpc audit anchor`; not used by servers."
    )
    open: bool | None = _setting_field(
        read_yes_or_no, None, "`no`; in `dev` on loopback `yes`", "Accept requests without an API key: `yes` or `no`."
    )
    allowed_hosts: tuple[str, ...] = _setting_field(
        read_hosts,
        (),
        "none",
        "Host names of an open server besides `localhost`, `127.0.0.1` and `[::1]`, comma-separated.",
    )
    token_secrets: tuple[Secret, ...] = _setting_field(
        read_secrets,
        (),
        "a random one in `dev`",
        "HMAC secrets for session tokens, 32 bytes or more each, comma-separated: current first, then previous.",
    )
    token_wallets: frozenset[WalletNamespace] = _setting_field(
        read_namespaces,
        frozenset(WalletNamespace),
        "`eip155,solana`",
        "Namespaces of wallets that a session token may be bound to, comma-separated: `eip155`, `solana`.",
    )
    session_days: int = _setting_field(
        read_days, 365, "`365`", "Maximum days until the expiry of a registered session."
    )
    unsigned_session_days: int = _setting_field(
        read_days, 90, "`90`", "Maximum days that an unsigned session is stored."
    )
    unsigned_sessions: int = _setting_field(
        read_sessions,
        10_000,
        "`10000`",
        "Maximum number of unsigned sessions (without the owner's signature) for one API key, or one keyless address.",
    )
    event_log: EventLimits = _setting_field(
        read_event_limits,
        EVENT_LIMITS,
        "`50000,7`",
        "Events and days that each event log keeps: see `specs/events.md`.",
    )
    private_webhooks: bool = _setting_field(
        read_yes_or_no, False, "`no`", "Allow private addresses and http URLs of webhooks: `yes` or `no`."
    )
    cors_origins: tuple[str, ...] | None = _setting_field(
        read_origins,
        None,
        "`*`; none for an open server",
        "Web origins whose pages may send requests, comma-separated, or `*`; an open server also accepts local pages.",
    )
    quote_url: str | None = _setting_field(
        read_http_url, None, "none: no swaps", "Quote provider for swaps (JSON-RPC): see `specs/wallet-api.md`."
    )

    def require(self, name: str) -> Any:
        """Return the value of a setting that `serve` needs. Raises: SettingError when it is not set."""
        value = getattr(self, name)
        if value in (None, ()):
            raise SettingError(f"{variable(name)}: required by serve, but not set")
        return value

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
            allows_private_webhooks=self.private_webhooks,
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


def describe_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that differ from their defaults, for the log: of URLs the host, of secrets that they are set.

    The chains are left out, since only `serve` has them as a setting.
    """
    changed = (each for each in fields(Settings) if getattr(settings, each.name) != each.default)
    return {
        each.name: _describe(each.metadata["read"], getattr(settings, each.name))
        for each in changed
        if each.name != "chains"
    }


def _describe(read: Callable[[str], Any], value: Any) -> Any:
    match value:
        case str() if read in {read_redis_url, read_http_url}:
            return mask_credentials(value)
        case _ if read in _READ_SECRETS:
            return "(set)"
        case frozenset():
            return sorted(value)
        case bool() | int() | float() | tuple() | None:
            return value
        case _:
            return str(value)


def table() -> str:
    """Format the settings as the README's Markdown table."""
    rows = [
        f"| `{variable(setting.name)}` | {setting.metadata['default_text']} | {setting.metadata['meaning']} |"
        for setting in fields(Settings)
    ]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])
