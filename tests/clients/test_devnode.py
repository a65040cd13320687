"""viem's whole test client and subscriptions of viem and ethers show the same as with anvil."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.clients import npm
from tests.e2e.server import run_dev_server
from tests.stack.installing import install
from tests.stack.parts import anvil
from wallet_rpc.dev_server import DevOptions
from wallet_rpc.devchain.genesis import load_genesis

CHAIN = 31337


Play = Callable[[str], dict[str, Any]]


@contextmanager
def playing(node_url: str) -> Iterator[Play]:
    """Yield the function that runs a script and returns what it showed, by name."""
    with npm.Player(node_url, node_url, "") as player:
        yield lambda script: dict(json.loads(line) for line in player.play(f"devnode/{script}").splitlines())


@pytest.fixture(scope="module")
def play_embedded() -> Iterator[Play]:
    npm.prepare()
    with run_dev_server(DevOptions(chains=(CHAIN,), ephemeral=True)) as url, playing(f"{url}/chain/{CHAIN}") as play:
        yield play


@pytest.fixture(scope="module")
def play_anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    npm.prepare()
    install()
    folder: Path = tmp_path_factory.mktemp("anvil")
    with anvil(load_genesis(), CHAIN, folder) as url, playing(url) as play:
        yield play


def test_each_watcher_sees_what_it_sees_with_anvil(play_embedded: Play, play_anvil: Play) -> None:
    embedded, expected = play_embedded("subscriptions.ts"), play_anvil("subscriptions.ts")
    assert embedded == expected
    assert embedded["viem blocks"] == embedded["ethers blocks"] == [1, 2, 3, 4, 5, 1, 2]
    assert [event[0]["value"] for event in embedded["viem events"]] == ["0x7", "0x9"]


def test_each_action_shows_what_it_shows_with_anvil(play_embedded: Play, play_anvil: Play) -> None:
    embedded, expected = play_embedded("test_client.ts"), play_anvil("test_client.ts")
    assert expected.pop("reset") == "fails"  # viem sends an empty fork, which anvil takes for one to start
    assert embedded.pop("reset") == "succeeds"
    assert len(embedded) > 25
    assert embedded == expected
