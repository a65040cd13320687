"""What the tests of policies share: promises, a clock that is set by hand, and files of policies."""

from __future__ import annotations

import json
import uuid
from typing import Any

from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger, RedisBudgets, Reservation
from wallet_rpc.domain.policy import PolicyLimits
from wallet_rpc.domain.policy_limits import Parties
from wallet_rpc.primitives import Address, Hash32

CHAIN = 31337
NOW = 1_800_000_000
ENDS = NOW + 600
SENDERS = [Address(bytes([n]) * 20) for n in (0xA1, 0xA2, 0xA3)]


def a_ledger(window_seconds: int = 0) -> Ledger:
    return Ledger(uuid.uuid4(), window_seconds)


def a_reservation(
    number: int = 1, *, cost: int = 100, sender: int = 0, ends: int = ENDS, operation: int = 0
) -> Reservation:
    """Of a sender that is its own owner, asked for by one API key."""
    return Reservation(
        chain_id=CHAIN,
        sender=SENDERS[sender],
        nonce=number,
        operation_hash=Hash32((number << 64 | operation).to_bytes(32, "big")),
        cost=cost,
        valid_until=ends,
        parties=Parties(owners=(SENDERS[sender],), key="key_1"),
    )


async def settle_once(budgets: RedisBudgets, ledger: Ledger, *senders: int) -> None:
    """Let each sender's owner have landed an operation that cost nothing."""
    for sender in senders:
        await budgets.reserve(ledger, a_reservation(10**6, cost=0, sender=sender, ends=0), PolicyLimits(), now=0)
    for due in await budgets.lease_pending(ledger, now=0, lease_seconds=1, most=100):
        await budgets.settle(ledger, due, cost=0, now=NOW)


def policy_file(*policies: dict[str, Any]) -> str:
    """TOML of policies whose values are written as JSON writes them; nested tables as inline keys."""
    lines = []
    for policy in policies:
        lines.append("[[policy]]")
        for key, value in policy.items():
            if isinstance(value, dict):
                lines += [f"{key}.{inner} = {_to_toml(given)}" for inner, given in value.items()]
            else:
                lines.append(f"{key} = {_to_toml(value)}")
    return "\n".join(lines) + "\n"


def _to_toml(value: Any) -> str:
    return json.dumps(value)
