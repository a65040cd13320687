"""Lua scripts of the policies' budget ledgers; each is one atomic decision.

A reservation is stored as `hi lo until owners|open hashes`. A `+` after `until` marks an open-ended one. It counts in
the sum `all` and in two comma-separated lists of sums. `owners` are the sums of the reservation's owners. `open` are
the sums that count it only until its outcome is known. Older records have one sender and no `|`. A settled operation
also counts in `l:OWNER`, after which the owner is no longer a first-time owner. Lua's numbers are exact up to 2**53, so
an amount of wei is two numbers: hi * 10**15 + lo.
"""

from __future__ import annotations

LIMB_BASE = 10**15
"""Base of the two limbs of an amount of wei."""
_HASHES = 4
"""Number of a nonce's newest operation hashes that are stored, to look up their receipts."""
BOUNDS_AT = 13
"""Position of the first limit among the arguments of `RESERVE`, counted from 1."""
BOUND_SIZE = 4
"""Number of arguments of a limit."""
_MAX_RECHECK_SECONDS = 3600
"""Maximum time between two lookups of an open-ended reservation."""

SUMS = f"""
local sums = KEYS[1]
local function sum(field)
  local text = redis.call('HGET', sums, field)
  if not text then return {{hi = 0, lo = 0, n = 0}} end
  local hi, lo, n = string.match(text, '^(%d+) (%d+) (%d+)$')
  return {{hi = tonumber(hi), lo = tonumber(lo), n = tonumber(n)}}
end
local function add(to, what)
  local hi, lo = to.hi + what.hi, to.lo + what.lo
  if lo >= {LIMB_BASE} then hi, lo = hi + 1, lo - {LIMB_BASE} end
  return {{hi = hi, lo = lo, n = to.n + what.n}}
end
local function less(one, other)
  if one.hi ~= other.hi then return one.hi < other.hi end
  return one.lo < other.lo
end
local function minus(from, what)
  if less(from, what) then return {{hi = 0, lo = 0, n = math.max(from.n - what.n, 0)}} end
  local hi, lo = from.hi - what.hi, from.lo - what.lo
  if lo < 0 then hi, lo = hi - 1, lo + {LIMB_BASE} end
  return {{hi = hi, lo = lo, n = math.max(from.n - what.n, 0)}}
end
local function keep(field, value)
  if value.hi == 0 and value.lo == 0 and value.n == 0 then return redis.call('HDEL', sums, field) end
  redis.call('HSET', sums, field, string.format('%.0f %.0f %.0f', value.hi, value.lo, value.n))
end
"""
"""Functions for sums of wei and counts, which are fields of the hash at the first key."""

_COMMON = (
    SUMS
    + """
local reservations, pending, ended = KEYS[2], KEYS[3], KEYS[4]
local function each(list, act)
  for field in string.gmatch(list, '[^,]+') do act(field) end
end
local function has(list, field)
  return string.find(',' .. list .. ',', ',' .. field .. ',', 1, true) ~= nil
end
local function fields(it) return 'all,' .. it.owners .. ',' .. it.open end
local function count(it) each(fields(it), function(field) keep(field, add(sum(field), it)) end) end
local function give_back(it) each(fields(it), function(field) keep(field, minus(sum(field), it)) end) end
local function read(id)
  local text = redis.call('HGET', reservations, id)
  if not text then return nil end
  local hi, lo, valid_until, open_ended, owners, open, hashes =
    string.match(text, '^(%d+) (%d+) (%d+)(%+?) ([^ |]*)|?([^ ]*) (.*)$')
  return {
    hi = tonumber(hi), lo = tonumber(lo), n = 1, valid_until = tonumber(valid_until), open_ended = open_ended,
    owners = owners, open = open, hashes = hashes
  }
end
local function write(id, it)
  redis.call('HSET', reservations, id, string.format('%.0f %.0f %.0f', it.hi, it.lo, it.valid_until) .. it.open_ended
    .. ' ' .. it.owners .. '|' .. it.open .. ' ' .. it.hashes)
end
local function drop_ended(now, window)
  if window <= 0 then return end
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', ended, '-inf', now - window)) do
    local spent = read(old)
    if spent then give_back(spent) end
    redis.call('HDEL', reservations, old)
    redis.call('ZREM', ended, old)
  end
end
"""
)

RESERVE = (
    _COMMON
    + f"""
local now, window, id, hash = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local it = {{
  hi = tonumber(ARGV[5]), lo = tonumber(ARGV[6]), n = 1, valid_until = tonumber(ARGV[7]), open_ended = ARGV[8],
  owners = ARGV[9], open = ARGV[10], hashes = hash
}}
drop_ended(now, window)
local was = read(id)
if was then
  if less(it, was) then it.hi, it.lo = was.hi, was.lo end
  it.valid_until = math.max(it.valid_until, was.valid_until)
  if was.open_ended ~= '' then it.open_ended = was.open_ended end
  local seen = 1
  for one in string.gmatch(was.hashes, '%x+') do
    if one ~= hash and seen < {_HASHES} then it.hashes, seen = it.hashes .. ',' .. one, seen + 1 end
  end
end
local is_first = false
each(it.owners, function(owner) if sum('l:' .. owner).n == 0 then is_first = true end end)
if not is_first then it.open = string.gsub(it.open, '^first,?', '') end
local function exceeds(is, at)
  return ARGV[at] ~= '' and less({{hi = tonumber(ARGV[at]), lo = tonumber(ARGV[at + 1])}}, is)
end
for at = {BOUNDS_AT}, #ARGV, {BOUND_SIZE} do
  local field = ARGV[at]
  if has(fields(it), field) then
    local others = sum(field)
    if was and has(fields(was), field) then others = minus(others, was) end
    local is = add(others, it)
    local is_lone = others.n == 0 and has(it.open, field)
    if exceeds(is, is_lone and 11 or at + 1) then return at end
    if ARGV[at + 3] ~= '' and is.n > tonumber(ARGV[at + 3]) then return -at end
  end
end
if was then give_back(was) end
count(it)
write(id, it)
redis.call('ZREM', ended, id)
redis.call('ZADD', pending, it.valid_until, id)
return 0
"""
)
"""Reserve and return 0, or return the position of the exceeded limit's arguments.

The position is negative when the number of operations is too high. A repeat finds its own reservation and adds nothing.
Arguments 11 and 12 are the maximum cost of a reservation that is the only one in an `open` sum.
"""

LEASE = (
    _COMMON
    + f"""
local now, leased = tonumber(ARGV[1]), {{}}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', pending, '-inf', now, 'LIMIT', 0, ARGV[3])) do
  local it = read(id)
  if it then
    local lease = tonumber(ARGV[2])
    if it.open_ended ~= '' then lease = math.max(lease, math.min(now - it.valid_until, {_MAX_RECHECK_SECONDS})) end
    redis.call('ZADD', pending, now + lease, id)
    table.insert(leased, {{id, string.format('%.0f', it.valid_until), it.open_ended, it.hashes}})
  else
    redis.call('ZREM', pending, id)
  end
end
return leased
"""
)
"""Lease the reservations whose outcome should be looked up now; other callers do not get them until the lease ends.

A repeated call leases other reservations. The lease of an open-ended reservation grows with its age, since most
open-ended reservations belong to operations that were never sent.
"""

SETTLE = (
    _COMMON
    + """
local id, valid_until, now, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local it = read(id)
if not it or it.valid_until ~= valid_until or not redis.call('ZSCORE', pending, id) then return 0 end
redis.call('ZREM', pending, id)
give_back(it)
if ARGV[5] == 'never' then
  redis.call('HDEL', reservations, id)
  return 1
end
local cost = {hi = tonumber(ARGV[6]), lo = tonumber(ARGV[7])}
if ARGV[5] == 'cost' then
  if less(cost, it) then it.hi, it.lo = cost.hi, cost.lo end
  local owners = it.owners
  each(owners, function(owner) it.owners = it.owners .. ',l:' .. owner end)
elseif has(it.open, 'first') then
  it.owners = it.owners .. ',first'
end
it.open = ''
count(it)
if window > 0 then
  write(id, it)
  redis.call('ZADD', ended, now, id)
else
  redis.call('HDEL', reservations, id)
end
return 1
"""
)
"""Replace a reservation by its outcome, unless it was renewed after the lease. A repeat finds nothing to do.

Without proof that its operation was included, the reservation stays in the sum of first-time owners. The use of its
nonce alone frees nothing in that sum.
"""

USED = (
    _COMMON
    + """
drop_ended(tonumber(ARGV[1]), tonumber(ARGV[2]))
local it = sum('all')
return {string.format('%.0f', it.hi), string.format('%.0f', it.lo), string.format('%.0f', it.n)}
"""
)
"""Return the wei, in two limbs, and the number of operations that count now: those out of the window do not."""

EXPEDITE = """
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1]) end
return 0
"""
"""Move the next lookup of a pending reservation to the given time."""


def split_wei(wei: int) -> tuple[int, int]:
    """Split an amount into the scripts' two limbs."""
    return divmod(wei, LIMB_BASE)
