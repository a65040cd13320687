"""Every setting, once: its environment variable, type, default and meaning.

Settings are read from a mapping (the process environment) when a command starts. A wrong one stops the start with a
sentence that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wallet_rpc.primitives import quantity

PREFIX = "WALLET_RPC_"
"""What every variable starts with."""


class WrongSetting(Exception):
    """A setting that cannot be used; the message names it."""


def _host(text: str) -> str:
    if not text or any(letter.isspace() or letter == "/" for letter in text):
        raise ValueError("a host name or IP address")
    return text


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 <= int(text) <= 65535:
        raise ValueError("a port from 0 to 65535 (0: any free one)")
    return int(text)


def _path(text: str) -> Path:
    if not text:
        raise ValueError("a folder")
    return Path(text).expanduser()


def _redis_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.netloc or parts.path):
        raise ValueError("a URL starting with redis://, rediss:// or unix://")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError("seconds above 0, up to 3600")
    return seconds


def _log(text: str) -> str:
    if text not in {"human", "json"}:
        raise ValueError('"human" or "json"')
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSetting:
    """One chain of `WALLET_RPC_CHAINS`: its id and where its node, bundler and paymaster answer."""

    chain_id: int
    node_url: str
    bundler_url: str
    paymaster_url: str | None = None


def _chains(text: str) -> tuple[ChainSetting, ...]:
    expected = "ID=NODE_URL[,BUNDLER_URL[,PAYMASTER_URL]] entries separated by spaces"
    chains = []
    for entry in text.split():
        number, _, urls = entry.partition("=")
        node, *rest = urls.split(",")
        if len(rest) > 2 or not all(urlsplit(url).scheme in {"http", "https"} for url in (node, *rest)):
            raise ValueError(expected)
        try:
            chain_id = quantity(int(number, 0), 32)
        except Exception:  # any unreadable number is the same fault
            raise ValueError(expected) from None
        chains.append(
            ChainSetting(
                chain_id=chain_id,
                node_url=node,
                bundler_url=rest[0] if rest else node,
                paymaster_url=rest[1] if len(rest) > 1 else None,
            )
        )
    if not chains or len({chain.chain_id for chain in chains}) != len(chains):
        raise ValueError(f"{expected}, each id once")
    return tuple(chains)


def _setting(read: Callable[[str], Any], default: Any, shown: str, meaning: str) -> Any:
    """A dataclass field that knows how its text is read and how the README shows it."""
    return field(default=default, metadata={"read": read, "shown": shown, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says."""

    host: str = _setting(_host, "127.0.0.1", "`127.0.0.1`", "Address to listen on.")
    port: int = _setting(_port, 4337, "`4337`", "Port to listen on; `0` takes any free one.")
    data_dir: Path = _setting(
        _path, Path(".wallet-rpc"), "`.wallet-rpc`", "Folder where `dev` keeps its chains and its Redis."
    )
    redis_url: str | None = _setting(
        _redis_url, None, "a private one in `dev`", "Redis to use: `redis://`, `rediss://` or `unix://`."
    )
    chains: tuple[ChainSetting, ...] = _setting(
        _chains,
        (),
        "the embedded one in `dev`",
        "Chains of `serve`: `ID=NODE_URL[,BUNDLER_URL[,PAYMASTER_URL]]`, separated by spaces.",
    )
    log: str | None = _setting(_log, None, "`human` in `dev`, `json` in `serve`", "Form of the log: `human` or `json`.")
    deadline_seconds: float = _setting(_seconds, 30.0, "`30`", "Longest time one request may take, in seconds.")


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
        except ValueError as error:
            given = "" if "://" in text else f", got {text!r}"
            raise WrongSetting(f"{name}: expected {error}{given}") from None
    return Settings(**values)


def table() -> str:
    """The settings as the README's Markdown table."""
    rows = [
        f"| `{variable(setting.name)}` | {setting.metadata['shown']} | {setting.metadata['meaning']} |"
        for setting in fields(Settings)
    ]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])
