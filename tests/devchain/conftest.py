"""A fresh chain, and an account on it with coins and tokens."""

from __future__ import annotations

import pytest

from tests.devchain.sample import Actor, Node, mint
from wallet_rpc.devchain.known import TEST_TOKEN


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def actor(node: Node) -> Actor:
    made = Actor(node)
    made.fund()
    node.send(**mint(TEST_TOKEN, made.address, 1000))
    return made
