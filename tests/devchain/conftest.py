"""A fresh chain, an account on it with coins and tokens, and our contracts on a chain of their own."""

from __future__ import annotations

import pytest

from tests.devchain.our_contracts import World
from tests.devchain.sample import Actor, Node, mint
from wallet_rpc.devchain.genesis import Genesis, load_genesis
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


@pytest.fixture(scope="session")
def genesis() -> Genesis:
    return load_genesis()


@pytest.fixture
def world(genesis: Genesis) -> World:
    return World(genesis)
