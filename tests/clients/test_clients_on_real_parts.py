"""The same clients with `wallet-rpc serve` in front of anvil and Alto; the URL's query says which chain is read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients import npm
from tests.stack.running import real_stack

CHAIN = 421614


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[npm.Player]:
    npm.prepare()
    with (
        real_stack(tmp_path_factory.mktemp("stack")) as stack,
        npm.Player(f"{stack.url}/?chainId={CHAIN}", stack.nodes[CHAIN]) as made,
    ):
        yield made


@pytest.mark.parametrize("scenario", npm.scenarios())
def test_a_client_works_unchanged(scenario: str, player: npm.Player) -> None:
    player.play(scenario)
