"""The scripts that keep the books of policies: each is one decision, whole or not at all.

A promise is kept as `hi lo ends sender hashes`; `ends` has a `+` behind it when no time ends the promise. Lua's numbers
are exact up to 2**53, so an amount of wei is two of them: hi * 10**15 + lo.
"""

from __future__ import annotations

HALF = 10**15
_HASHES = 4
"""How many of a nonce's newest operations are remembered, to look for what they cost."""
_LONGEST_REST = 3600
"""Seconds after which every open promise is looked up again."""

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
  if lo >= {HALF} then hi, lo = hi + 1, lo - {HALF} end
  return {{hi = hi, lo = lo, n = to.n + what.n}}
end
local function less(one, other)
  if one.hi ~= other.hi then return one.hi < other.hi end
  return one.lo < other.lo
end
local function minus(from, what)
  if less(from, what) then return {{hi = 0, lo = 0, n = math.max(from.n - what.n, 0)}} end
  local hi, lo = from.hi - what.hi, from.lo - what.lo
  if lo < 0 then hi, lo = hi - 1, lo + {HALF} end
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
  local hi, lo, ends, lasts, sender, hashes = string.match(kept, '^(%d+) (%d+) (%d+)(%+?) (%w+) (.*)$')
  return {{
    hi = tonumber(hi), lo = tonumber(lo), n = 1, ends = tonumber(ends), lasts = lasts, sender = sender, hashes = hashes
  }}
end
local function write(id, it)
  redis.call('HSET', promises, id,
    string.format('%.0f %.0f %.0f', it.hi, it.lo, it.ends) .. it.lasts .. ' ' .. it.sender .. ' ' .. it.hashes)
end
"""

RESERVE = (
    _COMMON
    + f"""
local now, window, ends = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local id, sender, hash, lasts = ARGV[3], ARGV[4], ARGV[6], ARGV[15]
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
  if was.lasts ~= '' then lasts = was.lasts end
  local seen = 1
  for one in string.gmatch(was.hashes, '%x+') do
    if one ~= hash and seen < {_HASHES} then hashes, seen = hashes .. ',' .. one, seen + 1 end
  end
end
write(id, {{hi = cost.hi, lo = cost.lo, ends = ends, lasts = lasts, sender = sender, hashes = hashes}})
redis.call('ZREM', ended, id)
redis.call('ZADD', due, ends, id)
return 0
"""
)
"""Promise, unless a limit would be exceeded: then which one. A repeat finds its own promise and adds nothing."""

TAKE = (
    _COMMON
    + f"""
local now, taken = tonumber(ARGV[1]), {{}}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, ARGV[3])) do
  local it = promise(id)
  if it then
    local rest = tonumber(ARGV[2])
    if it.lasts ~= '' then rest = math.max(rest, math.min(now - it.ends, {_LONGEST_REST})) end
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
  write(id, {hi = it.hi, lo = it.lo, ends = ends, lasts = kept.lasts, sender = kept.sender, hashes = kept.hashes})
  redis.call('ZADD', ended, now, id)
else
  redis.call('HDEL', promises, id)
end
return 1
"""
)
"""Replace a promise by what became of it, unless it was renewed since it was taken. A repeat finds nothing to do."""

HURRY = """
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1]) end
return 0
"""
