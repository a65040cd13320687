"""Fixtures: a fresh chain, a funded account on it, the development contracts on their own, and anvil."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.devchain.our_contracts import World
from tests.devchain.sample import Actor, Node, mint
from tests.devchain.side_by_side import Pair
from tests.stack.installing import install
from tests.stack.parts import anvil
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.devchain.genesis import Genesis, load_genesis


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


@pytest.fixture(scope="module")
def chains(genesis: Genesis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """anvil and an in-process chain. Tests that change them revert their changes.

    One pair for each module: `eth_call` of anvil keeps showing the base fee of a reverted block.
    """
    install()
    with anvil(genesis, 31337, tmp_path_factory.mktemp("anvil")) as url, closing(Pair(url)) as made:
        yield made
