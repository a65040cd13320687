"""Sample data of the policy tests: ledgers and reservations."""

from __future__ import annotations

import uuid

from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger, RedisBudgets, Reservation
from wallet_rpc.domain.policy import PolicyLimits
from wallet_rpc.domain.policy_limits import Parties
from wallet_rpc.primitives import Address, Hash32

CHAIN = 31337
NOW = 1_800_000_000
VALID_UNTIL = NOW + 600
SENDERS = [Address(bytes([n]) * 20) for n in (0xA1, 0xA2, 0xA3)]


def a_ledger(window_seconds: int = 0) -> Ledger:
    return Ledger(uuid.uuid4(), window_seconds)


def a_reservation(
    number: int = 1, *, cost: int = 100, sender: int = 0, valid_until: int = VALID_UNTIL, operation: int = 0
) -> Reservation:
    """Build a reservation of a sender that is its own owner, requested with one API key."""
    return Reservation(
        chain_id=CHAIN,
        sender=SENDERS[sender],
        nonce=number,
        operation_hash=Hash32((number << 64 | operation).to_bytes(32, "big")),
        cost=cost,
        valid_until=valid_until,
        parties=Parties(owners=(SENDERS[sender],), key="key_1"),
    )


async def settle_once(budgets: RedisBudgets, ledger: Ledger, *senders: int) -> None:
    """Settle an operation without cost for each sender's owner, who is then no first-time owner."""
    for sender in senders:
        await budgets.reserve(ledger, a_reservation(10**6, cost=0, sender=sender, valid_until=0), PolicyLimits(), now=0)
    for pending in await budgets.lease_pending(ledger, now=0, lease_seconds=1, most=100):
        await budgets.settle(ledger, pending, cost=0, now=NOW)
