"""What sponsorship policies have spent and promised, in Redis: one slot for a policy, one script for a decision.

The rule: a promise counts with the operation's maximum cost from before its signature is given away, until the chain
has shown that it cannot be redeemed any more (released) or what it cost (spent). One nonce of one account is one
promise, since only one of its operations can land: preparing it again raises the promise, and never counts it twice.

Lua's numbers are exact up to 2**53, so an amount of wei is two of them: hi * 10**15 + lo.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.domain.policy import Limits, Refusal
from wallet_rpc.primitives import Address, ChainId, Hash32

_HALF = 10**15
_HINT_SECONDS = 7 * 24 * 3600
"""How long an operation's policy is remembered for `of_operation`."""
_HASHES = 4
"""How many of a nonce's newest operations are remembered, to look for what they cost."""
_LIMITS = (Refusal.TOTAL_WEI, Refusal.TOTAL_OPERATIONS, Refusal.SENDER_WEI, Refusal.SENDER_OPERATIONS)

_COMMON = f"""
local sums, promises, due, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local function sum(field)
  local kept = redis.call('HGET', sums, field)
  if not kept then return {{hi = 0, lo = 0, n = 0}} end
  local hi, lo, n = string.match(kept, '^(%d+) (%d+) (%d+)$')
  return {{hi = tonumber(hi), lo = tonumber(lo), n = tonumber(n)}}
end
local function add(to, what)
  local hi, lo = to.hi + what.hi, to.lo + what.lo
  if lo >= {_HALF} then hi, lo = hi + 1, lo - {_HALF} end
  return {{hi = hi, lo = lo, n = to.n + what.n}}
end
local function less(one, other)
  if one.hi ~= other.hi then return one.hi < other.hi end
  return one.lo < other.lo
end
local function minus(from, what)
  if less(from, what) then return {{hi = 0, lo = 0, n = math.max(from.n - what.n, 0)}} end
  local hi, lo = from.hi - what.hi, from.lo - what.lo
  if lo < 0 then hi, lo = hi - 1, lo + {_HALF} end
  return {{hi = hi, lo = lo, n = math.max(from.n - what.n, 0)}}
end
local function keep(field, value)
  if value.hi == 0 and value.lo == 0 and value.n == 0 then return redis.call('HDEL', sums, field) end
  redis.call('HSET', sums, field, string.format('%.0f %.0f %.0f', value.hi, value.lo, value.n))
end
local function give_back(sender, what)
  keep('all', minus(sum('all'), what))
  keep(sender, minus(sum(sender), what))
end
local function promise(id)
  local kept = redis.call('HGET', promises, id)
  if not kept then return nil end
  local hi, lo, ends, sender, hashes = string.match(kept, '^(%d+) (%d+) (%d+) (%w+) (.*)$')
  return {{hi = tonumber(hi), lo = tonumber(lo), n = 1, ends = tonumber(ends), sender = sender, hashes = hashes}}
end
local function write(id, it)
  redis.call('HSET', promises, id,
    string.format('%.0f %.0f %.0f ', it.hi, it.lo, it.ends) .. it.sender .. ' ' .. it.hashes)
end
"""

_RESERVE = (
    _COMMON
    + f"""
local now, window, ends = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local id, sender, hash = ARGV[3], ARGV[4], ARGV[6]
local cost = {{hi = tonumber(ARGV[7]), lo = tonumber(ARGV[8]), n = 1}}
if window > 0 then
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', ended, '-inf', now - window)) do
    local left = promise(old)
    if left then give_back(left.sender, left) end
    redis.call('HDEL', promises, old)
    redis.call('ZREM', ended, old)
  end
end
local was = promise(id)
local more = cost
if was then
  more = minus(cost, was)
  more.n = 0
end
local all, own = add(sum('all'), more), add(sum(sender), more)
local function over(is, at)
  if ARGV[at] == '' then return false end
  return less({{hi = tonumber(ARGV[at]), lo = tonumber(ARGV[at + 1])}}, is)
end
local function too_many(is, at) return ARGV[at] ~= '' and is.n > tonumber(ARGV[at]) end
if over(all, 9) then return 1 end
if too_many(all, 11) then return 2 end
if over(own, 12) then return 3 end
if too_many(own, 14) then return 4 end
keep('all', all)
keep(sender, own)
local hashes = hash
if was then
  cost, ends = add({{hi = was.hi, lo = was.lo, n = 0}}, more), math.max(ends, was.ends)
  local seen = 1
  for one in string.gmatch(was.hashes, '%x+') do
    if one ~= hash and seen < {_HASHES} then hashes, seen = hashes .. ',' .. one, seen + 1 end
  end
end
write(id, {{hi = cost.hi, lo = cost.lo, ends = ends, sender = sender, hashes = hashes}})
redis.call('ZREM', ended, id)
redis.call('ZADD', due, ends, id)
return 0
"""
)
"""Promise, unless a limit would be exceeded: then which one. A repeat finds its own promise and adds nothing."""

_TAKE = (
    _COMMON
    + """
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
  redis.call('ZADD', due, ARGV[1] + ARGV[2], id)
  local it = promise(id)
  if it then
    table.insert(taken, {id, string.format('%.0f', it.ends), it.hashes})
  else
    redis.call('ZREM', due, id)
  end
end
return taken
"""
)
"""The promises whose outcome should be looked up now; nobody else gets them for a while. A repeat gets others."""

_SETTLE = (
    _COMMON
    + """
local id, ends, now, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local it = promise(id)
if not it or it.ends ~= ends or not redis.call('ZSCORE', due, id) then return 0 end
local cost = nil
if ARGV[5] == 'cost' then cost = {hi = tonumber(ARGV[6]), lo = tonumber(ARGV[7]), n = 0} end
if ARGV[5] == 'most' then cost = {hi = it.hi, lo = it.lo, n = 0} end
redis.call('ZREM', due, id)
if not cost then
  give_back(it.sender, it)
  redis.call('HDEL', promises, id)
  return 1
end
local rest = minus(it, cost)
rest.n = 0
give_back(it.sender, rest)
if window > 0 then
  it = minus(it, rest)
  local kept = promise(id)
  write(id, {hi = it.hi, lo = it.lo, ends = ends, sender = kept.sender, hashes = kept.hashes})
  redis.call('ZADD', ended, now, id)
else
  redis.call('HDEL', promises, id)
end
return 1
"""
)
"""Replace a promise by what became of it, unless it was renewed since it was taken. A repeat finds nothing to do."""

_HURRY = """
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1]) end
return 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A sponsorship that was signed: `cost` is the most it can cost, in wei; good until `ends` (seconds since 1970)."""

    chain_id: ChainId
    sender: Address
    nonce: int
    operation_hash: Hash32
    cost: int
    ends: int

    @property
    def identity(self) -> str:
        """What it is counted under: at most one operation of a nonce lands."""
        return f"{self.chain_id}:{self.sender.hex()}:{self.nonce:x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A promise whose outcome may be known by now."""

    chain_id: ChainId
    sender: Address
    nonce: int
    ends: int
    operation_hashes: tuple[Hash32, ...]
    """The newest operations it was signed for."""
    identity: str


@dataclass(frozen=True, slots=True)
class Book:
    """Where a policy is accounted: its id, and the length of its rolling window in seconds (0: none)."""

    policy_id: UUID
    window_seconds: int = 0


class RedisBudgets:
    """The books of all policies; every change is one script."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._reserve = link.script(_RESERVE)
        self._take = link.script(_TAKE)
        self._settle = link.script(_SETTLE)
        self._hurry = link.script(_HURRY)

    async def reserve(self, book: Book, promise: Promise, limits: Limits, *, now: int) -> Refusal | None:
        """Count a promise before it is given; else (nothing written) the limit that it would exceed. Atomic."""
        answer = await self._link.run(
            self._reserve,
            self._keys(book),
            now,
            book.window_seconds,
            promise.identity,
            promise.sender.hex(),
            promise.ends,
            promise.operation_hash.hex(),
            *_halves(promise.cost),
            *(("", "") if limits.total_wei is None else _halves(limits.total_wei)),
            "" if limits.total_operations is None else limits.total_operations,
            *(("", "") if limits.sender_wei is None else _halves(limits.sender_wei)),
            "" if limits.sender_operations is None else limits.sender_operations,
        )
        if answer:
            return _LIMITS[answer - 1]
        await self._link.command(
            "SET", self._hint_key(promise.chain_id, promise.operation_hash), str(book.policy_id), "EX", _HINT_SECONDS
        )
        return None

    async def due(self, book: Book, *, now: int, lease_seconds: int, most: int) -> tuple[Due, ...]:
        """Promises to look up; the same ones are not given again before the lease is over, and then until settled."""
        taken = await self._link.run(self._take, self._keys(book), now, lease_seconds, most)
        return tuple(_due(*(part.decode() for part in one)) for one in taken)

    async def spent(self, book: Book, due: Due, *, cost: int | None, now: int) -> None:
        """It landed: the rest of the promise is free again. Without a known `cost` all of it was spent."""
        how = ("most", 0, 0) if cost is None else ("cost", *_halves(cost))
        await self._settled(book, due, how, now)

    async def released(self, book: Book, due: Due, *, now: int) -> None:
        """It can never land: the promise is free again."""
        await self._settled(book, due, ("never", 0, 0), now)

    async def hurry(self, book: Book, identity: str, *, now: int) -> None:
        """Look this promise up from now on, not only when it has ended."""
        await self._link.run(self._hurry, self._keys(book), identity, now)

    async def of_operation(self, chain_id: ChainId, operation_hash: Hash32) -> UUID | None:
        """The policy that sponsored an operation of the last days."""
        text = await self._link.command("GET", self._hint_key(chain_id, operation_hash))
        return None if text is None else UUID(text.decode())

    async def counted(self, book: Book, sender: Address | None = None) -> tuple[int, int]:
        """Wei and operations, spent and promised: of a sender, or (None) of all."""
        field = "all" if sender is None else sender.hex()
        text = await self._link.command("HGET", self._keys(book)[0], field)
        high, low, count = (0, 0, 0) if text is None else map(int, text.split())
        return high * _HALF + low, count

    async def _settled(self, book: Book, due: Due, how: tuple[str, int, int], now: int) -> None:
        await self._link.run(self._settle, self._keys(book), due.identity, due.ends, now, book.window_seconds, *how)

    def _keys(self, book: Book) -> list[str]:
        tag = f"policy:{book.policy_id}:{book.window_seconds}"
        return [self._link.key(tag, name) for name in ("sums", "promises", "due", "ended")]

    def _hint_key(self, chain_id: ChainId, operation_hash: Hash32) -> str:
        return self._link.key(f"sponsored:{chain_id}:{operation_hash.hex()}")


def _halves(wei: int) -> tuple[int, int]:
    return divmod(wei, _HALF)


def _due(identity: str, ends: str, hashes: str) -> Due:
    chain_id, sender, nonce = identity.split(":")
    return Due(
        chain_id=int(chain_id),
        sender=Address.parse("0x" + sender),
        nonce=int(nonce, 16),
        ends=int(ends),
        operation_hashes=tuple(Hash32.parse("0x" + one) for one in hashes.split(",")),
        identity=identity,
    )
