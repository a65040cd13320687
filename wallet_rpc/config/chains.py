"""Chains of `serve`: entries of `WALLET_RPC_CHAINS`, or the TOML file that it names.

The error for an invalid chain names its position and its key. Values that may hold a password are not repeated.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.secret_text import format_received, mask_credentials, toml_position
from wallet_rpc.domain.web_url import WEB_URL, is_web_url
from wallet_rpc.primitives import Address

ENTRIES = "ID=NODE_URL[,BUNDLER_URL[,PAYMASTER_URL]] entries separated by spaces, or a path ending in .toml"
"""The expected form of `WALLET_RPC_CHAINS`."""
MAX_CONFIRMATIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSetting:
    """One chain: its id, the URLs of its node, bundler and paymaster, and its confirmations."""

    chain_id: int
    node_urls: tuple[str, ...]
    """URLs of nodes; requests go to the first that responds."""
    bundler_urls: tuple[str, ...] = ()
    """URLs of bundlers; none: bundler requests go to the node."""
    paymaster_url: str | None = None
    verifying_paymaster: Address | None = None
    """The operator's `VerifyingPaymaster` contract, for the policies of `WALLET_RPC_POLICIES`."""
    confirmations: int = 1
    """The number of blocks that make a call final, including the block of the call."""
    name: str | None = None

    @property
    def bundlers(self) -> tuple[str, ...]:
        """URLs that get the bundler requests."""
        return self.bundler_urls or self.node_urls

    @property
    def title(self) -> str:
        """The chain's id, with its name if it has one."""
        return f"{self.chain_id}" if self.name is None else f"{self.chain_id} ({self.name})"

    def describe(self) -> dict[str, Any]:
        """Return the chain for the log: its id, and of URLs scheme, host and port."""
        parts = {"node": self.node_urls, "bundler": self.bundler_urls, "paymaster": (self.paymaster_url,)}
        urls = {part: [mask_credentials(url) for url in found if url is not None] for part, found in parts.items()}
        return {"id": self.chain_id, "name": self.name, **urls}


class ChainFileError(Exception):
    """An invalid file of chains; the message gives the position and the cause."""


def read_chains(text: str) -> tuple[ChainSetting, ...]:
    """Parse the value of `WALLET_RPC_CHAINS`: entries, or the path of a TOML file.

    Raises: ValueError with the expected form for invalid entries; ChainFileError for an invalid file.
    """
    if text.strip().endswith(".toml") and "=" not in text:
        return _read_file(Path(text.strip()).expanduser())
    chains = tuple(_entry(entry, number) for number, entry in enumerate(text.split(), 1))
    ids = [chain.chain_id for chain in chains]
    for chain_id in ids:
        if ids.count(chain_id) > 1:
            raise ValueError(f"{ENTRIES}, each id once; id {chain_id} is in {ids.count(chain_id)} entries")
    if not chains:
        raise ValueError(ENTRIES)
    return chains


def read_chain_id(text: str) -> int:
    """Read a chain id, decimal or hex. Raises: ValueError with the expected form."""
    try:
        number = int(text, 0)
    except ValueError:
        number = 0
    return _id(number)


def _entry(entry: str, number: int) -> ChainSetting:
    """Parse an entry. Raises: ValueError that names the invalid part of entry `number`, without its value."""
    first, _, urls = entry.partition("=")
    node, *rest = urls.split(",")
    try:
        chain_id = read_chain_id(first)
    except ValueError as error:
        raise ValueError(f"{ENTRIES}; entry {number} does not begin with {error} and =") from None
    if len(rest) > 2:
        raise ValueError(f"{ENTRIES}; entry {number} has {len(rest) + 1} URLs, of at most 3")
    for kind, url in zip(("node", "bundler", "paymaster"), (node, *rest), strict=False):
        if not is_web_url(url):
            raise ValueError(f"{ENTRIES}; in entry {number}, the {kind} needs {WEB_URL}")
    return ChainSetting(
        chain_id=chain_id,
        node_urls=(node,),
        bundler_urls=tuple(rest[:1]),
        paymaster_url=rest[1] if len(rest) > 1 else None,
    )


def _read_file(path: Path) -> tuple[ChainSetting, ...]:
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ChainFileError(f"cannot read {mask_credentials(str(path))}: {error.strerror}") from None
    except ValueError as error:  # invalid TOML or UTF-8
        raise ChainFileError(f"{path} is not TOML{toml_position(error)}") from None
    tables = content.pop("chain", None)
    if content or not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        extra = "".join(map(format_received, content))
        raise ChainFileError(f"{path}: expected [[chain]] tables, one for each chain, and nothing else{extra}")
    chains = tuple(_table(table, f"{path}: [[chain]] {number}") for number, table in enumerate(tables, 1))
    ids = [chain.chain_id for chain in chains]
    for chain_id in ids:
        if ids.count(chain_id) > 1:
            raise ChainFileError(f"{path}: expected each id once, got id {chain_id} in {ids.count(chain_id)} tables")
    return chains


def _table(table: dict[str, Any], at: str) -> ChainSetting:
    for key in table:
        if key not in _KEYS:
            raise ChainFileError(f"{at}: expected no keys but {', '.join(_KEYS)}{format_received(key)}")
    for key in ("id", "node"):
        if key not in table:
            raise ChainFileError(f"{at}: {key}: required, but absent")
    values = {key: _value(key, given, at) for key, given in table.items()}
    return ChainSetting(
        chain_id=values["id"],
        node_urls=values["node"],
        bundler_urls=values.get("bundler", ()),
        paymaster_url=values.get("paymaster"),
        verifying_paymaster=values.get("verifying_paymaster"),
        confirmations=values.get("confirmations", 1),
        name=values.get("name"),
    )


def _value(key: str, given: Any, at: str) -> Any:
    try:
        return _KEYS[key](given)
    except ValueError as error:
        raise ChainFileError(f"{at}: {key}: expected {error}{format_received(given)}") from None


def _id(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given < 1 << 32:
        raise ValueError("a number from 1 to 4294967295")
    return given


def _confirmations(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MAX_CONFIRMATIONS:
        raise ValueError(f"a number from 1 to {MAX_CONFIRMATIONS}")
    return given


def _url(given: Any) -> str:
    if not is_web_url(given):
        raise ValueError(WEB_URL)
    return str(given)


def _urls(given: Any) -> tuple[str, ...]:
    urls = given if isinstance(given, list) else [given]
    if not urls or not all(is_web_url(url) for url in urls) or len(set(urls)) != len(urls):
        raise ValueError(f"{WEB_URL}, or a list of different URLs")
    return tuple(urls)


def _entry_point(given: Any) -> None:
    try:
        same = Address.parse(given) == ENTRY_POINT
    except ValueError:
        same = False
    if not same:
        raise ValueError(f"{ENTRY_POINT} (EntryPoint v0.7, the only supported version)")


def _address(given: Any) -> Address:
    try:
        return Address.parse(given)
    except PydanticCustomError as error:
        raise ValueError((error.context or {})["expected"]) from None


def _name(given: Any) -> str:
    if not isinstance(given, str) or not given.strip() or not given.isprintable():
        raise ValueError("a name of one or more printable characters")
    return given


_KEYS: Mapping[str, Callable[[Any], Any]] = {
    "id": _id,
    "name": _name,
    "node": _urls,
    "bundler": _urls,
    "paymaster": _url,
    "verifying_paymaster": _address,
    "entry_point": _entry_point,
    "confirmations": _confirmations,
}
