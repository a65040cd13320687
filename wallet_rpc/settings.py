"""Every setting, once: its environment variable, type, default and meaning.

Settings are read from a mapping (the process environment) when a command starts. A wrong one stops the start with a
sentence that names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wallet_rpc.chains import ChainSetting, WrongChains, read_chains
from wallet_rpc.domain.access import Rules, WalletNamespace
from wallet_rpc.domain.web_url import WEB_URL, is_web_url
from wallet_rpc.primitives import Hash32

PREFIX = "WALLET_RPC_"
"""What every variable starts with."""
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
"""As browsers write one: in lower case, and nothing behind the port. Source: RFC 6454, 6.2."""
_MOST_DIGITS = 100
"""More than any number here has; Python reads no decimal text of more than 4300 digits."""


class WrongSetting(Exception):
    """A setting that cannot be used; the message names it."""


def _host(text: str) -> str:
    if not text or any(letter.isspace() or letter == "/" for letter in text):
        raise ValueError("a host name or IP address")
    return text


def _whole_number(text: str, expected: str, *, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS or not least <= int(text) <= most:
        raise ValueError(expected)
    return int(text)


def _port(text: str) -> int:
    return _whole_number(text, "a port from 0 to 65535 (0: any free one)", least=0, most=65_535)


def _folder(text: str) -> Path:
    if not text:
        raise ValueError("a folder")
    return Path(text).expanduser()


def _file(text: str) -> Path:
    if not text:
        raise ValueError("a file")
    return Path(text).expanduser()


def _redis_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in {"redis", "rediss", "unix"} and bool(parts.netloc or parts.path)
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


def _days(text: str) -> int:
    return _whole_number(text, "days from 1 to 36500", least=1, most=36_500)


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in text.split(","))
    if origins != ("*",) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("*, or origins such as https://app.example.com by commas")
    return origins


def _log(text: str) -> str:
    if text not in {"human", "json"}:
        raise ValueError('"human" or "json"')
    return text


CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""How many points secp256k1 has; a private key is below. Source: SEC 2, 2.4.1."""


def _setting(read: Callable[[str], Any], default: Any, shown: str, meaning: str) -> Any:
    """A dataclass field that knows how its text is read and how the README shows it."""
    return field(default=default, metadata={"read": read, "shown": shown, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says."""

    host: str = _setting(_host, "127.0.0.1", "`127.0.0.1`", "Address to listen on.")
    port: int = _setting(_port, 4337, "`4337`", "Port to listen on; `0` takes any free one.")
    data_dir: Path = _setting(
        _folder, Path(".wallet-rpc"), "`.wallet-rpc`", "Folder where `dev` keeps its chains and its Redis."
    )
    redis_url: str | None = _setting(
        _redis_url, None, "a private one in `dev`", "Redis to use: `redis://`, `rediss://` or `unix://`."
    )
    chains: tuple[ChainSetting, ...] = _setting(
        read_chains,
        (),
        "the embedded one in `dev`",
        "Chains of `serve`: `ID=NODE_URL[,BUNDLER_URL[,PAYMASTER_URL]]`, split by spaces; or a path to a `.toml`.",
    )
    log: str | None = _setting(_log, None, "`human` in `dev`, `json` in `serve`", "Form of the log: `human` or `json`.")
    deadline_seconds: float = _setting(_seconds, 30.0, "`30`", "Longest time one request may take, in seconds.")
    policies: Path | None = _setting(_file, None, "none", "File of sponsorship policies: see `specs/policies.md`.")
    paymaster_key: Secret | None = _setting(
        _secret,
        None,
        "the published one in `dev`",
        "Private key that signs sponsorships for `VerifyingPaymaster`; not for `dev`.",
    )
    relayer_key: Secret | None = _setting(
        _secret, None, "a published one in `dev`", "Private key that pays for removing EIP-7702 delegations."
    )
    deployer_key: Secret | None = _setting(
        _secret, None, "none", "Private key that owns and pays for `wallet-rpc paymaster` contracts; not for `serve`."
    )
    open: bool | None = _setting(
        _yes_or_no, None, "`yes` on loopback, else `no`", "Whether who shows no API key is let in: `yes` or `no`."
    )
    token_secrets: tuple[Secret, ...] = _setting(
        _secrets,
        (),
        "a random one in `dev`",
        "Secrets of session tokens, each of 32 bytes or more: the one that seals, then the one before it, by a comma.",
    )
    token_wallets: frozenset[WalletNamespace] = _setting(
        _namespaces,
        frozenset(WalletNamespace),
        "`eip155,solana`",
        "Whose wallets a session token may be bound to: `eip155`, `solana`.",
    )
    session_days: int = _setting(
        _days, 365, "`365`", "How far ahead the registered end of an organisation's session may be, in days."
    )
    cors_origins: tuple[str, ...] = _setting(
        _origins, ("*",), "`*`", "Web origins whose pages may call the JSON-RPC door, by commas; `*` for all."
    )
    quote_url: str | None = _setting(
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
    def is_open(self) -> bool:
        """Whether who shows no API key is let in."""
        return self.is_on_loopback if self.open is None else self.open

    @property
    def rules(self) -> Rules:
        """What operations are told of it."""
        return Rules(session_seconds=self.session_days * 86_400, token_wallets=self.token_wallets)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of an environment.

    Raises: WrongSetting that names the variable, what it holds and what was expected; also for a `WALLET_RPC_` variable
    that is no setting. A value that may hold a password is not repeated.
    """
    known = {variable(setting.name): setting for setting in fields(Settings)}
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            raise WrongSetting(f"{name}: no such setting; known: {', '.join(known)}")
        try:
            values[known[name].name] = known[name].metadata["read"](text)
        except WrongChains as wrong:
            raise WrongSetting(f"{name}: {wrong}") from None
        except ValueError as error:
            given = (
                ""
                if "://" in text or known[name].metadata["read"] in {_secret, _secrets, _http_url}
                else f", got {text!r}"
            )
            raise WrongSetting(f"{name}: expected {error}{given}") from None
    return Settings(**values)


def table() -> str:
    """The settings as the README's Markdown table."""
    rows = [
        f"| `{variable(setting.name)}` | {setting.metadata['shown']} | {setting.metadata['meaning']} |"
        for setting in fields(Settings)
    ]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])
