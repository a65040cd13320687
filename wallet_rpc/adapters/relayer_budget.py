"""The daily budget of the relayer, in Redis: of each chain, in all and for one account.

The most that a transaction can cost is counted before it is sent, and given back only when the node did not take it. A
day is one of UTC. All amounts are of the chain's own coin, in wei.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.sponsorship.budget_scripts import LIMB_BASE, SUMS, split_wei
from wallet_rpc.errors import Rejected
from wallet_rpc.ports import Clock
from wallet_rpc.primitives import Address, ChainId, Hash32

DAY_SECONDS = 86_400
_KEPT_SECONDS = 2 * DAY_SECONDS
_TAKE = (
    SUMS
    + """
local id, account = 'r:' .. ARGV[1], ARGV[2]
if redis.call('HEXISTS', sums, id) == 1 then return {0} end
local it = {hi = tonumber(ARGV[3]), lo = tonumber(ARGV[4]), n = 1}
local fields = {'all', account}
for at, field in ipairs(fields) do
  local is = sum(field)
  if less({hi = tonumber(ARGV[3 + 2 * at]), lo = tonumber(ARGV[4 + 2 * at])}, add(is, it)) then
    return {at, string.format('%.0f', is.hi), string.format('%.0f', is.lo)}
  end
end
for _, field in ipairs(fields) do keep(field, add(sum(field), it)) end
redis.call('HSET', sums, id, 1)
redis.call('EXPIRE', sums, ARGV[9])
return {0}
"""
)
"""Count a transaction, unless that exceeds the first or the second limit: then which one, and what is spent of it."""
_GIVE_BACK = (
    SUMS
    + """
if redis.call('HDEL', sums, 'r:' .. ARGV[1]) == 0 then return 0 end
local it = {hi = tonumber(ARGV[3]), lo = tonumber(ARGV[4]), n = 1}
for _, field in ipairs({'all', ARGV[2]}) do keep(field, minus(sum(field), it)) end
return 0
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyWei:
    """The most that the relayer pays on one chain in one day, in wei."""

    total: int
    account: int
    """For the removals of one account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expense:
    """A transaction of the relayer for an account, by its hash; `cost` is the most that it can cost, in wei."""

    chain_id: ChainId
    account: Address
    transaction: Hash32
    cost: int


class RelayerBudget:
    """Counts what the relayer pays, over all replicas."""

    def __init__(self, link: Link, limits: DailyWei, clock: Clock) -> None:
        self._link = link
        self._limits = limits
        self._clock = clock
        self._take = link.script(_TAKE)
        self._back = link.script(_GIVE_BACK)

    async def take(self, expense: Expense) -> None:
        """Count it before it is spent; a repeat counts nothing.

        Raises: Rejected (relayer_budget_used_up) with the limit, what is spent of it, and from when on it is free.
        """
        now = self._clock.now()
        limits = self._limits
        answer = await self._link.run(
            self._take,
            self._key(expense, now),
            *self._arguments(expense),
            *split_wei(limits.total),
            *split_wei(limits.account),
            _KEPT_SECONDS,
        )
        if answer[0]:
            raise self._used_up_error(
                expense, which=answer[0], spent=int(answer[1]) * LIMB_BASE + int(answer[2]), now=now
            )

    async def give_back(self, expense: Expense) -> None:
        """It was not spent after all."""
        now = self._clock.now()
        for day in (now, now - DAY_SECONDS):  # midnight may have passed meanwhile
            await self._link.run(self._back, self._key(expense, day), *self._arguments(expense))

    def _key(self, expense: Expense, now: int) -> str:
        return self._link.key(f"relayer:{expense.chain_id}:{now // DAY_SECONDS}")

    def _arguments(self, expense: Expense) -> tuple[int | str, ...]:
        return expense.transaction.hex(), expense.account.hex(), *split_wei(expense.cost)

    def _used_up_error(self, expense: Expense, *, which: int, spent: int, now: int) -> Rejected:
        total, account = self._limits.total, self._limits.account
        limit, whose = (total, "in all") if which == 1 else (account, f"for {expense.account}")
        free_at = (now // DAY_SECONDS + 1) * DAY_SECONDS
        is_ever = expense.cost <= limit
        at = f"from {datetime.fromtimestamp(free_at, UTC):%Y-%m-%dT%H:%M:%SZ} on" if is_ever else "when gas is cheaper"
        return Rejected(
            f"the relayer of this server pays at most {limit} wei a day {whose} on chain {expense.chain_id:#x}: today "
            f"{spent} are spent, and this removal may cost {expense.cost}; try again {at}, or send a transaction of "
            "your own",
            reason="relayer_budget_used_up",
            limit=hex(limit),
            spent=hex(spent),
            cost=hex(expense.cost),
            retryAfter=free_at - now if is_ever else None,
        )
