"""Lua scripts of the rules of sessions; each is one atomic decision over one account's slot.

An open reservation is stored by the nonce, as JSON: the operations with this nonce by their hash. Each has its amounts
by name (`a`), the ends of the windows in which they count, by period (`w`), the version of the rules under which it was
accepted (`v`), the organisations through which it was sent, each with the time at which its reservation ends (`h`,
empty: with its outcome), and the latest of these times (`u`). Amounts are decimal text of up to 256 bits, since Lua's
numbers are exact up to 2**53 only. They are added up in limbs of ten digits, of which some 900,000 have an exact sum.
What is reserved of a sum is always counted anew from the open reservations, so that no number can differ from them.
Used amounts are fields `name|period|end` of a hash.
"""

from __future__ import annotations

from wallet_rpc.adapters.rules_lifetime import LIFETIME

SETTLED_SECONDS = 30 * 86_400
"""Time for which an operation whose outcome counts is stored, as long as the record of a call."""
WINDOW_SECONDS = 3600
"""Time for which the amounts of a window are stored after its end, unless an open reservation counts in it.

Each reservation reads the names of all stored windows, so that their number must not grow with the session's age.
"""
MAX_OPEN = 1000
"""Maximum number of open reservations of a session: operations, also those of one nonce."""
LONGEST_SPAN_SECONDS = 86_400
"""The longest span of a rate, in seconds."""

_COMMON = f"""
local rules, usage, open, rate, settled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local function add_to(limbs, text)
  local index = 1
  for at = #text, 1, -10 do
    limbs[index] = (limbs[index] or 0) + tonumber(string.sub(text, math.max(at - 9, 1), at))
    index = index + 1
  end
end
local function format_limbs(limbs)
  local index = 1
  while limbs[index] do
    local carry = math.floor(limbs[index] / 1e10)
    limbs[index] = limbs[index] - carry * 1e10
    if carry > 0 then limbs[index + 1] = (limbs[index + 1] or 0) + carry end
    index = index + 1
  end
  local text = string.format('%.0f', limbs[#limbs])
  for at = #limbs - 1, 1, -1 do text = text .. string.format('%010.0f', limbs[at]) end
  return text
end
local function add(one, other)
  local limbs = {{}}
  add_to(limbs, one)
  add_to(limbs, other)
  return format_limbs(limbs)
end
local function less(one, other)
  if #one ~= #other then return #one < #other end
  for at = 1, #one, 15 do
    local x, y = tonumber(string.sub(one, at, at + 14)), tonumber(string.sub(other, at, at + 14))
    if x ~= y then return x < y end
  end
  return false
end
local function field_of(name, period, window) return name .. '|' .. period .. '|' .. window end
local function used(name, period, window)
  return redis.call('HGET', usage, field_of(name, period, window)) or '0'
end
local function open_ones(now)
  local found, flat = {{}}, redis.call('HGETALL', open)
  for at = 1, #flat, 2 do
    local nonce, it, has_changed = flat[at], cjson.decode(flat[at + 1]), false
    for hash, operation in pairs(it) do
      if operation.u ~= '' and tonumber(operation.u) <= now then it[hash], has_changed = nil, true end
    end
    if next(it) then
      found[nonce] = it
      if has_changed then redis.call('HSET', open, nonce, cjson.encode(it)) end
    else
      redis.call('HDEL', open, nonce)
      redis.call('ZREM', rate, nonce)
    end
  end
  return found
end
local function latest_of(ends)
  local latest = '0'
  for _, at in pairs(ends) do
    if at == '' then return '' end
    if less(latest, at) then latest = at end
  end
  return latest
end
local function amount_in(it, name, period, window)
  local most = '0'
  for _, operation in pairs(it) do
    local amount = operation.w[period] == window and operation.a[name] or '0'
    if less(most, amount) then most = amount end
  end
  return most
end
local function add_reserved(start, all, name, period, window)
  local limbs = {{}}
  add_to(limbs, start)
  for _, it in pairs(all) do add_to(limbs, amount_in(it, name, period, window)) end
  return format_limbs(limbs)
end
local function drop_old_times(now) redis.call('ZREMRANGEBYSCORE', rate, '-inf', now - {LONGEST_SPAN_SECONDS}) end
local function counts_in(all, period, window)
  for _, it in pairs(all) do
    for _, operation in pairs(it) do
      if operation.w[period] == window then return true end
    end
  end
  return false
end
local function drop_old_windows(now, all)
  for _, name in ipairs(redis.call('HKEYS', usage)) do
    local period, window = string.match(name, '|(%a+)|(%d+)$')
    if window ~= '0' and tonumber(window) <= now - {WINDOW_SECONDS} and not counts_in(all, period, window) then
      redis.call('HDEL', usage, name)
    end
  end
end
local function drop_old(now)
  redis.call('ZREMRANGEBYSCORE', settled, '-inf', now - {SETTLED_SECONDS})
  local left = redis.call('PTTL', rules)
  for at = 2, 5 do
    if left > 0 then redis.call('PEXPIRE', KEYS[at], left) else redis.call('PERSIST', KEYS[at]) end
  end
end
"""

RESERVE_AMOUNTS = (
    _COMMON
    + LIFETIME
    + """
local mode, now, until_, nonce, hash, version = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if redis.call('HGET', rules, 'version') ~= version then return {'changed'} end
if redis.call('ZSCORE', settled, nonce .. ':' .. hash) then return {'ok'} end
local all = open_ones(now)
local it, count = all[nonce] or {}, 0
for _, operations in pairs(all) do
  for _ in pairs(operations) do count = count + 1 end
end
if mode ~= 'count' and not it[hash] and count >= tonumber(ARGV[10]) then return {'full'} end
all[nonce] = nil
local is_repeat = it[hash] and it[hash].v == version
local operation = cjson.decode(ARGV[7])
operation.v = mode == 'count' and '' or version
operation.h = {}
if it[hash] then operation.w, operation.h = it[hash].w, it[hash].h or {[ARGV[11]] = it[hash].u} end
if operation.h[ARGV[11]] ~= '' then operation.h[ARGV[11]] = until_ end
operation.u = latest_of(operation.h)
it[hash] = operation
if mode ~= 'count' and not is_repeat then
  for index, sum in ipairs(cjson.decode(ARGV[8])) do
    local name, period, limit = sum[1], sum[2], sum[3]
    if operation.a[name] then
      local window = operation.w[period]
      local others = add_reserved(used(name, period, window), all, name, period, window)
      if less(limit, add(others, amount_in(it, name, period, window))) then return {'sum', index, others, window} end
    end
  end
  for index, span in ipairs(cjson.decode(ARGV[9])) do
    local first = '(' .. string.format('%.0f', now - span[1])
    local others = redis.call('ZCOUNT', rate, first, '+inf')
    local own = redis.call('ZSCORE', rate, nonce)
    if own and tonumber(own) > now - span[1] then others = others - 1 end
    if others >= span[2] then
      local oldest = redis.call('ZRANGEBYSCORE', rate, first, '+inf', 'WITHSCORES', 'LIMIT', others - span[2], 1)
      return {'rate', index, tostring(others), string.format('%.0f', tonumber(oldest[2]) + span[1])}
    end
  end
end
if mode == 'check' then return {'ok'} end
keep_for_outcome(now + """
    + str(SETTLED_SECONDS)
    + """)
redis.call('HSET', open, nonce, cjson.encode(it))
all[nonce] = it
drop_old_windows(now, all)
drop_old_times(now)
if ARGV[9] ~= '[]' then redis.call('ZADD', rate, 'NX', now, nonce) end
drop_old(now)
return {'ok'}
"""
)
"""Reserve the amounts of an operation, or return the first limit that it exceeds and what counts without it.

The rules of an unsigned session are kept for the outcome only, since a stranger can sign with a session key of its own.

Nothing is reserved for an operation whose outcome counts. Another one of its nonce can only be included if the chain
replaced a final block, and then counts too. A replacement of an operation's rules keeps its windows.
"""

RENEW = (
    _COMMON
    + """
local nonce, hash, version, now = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local it = open_ones(now)[nonce]
if not it or not it[hash] or it[hash].v ~= version then return 0 end
it[hash].h = it[hash].h or {}
it[hash].h[ARGV[5]], it[hash].u = '', ''
redis.call('HSET', open, nonce, cjson.encode(it))
return 1
"""
)
"""Keep a reservation until its outcome; return 0 without one of this operation under these rules."""

SETTLE_AMOUNTS = (
    _COMMON
    + LIFETIME
    + """
local nonce, hash, outcome, now = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if redis.call('HGET', rules, 'version') ~= ARGV[7] then return -1 end
local text = redis.call('HGET', open, nonce)
local it = text and cjson.decode(text) or {}
local operation = it[hash]
if outcome == 'never' then
  if not operation then return 1 end
  local ends = operation.h or {}
  ends[ARGV[9]] = nil
  if next(ends) then operation.u = latest_of(ends) else it[hash] = nil end
  if next(it) then
    redis.call('HSET', open, nonce, cjson.encode(it))
  else
    redis.call('HDEL', open, nonce)
    redis.call('ZREM', rate, nonce)
  end
  return 1
end
keep(ARGV[8])
if redis.call('ZSCORE', settled, nonce .. ':' .. hash) then return 1 end
if not operation then
  if ARGV[5] == '' then return 0 end
  operation = cjson.decode(ARGV[5])
end
for _, sum in ipairs(cjson.decode(ARGV[6])) do
  local amount = operation.a[sum[1]]
  if amount and (outcome == 'succeeded' or sum[1] == 'calls') then
    local field = field_of(sum[1], sum[2], operation.w[sum[2]])
    redis.call('HSET', usage, field, add(redis.call('HGET', usage, field) or '0', amount))
  end
end
redis.call('HDEL', open, nonce)
redis.call('ZADD', settled, now, nonce .. ':' .. hash)
drop_old(now)
return 1
"""
)
"""Replace a reservation by its outcome. Returns 0 for an operation that used its nonce without a reservation.

Returns -1 if the rules changed since they were read.

An operation that will never be included stays reserved for the other organisations through which it was sent.

An outcome on the chain proves the owner's signature, so the rules are kept.

Of a reverted operation, its number of calls counts and its amounts do not.
"""

USAGE = (
    _COMMON
    + """
local now = tonumber(ARGV[1])
local all, sums, rates = open_ones(now), {}, {}
local replaced, own_time = all[ARGV[4]] or {}, redis.call('ZSCORE', rate, ARGV[4])
for index, sum in ipairs(cjson.decode(ARGV[2])) do
  local reserved = add_reserved('0', all, sum[1], sum[2], sum[3])
  sums[index] = {used(sum[1], sum[2], sum[3]), reserved, amount_in(replaced, sum[1], sum[2], sum[3])}
end
for index, span in ipairs(cjson.decode(ARGV[3])) do
  local count = redis.call('ZCOUNT', rate, '(' .. string.format('%.0f', now - span[1]), '+inf')
  rates[index] = {count, own_time and tonumber(own_time) > now - span[1] and 1 or 0}
end
return {sums, rates}
"""
)
"""Return what is used and reserved of each sum, and the number of operations in each span.

Each comes with the part that another operation with the nonce of the fourth argument would replace.
"""
