"""A fresh chain, an account on it with coins and tokens, our contracts on a chain of their own, and anvil."""

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
    """anvil and a chain of this process; a test that changes them restores them.

    Only for the tests of a module: `eth_call` of anvil goes on to show the base fee of a block that was reverted.
    """
    install()
    with anvil(genesis, 31337, tmp_path_factory.mktemp("anvil")) as url, closing(Pair(url)) as made:
        yield made
