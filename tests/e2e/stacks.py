"""The stacks that the end-to-end tests run on: the embedded chains, and real parts (tests/stack)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from wallet_rpc.primitives import Address

CHAINS = (31337, 421614)
"""Each stack has both; the first is the one that a request means when it names none."""
DOLLAR = Address.parse("0x75faf114eafb1BDbe2F0316DF893fd58CE46AA4d")
"""A token that the embedded chains take for gas beside their own, once it is there: where Arbitrum Sepolia has USDC."""
DOLLAR_RATE = 2_000 * 10**6
"""Its smallest units for one coin, when it has six decimals and a coin costs 2,000."""

on_both_stacks = pytest.mark.parametrize("stack", ["dev", "real"], indirect=True)
"""A mark: the test runs on each; without it, on the embedded chains only."""
on_every_stack = pytest.mark.parametrize("stack", ["dev", "real", "published"], indirect=True)
"""The same, and on real parts with the published contracts, where their records are on the machine."""


@dataclass(frozen=True)
class Stack:
    """A server, and the parts behind it by chain: tests turn the nodes' clocks and mint their money."""

    name: str
    url: str
    nodes: Mapping[int, str]
    bundlers: Mapping[int, str]
    paymasters: Mapping[int, str]
    redis: str = ""
    """Where the server's memory is, of real parts."""

    @property
    def is_embedded(self) -> bool:
        return self.name == "dev"

    def chains_file(self, folder: Path) -> Path:
        """The TOML of these chains, for a `serve` of one's own in front of them."""
        tables = [
            f'[[chain]]\nid = {chain}\nnode = ["{node}"]\nbundler = "{self.bundlers[chain]}"\n'
            f'paymaster = "{self.paymasters[chain]}"\n'
            for chain, node in self.nodes.items()
        ]
        file = folder / "chains.toml"
        file.write_text("\n".join(tables))
        return file
