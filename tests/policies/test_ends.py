"""The end of reservations that were not used: the seconds around each bound.

A contract takes a sponsorship in blocks up to its last second, so only a later block shows that it has expired.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.devchain.sample import FEE
from tests.policies.world import CHAIN, POLICY, World, open_world
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.outcomes import Unsettled
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger, PendingReservation

GRACE, PATIENCE = 60, 900


@pytest.fixture
async def world(store: RedisStore) -> AsyncIterator[World]:
    async with open_world(store) as made:
        yield made


async def reserve_unused(world: World) -> PendingReservation:
    """A reservation that is not used."""
    op = await world.sponsor_operation(world.actor(1))
    (due,) = await world.store.budgets.lease_pending(Ledger(POLICY.id), now=2**40, lease_seconds=1, most=1)
    assert op.paymaster is not None
    assert op.max_fee_per_gas == FEE
    assert due.valid_until == int.from_bytes(op.paymaster.data[:6]), "the end that the contract keeps"
    return due


@pytest.mark.parametrize(
    ("block", "clock", "fate"),
    [
        (0, GRACE + 1, Unsettled.OPEN),
        (1, GRACE, Unsettled.OPEN),
        (1, GRACE + 1, Unsettled.VOID),
        (GRACE, 0, Unsettled.OPEN),
        (GRACE + 1, 0, Unsettled.VOID),
        (-1, PATIENCE, Unsettled.OPEN),
        (-1, PATIENCE + 1, Unsettled.VOID),
    ],
)
async def test_a_promise_is_free_after_a_block_beyond_its_end_and_a_grace(
    world: World, block: int, clock: int, fate: Unsettled
) -> None:
    """The newest block and our clock, in seconds after the end of the promise."""
    due = await reserve_unused(world)
    world.node.rpc("evm_setNextBlockTimestamp", due.valid_until + block)
    world.node.rpc("evm_mine")
    world.clock.seconds = due.valid_until + clock

    assert await world.sponsor.outcomes[CHAIN].read(due) is fate
