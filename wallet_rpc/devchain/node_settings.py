"""Settings of the node that control methods change: mining, impersonation, and values of the next blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """The settings at one time; snapshots and dumps contain them."""

    automine: bool = True
    """Mine a block as soon as a transaction is sent."""
    mining_interval: int = 0
    """The seconds between blocks that are mined automatically; 0 for none."""
    timestamp_interval: int | None = None
    """The difference between the timestamps of two blocks, in seconds; None for the clock's time."""
    next_base_fee: int | None = None
    """The base fee of the next block only, in wei per gas."""
    gas_limit: int | None = None
    """The gas limit of the next blocks; the configured one when None."""
    coinbase: bytes = bytes(20)
    """The coinbase of the next blocks."""
    impersonated: frozenset[bytes] = frozenset()
    """The accounts whose transactions need no signature."""
    impersonates_all: bool = False
    """Accept transactions of every account without a signature."""

    def is_impersonated(self, address: bytes) -> bool:
        """Return True when transactions of the account need no signature."""
        return self.impersonates_all or bytes(address) in self.impersonated

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {
            "automine": self.automine,
            "miningInterval": self.mining_interval,
            "timestampInterval": self.timestamp_interval,
            "nextBaseFee": self.next_base_fee,
            "gasLimit": self.gas_limit,
            "coinbase": self.coinbase.hex(),
            "impersonated": sorted(address.hex() for address in self.impersonated),
            "impersonatesAll": self.impersonates_all,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the settings that `to_json` encoded."""
        return cls(
            automine=fields["automine"],
            mining_interval=fields["miningInterval"],
            timestamp_interval=fields["timestampInterval"],
            next_base_fee=fields["nextBaseFee"],
            gas_limit=fields["gasLimit"],
            coinbase=bytes.fromhex(fields["coinbase"]),
            impersonated=frozenset(map(bytes.fromhex, fields["impersonated"])),
            impersonates_all=fields["impersonatesAll"],
        )
