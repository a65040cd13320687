"""The end of reservations that were not used: the seconds around each bound.

A contract takes a sponsorship in blocks up to its last second, so only a later block shows that it has expired.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.devchain.sample import FEE
from tests.policies.world import CHAIN, POLICY, World, opened_world
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.outcomes import Fate
from wallet_rpc.adapters.sponsorship.redis_budgets import Book, Due

GRACE, PATIENCE = 60, 900


@pytest.fixture
async def world(store: RedisStore) -> AsyncIterator[World]:
    async with opened_world(store) as made:
        yield made


async def promised(world: World) -> Due:
    """A reservation that is not used."""
    op = await world.sponsored(world.actor(1))
    (due,) = await world.store.budgets.due(Book(POLICY.id), now=2**40, lease_seconds=1, most=1)
    assert op.paymaster is not None
    assert op.max_fee_per_gas == FEE
    assert due.ends == int.from_bytes(op.paymaster.data[:6]), "the end that the contract keeps"
    return due


@pytest.mark.parametrize(
    ("block", "clock", "fate"),
    [
        (0, GRACE + 1, Fate.OPEN),
        (1, GRACE, Fate.OPEN),
        (1, GRACE + 1, Fate.VOID),
        (GRACE, 0, Fate.OPEN),
        (GRACE + 1, 0, Fate.VOID),
        (-1, PATIENCE, Fate.OPEN),
        (-1, PATIENCE + 1, Fate.VOID),
    ],
)
async def test_a_promise_is_free_after_a_block_beyond_its_end_and_a_grace(
    world: World, block: int, clock: int, fate: Fate
) -> None:
    """The newest block and our clock, in seconds after the end of the promise."""
    due = await promised(world)
    world.node.rpc("evm_setNextBlockTimestamp", due.ends + block)
    world.node.rpc("evm_mine")
    world.clock.seconds = due.ends + clock

    assert await world.sponsor.outcomes[CHAIN].of(due) is fate
