"""The stacks that the end-to-end tests run on: the embedded chains, and real parts (tests/stack)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

CHAINS = (31337, 421614)
"""Each stack has both; the first is the one that a request means when it names none."""

on_both_stacks = pytest.mark.parametrize("stack", ["dev", "real"], indirect=True)
"""A mark: the test runs on each; without it, on the embedded chains only."""
on_every_stack = pytest.mark.parametrize("stack", ["dev", "real", "published"], indirect=True)
"""The same, and on real parts with the published contracts, where their records are on the machine."""


@dataclass(frozen=True)
class Stack:
    """A server, and the nodes behind it by chain: tests turn their clocks and mint their money."""

    name: str
    url: str
    nodes: Mapping[int, str]

    @property
    def is_embedded(self) -> bool:
        return self.name == "dev"
