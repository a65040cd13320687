"""Release of unused reservations, tested at the exact seconds of each limit.

A contract accepts a sponsorship in blocks up to its last second, so only a later block shows that it has expired.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.devchain.sample import FEE
from tests.policies.world import CHAIN, POLICY, World, open_world
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.outcomes import Unsettled
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger, PendingReservation

GRACE = 60
TIMEOUT = 900


@pytest.fixture
async def world(store: RedisStore) -> AsyncIterator[World]:
    async with open_world(store) as opened:
        yield opened


async def reserve_unused(world: World) -> PendingReservation:
    """Return a reservation whose operation is not sent."""
    op = await world.sponsor_operation(world.actor(1))
    (pending,) = await world.store.budgets.lease_pending(Ledger(POLICY.id), now=2**40, lease_seconds=1, most=1)
    assert op.paymaster is not None
    assert op.max_fee_per_gas == FEE
    assert pending.valid_until == int.from_bytes(op.paymaster.data[:6]), "the expiry that the contract enforces"
    return pending


@pytest.mark.parametrize(
    ("block", "clock", "expected"),
    [
        (0, GRACE + 1, Unsettled.OPEN),
        (1, GRACE, Unsettled.OPEN),
        (1, GRACE + 1, Unsettled.VOID),
        (GRACE, 0, Unsettled.OPEN),
        (GRACE + 1, 0, Unsettled.VOID),
        (-1, TIMEOUT, Unsettled.OPEN),
        (-1, TIMEOUT + 1, Unsettled.VOID),
    ],
)
async def test_a_reservation_is_released_after_a_later_block_and_a_grace_period(
    world: World, block: int, clock: int, expected: Unsettled
) -> None:
    """`block` and `clock` are the times of the newest block and of the server, in seconds after the expiry."""
    pending = await reserve_unused(world)
    world.node.rpc("evm_setNextBlockTimestamp", pending.valid_until + block)
    world.node.rpc("evm_mine")
    world.clock.seconds = pending.valid_until + clock

    assert await world.sponsor.outcomes[CHAIN].read(pending) is expected
