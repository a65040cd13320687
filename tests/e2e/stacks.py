"""Stacks of the end-to-end tests: the embedded chains, and real Redis, anvil and Alto (tests/stack)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from wallet_rpc.primitives import Address

DOLLAR = Address.parse("0x75faf114eafb1BDbe2F0316DF893fd58CE46AA4d")
"""Additional gas token of the embedded chains, at USDC's address on Arbitrum Sepolia; tests that use it deploy it."""
DOLLAR_RATE = 2_000 * 10**6
"""Units of the dollar token (six decimals) per native coin, at a price of 2,000 dollars."""

on_both_stacks = pytest.mark.parametrize("stack", ["dev", "real"], indirect=True)
"""Mark: run the test on both stacks. Without it, a test runs on the embedded chains only."""
on_every_stack = pytest.mark.parametrize("stack", ["dev", "real", "published"], indirect=True)
"""Mark: run the test on both stacks, and on a real stack with the published contracts where their records exist."""


@dataclass(frozen=True)
class Stack:
    """Server with its upstream URLs by chain; tests use the nodes to advance the clock and to fund accounts."""

    name: str
    url: str
    nodes: Mapping[int, str]
    bundlers: Mapping[int, str]
    paymasters: Mapping[int, str]
    redis: str = ""
    """URL of the server's Redis, on a real stack."""

    @property
    def is_embedded(self) -> bool:
        return self.name == "dev"

    def chains_file(self, folder: Path) -> Path:
        """Write the TOML of these chains, for another `serve` in front of them, and return its path."""
        tables = [
            f'[[chain]]\nid = {chain}\nnode = ["{node}"]\nbundler = "{self.bundlers[chain]}"\n'
            f'paymaster = "{self.paymasters[chain]}"\n'
            for chain, node in self.nodes.items()
        ]
        file = folder / "chains.toml"
        file.write_text("\n".join(tables))
        return file
