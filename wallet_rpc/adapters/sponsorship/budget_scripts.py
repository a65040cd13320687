"""The scripts that keep the books of policies: each is one decision, whole or not at all.

A promise is kept as `hi lo ends kept|open hashes`; `ends` has a `+` behind it when no time ends the promise. `kept` and
`open` are the sums that it is counted in, by commas: those of its owners, beside that of everything, and those that it
leaves when its outcome is known. Older records have one sender and no `|`. A landed operation is counted in `l:OWNER`
too, which is how an owner's first time ends. Lua's numbers are exact up to 2**53, so an amount of wei is two of them:
hi * 10**15 + lo.
"""

from __future__ import annotations

LIMB_BASE = 10**15
_HASHES = 4
"""How many of a nonce's newest operations are remembered, to look for what they cost."""
BOUNDS_AT, BOUND_SIZE = 13, 4
"""The first bound among the arguments of `RESERVE`, from 1, and how many arguments each takes."""
_MAX_RECHECK_SECONDS = 3600
"""Seconds after which every open promise is looked up again."""

SUMS = f"""
local sums = KEYS[1]
local function sum(field)
  local kept = redis.call('HGET', sums, field)
  if not kept then return {{hi = 0, lo = 0, n = 0}} end
  local hi, lo, n = string.match(kept, '^(%d+) (%d+) (%d+)$')
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
"""Sums of wei and counts, in the fields of the hash at the first key."""

_COMMON = (
    SUMS
    + """
local promises, due, ended = KEYS[2], KEYS[3], KEYS[4]
local function each(list, act)
  for field in string.gmatch(list, '[^,]+') do act(field) end
end
local function has(list, field)
  return string.find(',' .. list .. ',', ',' .. field .. ',', 1, true) ~= nil
end
local function fields(it) return 'all,' .. it.kept .. ',' .. it.open end
local function count(it) each(fields(it), function(field) keep(field, add(sum(field), it)) end) end
local function give_back(it) each(fields(it), function(field) keep(field, minus(sum(field), it)) end) end
local function promise(id)
  local kept = redis.call('HGET', promises, id)
  if not kept then return nil end
  local hi, lo, ends, lasts, own, open, hashes =
    string.match(kept, '^(%d+) (%d+) (%d+)(%+?) ([^ |]*)|?([^ ]*) (.*)$')
  return {
    hi = tonumber(hi), lo = tonumber(lo), n = 1, ends = tonumber(ends), lasts = lasts,
    kept = own, open = open, hashes = hashes
  }
end
local function write(id, it)
  redis.call('HSET', promises, id, string.format('%.0f %.0f %.0f', it.hi, it.lo, it.ends) .. it.lasts
    .. ' ' .. it.kept .. '|' .. it.open .. ' ' .. it.hashes)
end
"""
)

RESERVE = (
    _COMMON
    + f"""
local now, window, id, hash = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local it = {{
  hi = tonumber(ARGV[5]), lo = tonumber(ARGV[6]), n = 1, ends = tonumber(ARGV[7]), lasts = ARGV[8],
  kept = ARGV[9], open = ARGV[10], hashes = hash
}}
if window > 0 then
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', ended, '-inf', now - window)) do
    local left = promise(old)
    if left then give_back(left) end
    redis.call('HDEL', promises, old)
    redis.call('ZREM', ended, old)
  end
end
local was = promise(id)
if was then
  if less(it, was) then it.hi, it.lo = was.hi, was.lo end
  it.ends = math.max(it.ends, was.ends)
  if was.lasts ~= '' then it.lasts = was.lasts end
  local seen = 1
  for one in string.gmatch(was.hashes, '%x+') do
    if one ~= hash and seen < {_HASHES} then it.hashes, seen = it.hashes .. ',' .. one, seen + 1 end
  end
end
local is_first = false
each(it.kept, function(owner) if sum('l:' .. owner).n == 0 then is_first = true end end)
if not is_first then it.open = string.gsub(it.open, '^first,?', '') end
local function over(is, at)
  return ARGV[at] ~= '' and less({{hi = tonumber(ARGV[at]), lo = tonumber(ARGV[at + 1])}}, is)
end
for at = {BOUNDS_AT}, #ARGV, {BOUND_SIZE} do
  local field = ARGV[at]
  if has(fields(it), field) then
    local others = sum(field)
    if was and has(fields(was), field) then others = minus(others, was) end
    local is = add(others, it)
    local is_lone = others.n == 0 and has(it.open, field)
    if over(is, is_lone and 11 or at + 1) then return at end
    if ARGV[at + 3] ~= '' and is.n > tonumber(ARGV[at + 3]) then return -at end
  end
end
if was then give_back(was) end
count(it)
write(id, it)
redis.call('ZREM', ended, id)
redis.call('ZADD', due, it.ends, id)
return 0
"""
)
"""Promise, unless a bound would be exceeded: then its place in the arguments, negative when the number is too high.

A repeat finds its own promise and adds nothing. Arguments 11 and 12 are the most that a promise may cost which is alone
in a sum of open ones.
"""

LEASE = (
    _COMMON
    + f"""
local now, taken = tonumber(ARGV[1]), {{}}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, ARGV[3])) do
  local it = promise(id)
  if it then
    local rest = tonumber(ARGV[2])
    if it.lasts ~= '' then rest = math.max(rest, math.min(now - it.ends, {_MAX_RECHECK_SECONDS})) end
    redis.call('ZADD', due, now + rest, id)
    table.insert(taken, {{id, string.format('%.0f', it.ends), it.lasts, it.hashes}})
  else
    redis.call('ZREM', due, id)
  end
end
return taken
"""
)
"""The promises whose outcome should be looked up now; nobody else gets them for a while. A repeat gets others.

One that no time ends rests longer the older it is, since most of these are of callers who never sent.
"""

SETTLE = (
    _COMMON
    + """
local id, ends, now, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local it = promise(id)
if not it or it.ends ~= ends or not redis.call('ZSCORE', due, id) then return 0 end
redis.call('ZREM', due, id)
give_back(it)
if ARGV[5] == 'never' then
  redis.call('HDEL', promises, id)
  return 1
end
local cost = {hi = tonumber(ARGV[6]), lo = tonumber(ARGV[7])}
if ARGV[5] == 'cost' then
  if less(cost, it) then it.hi, it.lo = cost.hi, cost.lo end
  local owners = it.kept
  each(owners, function(owner) it.kept = it.kept .. ',l:' .. owner end)
elseif has(it.open, 'first') then
  it.kept = it.kept .. ',first'
end
it.open = ''
count(it)
if window > 0 then
  write(id, it)
  redis.call('ZADD', ended, now, id)
else
  redis.call('HDEL', promises, id)
end
return 1
"""
)
"""Replace a promise by what became of it, unless it was renewed since it was taken. A repeat finds nothing to do.

Where nothing proves that it landed, it stays in the sum of first-time owners: burning a nonce frees nothing there.
"""

EXPEDITE = """
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1]) end
return 0
"""


def split_wei(wei: int) -> tuple[int, int]:
    """An amount as the scripts count it."""
    return divmod(wei, LIMB_BASE)
