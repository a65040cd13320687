"""Daily budget of the relayer in Redis: per chain, in total and for each account.

A transaction counts with its maximum cost before it is sent. The amount is given back only when the node rejected the
transaction. Days are UTC days. All amounts are in wei of the chain's native token.
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
"""Count a transaction; if that exceeds a limit, count nothing and return the limit's number and the amount spent.

Limit 1 is the total, limit 2 the account's."""
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
    """Maximum amounts that the relayer pays on one chain in one day, in wei."""

    total: int
    account: int
    """Maximum for the delegation removals of one account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expense:
    """Transaction of the relayer for an account, by its hash; `cost` is its maximum cost in wei."""

    chain_id: ChainId
    account: Address
    transaction: Hash32
    cost: int


class RelayerBudget:
    """Amounts that the relayer paid, shared by all replicas."""

    def __init__(self, link: Link, limits: DailyWei, clock: Clock) -> None:
        self._link = link
        self._limits = limits
        self._clock = clock
        self._take = link.script(_TAKE)
        self._back = link.script(_GIVE_BACK)

    async def take(self, expense: Expense) -> None:
        """Count an expense before the transaction is sent; a repeat counts nothing.

        Raises: Rejected (relayer_budget_used_up) with the limit, the amount spent, and the time until the next day.
        """
        now = self._clock.now()
        limits = self._limits
        answer = await self._link.run(
            self._take,
            self._key(expense.chain_id, now),
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
        """Subtract an expense whose transaction the node rejected."""
        now = self._clock.now()
        for day in (now, now - DAY_SECONDS):  # midnight may have passed since
            await self._link.run(self._back, self._key(expense.chain_id, day), *self._arguments(expense))

    async def read_left(self, chain_id: ChainId) -> int:
        """Return the wei that the relayer may still pay today on a chain, over all accounts."""
        text = await self._link.command("HGET", self._key(chain_id, self._clock.now()), "all")
        high, low, _ = (0, 0, 0) if text is None else map(int, text.split())
        return max(self._limits.total - high * LIMB_BASE - low, 0)

    @property
    def limits(self) -> DailyWei:
        """The limits of each chain."""
        return self._limits

    def _key(self, chain_id: ChainId, now: int) -> str:
        return self._link.key(f"relayer:{chain_id}:{now // DAY_SECONDS}")

    def _arguments(self, expense: Expense) -> tuple[int | str, ...]:
        return expense.transaction.hex(), expense.account.hex(), *split_wei(expense.cost)

    def _used_up_error(self, expense: Expense, *, which: int, spent: int, now: int) -> Rejected:
        if which == 1:
            limit = self._limits.total
            scope = "in total"
        else:
            limit = self._limits.account
            scope = f"for {expense.account}"
        next_day = (now // DAY_SECONDS + 1) * DAY_SECONDS
        fits_a_day = expense.cost <= limit
        tomorrow = f"{datetime.fromtimestamp(next_day, UTC):%Y-%m-%dT%H:%M:%SZ}"
        retry = f"after {tomorrow}" if fits_a_day else "when gas is cheaper"
        return Rejected(
            f"this server's relayer pays at most {limit} wei a day {scope} on chain {expense.chain_id:#x}: {spent} wei "
            f"are spent today, and this removal may cost {expense.cost} wei; try again {retry}, or send your own "
            "transaction",
            reason="relayer_budget_used_up",
            limit=hex(limit),
            spent=hex(spent),
            cost=hex(expense.cost),
            retryAfter=next_day - now if fits_a_day else None,
        )
