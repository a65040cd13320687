"""The same clients with `wallet-rpc serve` in front of anvil and Alto; the URL's query selects the chain to read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.clients import npm
from tests.stack.running import real_stack
from tests.support.api_keys import issue_api_key
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OrganizationId

CHAIN = 421614


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[npm.Player]:
    npm.prepare()
    with (
        real_stack(tmp_path_factory.mktemp("stack")) as stack,
        npm.Player(
            f"{stack.url}/?chainId={CHAIN}", stack.nodes[CHAIN], asyncio.run(_create_key(stack.redis))
        ) as running_player,
    ):
        yield running_player


async def _create_key(redis: str) -> str:
    """Create an API key of an organisation of its own, and return it."""
    key, record = issue_api_key(organization=OrganizationId("org_of_the_clients"))
    async with RedisStore.open(redis) as store:
        await store.directory.add_key(record)
    return key


@pytest.mark.parametrize("scenario", npm.scenarios())
def test_a_client_works_unchanged(scenario: str, player: npm.Player) -> None:
    player.play(scenario)
